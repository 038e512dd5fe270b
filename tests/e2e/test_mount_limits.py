"""A mount that runs out of descriptors, and one that is killed again and again under mappings."""

import contextlib
import errno
import mmap
import os
import random
import signal
import subprocess
import sys

import pytest

import checks
import harness
from hub import Synthetic

MIB = 1 << 20
WEIGHTS = Synthetic(12 * MIB + 77, 9)
STORED = Synthetic(5 * MIB + 3, 10)
FEW = 96  # descriptors that the daemon may have

# Maps two files and looks at them at random until told to stop: right bytes, or the end by SIGBUS.
LOOKS = """
import mmap, os, random, sys
sys.path.insert(0, os.environ["PYTHONPATH"])
from hub import Synthetic
files = []
for path, size, seed in zip(sys.argv[2::3], map(int, sys.argv[3::3]), map(int, sys.argv[4::3])):
    handle = os.open(path, os.O_RDONLY)
    memory = mmap.mmap(handle, 0, mmap.MAP_SHARED, mmap.PROT_READ)
    files.append((memory, Synthetic(size, seed)))
chance = random.Random(int(sys.argv[1]))
print("ready", flush=True)
while True:
    memory, source = chance.choice(files)
    at = chance.randrange(source.size - 64)
    if memory[at:at + 64] != source.read(at, 64):
        sys.exit("wrong bytes")
"""


@pytest.mark.skipif("undefined" in os.environ.get("CASTOOL_SANITIZE", ""),
                    reason="the sanitizer opens a pipe to look whether memory can be read")
def test_without_descriptors_an_open_fails_and_nothing_else(hub, castool, mountpoint):
    files = {f"f{n:03}.bin": bytes([n]) * 5000 for n in range(2 * FEW)}
    hub.add_repository("acme/many", files)
    castool.run("pull", "-q", "acme/many")
    castool.prefix = ["prlimit", f"--nofile={FEW}:{FEW}"]
    castool.run("mount", mountpoint)
    castool.prefix = []
    opened, refused = [], set()
    with contextlib.ExitStack() as stack:
        for name in files:
            try:
                path = mountpoint / "acme/many" / name
                opened.append((name, stack.enter_context(open(path, "rb"))))
            except OSError as error:
                refused.add(error.errno)
        assert opened and refused and refused <= {errno.EMFILE, errno.EIO}, refused
        # Who has a file reads it, and everybody may look.
        for name, file in opened:
            assert file.read() == files[name]
        assert sorted(os.listdir(mountpoint / "acme/many")) == sorted(files)
        assert (mountpoint / "config.json").read_text()
    checks.assert_same_tree(mountpoint / "acme/many", files)
    castool.run("umount", mountpoint)


def test_killed_at_any_moment_under_mappings_no_byte_is_wrong(hub, castool, mountpoint):
    castool.environment["CASTOOL_TIME_SCALE"] = "0.05"
    hub.add_repository("acme/lazy", {"weights.bin": WEIGHTS})
    hub.add_repository("acme/here", {"stored.bin": STORED})
    castool.run("pull", "-q", "acme/here")
    castool.run("pull", "-q", "--lazy", "acme/lazy")
    hub.reset()
    chance = random.Random(1)
    path = mountpoint / "acme/lazy/weights.bin"
    stored = mountpoint / "acme/here/stored.bin"
    for turn in range(4):
        hub.settings(bytes_per_second=chance.choice([MIB, 4 * MIB]))
        castool.run("mount", mountpoint)  # in place of the dead one
        words = [sys.executable, "-c", LOOKS, turn, stored, STORED.size, STORED.seed]
        if turn % 2 == 0:
            words += [path, WEIGHTS.size, WEIGHTS.seed]
        with open(stored, "rb") as file, mmap.mmap(file.fileno(), 0, mmap.MAP_SHARED,
                                                   mmap.PROT_READ) as kept:
            reader = subprocess.Popen(list(map(str, words)), stdout=subprocess.PIPE,
                                      stderr=subprocess.PIPE)
            try:
                assert reader.stdout.readline() == b"ready\n"
                with contextlib.suppress(TimeoutError, subprocess.TimeoutExpired):
                    reader.wait(chance.random())
                [pid] = castool.processes()
                os.kill(pid, signal.SIGKILL)
                harness.wait_until(lambda: not castool.processes(), 60, "end of the mount")
                # What the kernel reads by itself goes on; what waits for the daemon ends.
                at = chance.randrange(STORED.size - 10)
                assert kept[at:at + 10] == STORED.read(at, 10)
            finally:
                reader.kill()
                _, said = reader.communicate(timeout=60)
            assert b"wrong bytes" not in said, said
            assert reader.returncode in (-signal.SIGBUS, -signal.SIGKILL), said
    hub.settings(bytes_per_second=0)
    castool.run("mount", mountpoint)
    checks.assert_same_file(path, WEIGHTS, hub)
    harness.wait_until(lambda: os.getxattr(path, "user.castool.state") == b"verified", 60,
                       "the end")
    checks.assert_blobs_are_right(castool.store)
