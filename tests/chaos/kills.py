#!/usr/bin/python3
"""kill -9 at the system calls of gc, rm, import and repair: kills.py [--stride S] [--calls A,B] [--only NAME].

For every kind of system call and every N the command runs once under strace, which kills it when it
enters its Nth call of that kind. After each: every published blob is right, every name has all that
it needs (fsck), the same command run again succeeds, and then the store is as it would have been
without the kill. With --stride only every S-th N is tried, beginning with 1.
"""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/support"), str(ROOT / "tests/e2e")]

import checks  # noqa: E402
import harness  # noqa: E402
from hub import Hub, Synthetic  # noqa: E402

MIB = 1 << 20
# What changes something, what looks at something that may have changed, and what locks.
CALLS = ("openat", "renameat2", "unlinkat", "mkdirat", "fsync", "pwrite64", "fchmod", "fcntl",
         "pread64", "newfstatat", "fstat", "close", "getdents64", "symlinkat", "ioctl")


class Broken(Exception):
    pass


class Bed:
    """A store as each run finds it, and the runs."""

    def __init__(self, folder, hub):
        self.castool = harness.Castool(folder / "castool")
        self.castool.environment.update(HF_ENDPOINT=hub.url, CASTOOL_OLLAMA_REGISTRY=hub.url)
        self.store, self.template = self.castool.store, folder / "template"
        self.tree = folder / "tree"
        (self.tree / "deep").mkdir(parents=True)
        (self.tree / "deep/a.bin").write_bytes(os.urandom(MIB + 5))
        (self.tree / "b.json").write_text("{}")
        shared = Synthetic(2 * MIB + 9, 1)
        hub.add_repository("acme/a", {"config.json": "{}", "shared.bin": shared})
        hub.add_repository("acme/b", {"own.bin": Synthetic(MIB + 1, 2), "shared.bin": shared})
        hub.add_repository("acme/c", {"gone.bin": Synthetic(MIB + 1, 3)})
        self.castool.run("pull", "-q", "acme/a", "acme/b", "acme/c")
        self.castool.run("rm", "acme/c")
        self.shared = checks.blob_path(self.store, checks.digest_of(shared, hub))
        shutil.copytree(self.store, self.template, symlinks=True)

    def reset(self, damaged=False):
        shutil.rmtree(self.store, ignore_errors=True)
        subprocess.run(["cp", "-a", self.template, self.store], check=True)
        if damaged:
            os.chmod(self.shared, 0o644)
            with open(self.shared, "r+b") as file:
                file.seek(MIB + 77)
                old = file.read(1)
                file.seek(MIB + 77)
                file.write(bytes([old[0] ^ 1]))
            os.chmod(self.shared, 0o444)

    def names(self):
        return {ref["name"] for ref in self.castool.run("ls", "--json").json}

    def outline(self):
        return {str(path.relative_to(self.store)) for part in ("blobs", "refs", "partials")
                for path in (self.store / part).rglob("*") if path.is_file()}


# Each: the command, whether the store is damaged before, names that may or may not be there.
SCENARIOS = {
    "gc": (["gc"], False),
    "evict": (["gc", "--max-size", "3M"], False),
    "rm": (["rm", "acme/b"], False),
    "import": (["import", "TREE", "local"], False),
    "repair": (["fsck", "--repair"], True),
}


def killed(bed, command, call, nth, damaged):
    """Whether the Nth call was there to be killed at."""
    bed.reset(damaged)
    bed.castool.prefix = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}",
                          "-e", f"inject={call}:signal=KILL:when={nth}"]
    try:
        outcome = bed.castool.run(*command, status=None)
    finally:
        bed.castool.prefix = []
    if outcome.status in (-9, 137):
        return True
    if outcome.status != 0:
        raise Broken(f"status {outcome.status}: {outcome.err}")
    return False


def check_after(bed, command, damaged, expected):
    """What must hold after a kill, and that the next run makes it good."""
    if not damaged:
        checks.assert_blobs_are_right(bed.store)
        bed.castool.run("fsck", "--dry-run")
    for name in bed.names():
        bed.castool.run("show", name)
    again = bed.castool.run(*command, status=None)
    # What the killed run had done already is not there to be done again.
    if again.status != 0 and not (command[0] == "rm" and again.status == 66):
        raise Broken(f"the next run fails: {again.status}: {again.err}")
    checks.assert_blobs_are_right(bed.store)
    bed.castool.run("fsck", "--dry-run")
    bed.castool.run("gc", "--partials")
    if bed.outline() != expected:
        raise Broken(f"left over or lost: {sorted(bed.outline() ^ expected)}")


def play(bed, name, stride, calls):
    command, damaged = SCENARIOS[name]
    command = [str(bed.tree) if word == "TREE" else word for word in command]
    bed.reset(damaged)
    bed.castool.run(*command)
    bed.castool.run("gc", "--partials")
    expected = bed.outline()
    kills = 0
    for call in calls:
        nth = 1
        while killed(bed, command, call, nth, damaged):
            kills += 1
            try:
                check_after(bed, command, damaged, expected)
            except (AssertionError, Broken) as broken:
                raise Broken(f"{name}, killed at {call} {nth}: {broken}") from None
            nth += stride
    return kills


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--castool", default=os.environ.get("CASTOOL"))
    parser.add_argument("--hub", default=os.environ.get("CASTOOL_TEST_HUB"))
    parser.add_argument("--stride", type=int, default=1)
    parser.add_argument("--calls", default=",".join(CALLS), help="kinds of system calls")
    parser.add_argument("--only", choices=sorted(SCENARIOS))
    arguments = parser.parse_args()
    os.environ.update(CASTOOL=arguments.castool, CASTOOL_TEST_HUB=arguments.hub)
    if not shutil.which("strace"):
        print("skipped: there is no strace")
        return 0
    began, total = time.monotonic(), 0
    with tempfile.TemporaryDirectory(prefix="castool-kills-") as folder, Hub() as hub:
        bed = Bed(pathlib.Path(folder), hub)
        for name in [arguments.only] if arguments.only else SCENARIOS:
            kills = play(bed, name, arguments.stride, arguments.calls.split(","))
            print(f"{name}: killed {kills} times", flush=True)
            total += kills
    print(f"{total} kills in {time.monotonic() - began:.0f} s, nothing lost")
    return 0


if __name__ == "__main__":
    sys.exit(main())
