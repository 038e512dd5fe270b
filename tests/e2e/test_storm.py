"""Models come, go, fill, turn out wrong and are mended under readers: nobody is left hanging."""

import os
import random
import subprocess
import sys

import harness
from hub import Synthetic
from hung_tasks import HungTasks

MIB = 1 << 20
MODELS = 6
TURNS = 60
SIZE = 5 * MIB + 77

# Reads and maps what there is, whatever it is told, until its input ends. A mapping whose file turns
# out wrong ends a process by SIGBUS, so each look at one is a process of its own.
READER = """
import mmap, os, random, sys, threading
root, threads = sys.argv[1], int(sys.argv[2])
over = threading.Event()

def look(chance):
    folder, _, names = chance.choice(list(os.walk(root)))
    os.stat(os.path.join(root, "config.json"))
    if not names:
        return
    path = os.path.join(folder, chance.choice(names))
    with open(path, "rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        for _ in range(4):
            os.pread(file.fileno(), 4096, chance.randrange(max(size, 1)))
        if size and chance.random() < 0.2:
            child = os.posix_spawn(sys.executable, [sys.executable, "-c", MAPPER, path], os.environ)
            os.waitpid(child, 0)

MAPPER = '''
import mmap, sys
try:
    file = open(sys.argv[1], "rb")
except OSError:
    sys.exit()  # it has gone
with file:
    with mmap.mmap(file.fileno(), 0, mmap.MAP_SHARED, mmap.PROT_READ) as memory:
        sum(memory[::4096])
'''

def run(seed):
    chance = random.Random(seed)
    while not over.is_set():
        try:
            look(chance)
        except OSError:
            pass

all = [threading.Thread(target=run, args=(seed,)) for seed in range(threads)]
for thread in all:
    thread.start()
print("ready", flush=True)
sys.stdin.read()
over.set()
for thread in all:
    thread.join()
"""


def change(castool, hub, chance):
    """Something that the mount tells the kernel of."""
    name = f"acme/m{chance.randrange(MODELS)}"
    what = chance.choice(["cp", "rm", "again", "wrong", "gc"])
    if what == "cp":
        castool.run("cp", name, f"copy/c{chance.randrange(4)}", status=None)
    elif what == "rm":
        castool.run("rm", f"copy/c{chance.randrange(4)}", status=None)
    elif what == "again":
        castool.run("rm", name, status=None)
        castool.run("gc", "--partials")
        castool.run("pull", "-q", "--lazy", name)
    elif what == "wrong":
        hub.fault({"flip_at": 3 * MIB + 5}, origin="cdn", ranged=True, covers=3 * MIB + 5)
    else:
        castool.run("gc")


def test_under_a_storm_of_changes_nobody_hangs(hub, castool, mountpoint):
    castool.environment["CASTOOL_TIME_SCALE"] = "0.05"
    for number in range(MODELS):
        hub.add_repository(f"acme/m{number}", {"config.json": f'{{"n":{number}}}',
                                               "weights.bin": Synthetic(SIZE, number)})
        castool.run("pull", "-q", "--lazy", f"acme/m{number}")
    castool.run("mount", mountpoint)
    [daemon] = castool.processes()
    reader = subprocess.Popen([sys.executable, "-c", READER, mountpoint, "16"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    chance = random.Random(os.environ.get("CASTOOL_SEED", 1))
    try:
        assert reader.stdout.readline() == b"ready\n"
        with HungTasks([daemon, reader.pid]):
            for _ in range(TURNS):
                change(castool, hub, chance)
            # All of them come to an end of what they do.
            _, said = reader.communicate(timeout=120)
        assert reader.returncode == 0 and said == b"", said
    finally:
        reader.kill()
        reader.wait(60)
    # And what was wrong for a while is right in the end.
    hub.clear_faults()
    for number in range(MODELS):
        castool.run("pull", "-q", f"acme/m{number}")
        path = mountpoint / f"acme/m{number}/weights.bin"
        harness.wait_until(lambda path=path: os.getxattr(path, "user.castool.state") == b"verified",
                           60, path)
        assert path.read_bytes()[3 * MIB:3 * MIB + 64] == Synthetic(SIZE, number).read(3 * MIB, 64)
    castool.run("umount", mountpoint)
