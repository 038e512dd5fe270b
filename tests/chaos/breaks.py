#!/usr/bin/python3
"""Every call on the store fails, or is the last one: breaks.py errors | kills | random | cuts.

errors   the Nth call of a kind fails with an errno, is interrupted, or does half of its work: for
         every N, kind and errno that it can have, once and from then on
kills    SIGKILL at the Nth call, whatever its kind, for every N
cuts     the power of the disk (a loop-mounted ext4) is cut before the Nth call that changes something,
         and after the last one
random   --count kills (10 000) at moments drawn from --seed

After each: it succeeded or said what failed; every blob is right; every name has what it needs; the
same command run again without a fault succeeds; and then the store is as if nothing had happened.
"""

import argparse
import errno
import multiprocessing
import os
import pathlib
import queue
import random
import signal
import subprocess
import sys
import time
import traceback

import bed as beds
from bed import SCENARIOS, Bed, Broken
from chaos import scratch
from hub import Hub

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EIO)
# Kind of call -> what it can end with.
ERRORS = {
    "openat": (*FULL, errno.EMFILE, errno.EINTR),
    "pwrite": (*FULL, errno.EINTR, "short"),
    "fallocate": (*FULL, errno.EINTR),
    "ftruncate": (*FULL, errno.EINTR),
    "fsync": (*FULL, errno.EINTR),
    "rename": FULL,
    "mkdir": FULL,
    "symlink": FULL,
    "unlink": (errno.EIO,),
    "fchmod": (errno.EIO,),
    "pread": (errno.EIO, errno.EINTR, "short"),
    "read": (errno.EIO, errno.EINTR, "short"),
    "stat": (errno.EIO,),
    "lock": (errno.EIO, errno.ENOLCK),
    "socket": (errno.EMFILE,),
}
HARMLESS = (errno.EINTR, "short")  # these must not be noticed at all
EVERYTHING = ",".join(ERRORS)
CHANGING = "pwrite,fallocate,ftruncate,fsync,rename,mkdir,symlink,unlink,fchmod"


class Breaker:
    """One worker: a bed of its own, and runs of castool with the library that breaks calls."""

    def __init__(self, folder, arguments):
        folder.mkdir()
        self.report = folder / "report"
        self.hub = Hub()
        self.hub.__enter__()
        self.library = arguments.breaker
        self.bed = (beds.DiskBed(folder, self.hub, self.library) if arguments.mode == "cuts" else
                    Bed(folder, self.hub))
        self.expected, self.lengths = {}, {}
        self.arguments = arguments

    def close(self):
        self.bed.castool.end_all()
        if self.arguments.mode == "cuts":
            self.bed.disk.close()
        self.hub.__exit__(None, None, None)

    def environment(self, calls, what, nth, sticky):
        return {"LD_PRELOAD": self.library, "CASTOOL_BREAK": f"{calls}/{what}/{nth}{'+' if sticky else ''}",
                "CASTOOL_BREAK_STORE": str(self.bed.store), "CASTOOL_BREAK_REPORT": str(self.report)}

    def expect(self, name):
        if name not in self.expected:
            self.expected[name] = self.bed.expected(name)
        return self.expected[name]

    def fail(self, name, calls, what, nth, sticky):
        """Whether there was such a call to fail."""
        expected = self.expect(name)
        self.bed.reset(name)
        self.report.unlink(missing_ok=True)
        status, said = beds.run_bounded(self.bed.castool, self.bed.command(name),
                                        self.environment(calls, what, nth, sticky))
        if not self.report.exists():
            if status != 0:
                raise Broken(f"status {status} without a fault: {said}")
            return False
        if status != 0 and (what in HARMLESS or status not in beds.FAILURES or not said):
            raise Broken(f"status {status}: {said}")
        self.bed.check_after(name, expected, done=status == 0)
        return True

    def kill(self, name, nth):
        expected = self.expect(name)
        self.bed.reset(name)
        status, said = beds.run_bounded(self.bed.castool, self.bed.command(name),
                                        self.environment(EVERYTHING, "kill", nth, False))
        if status == 0:
            return False
        if status != -signal.SIGKILL:
            raise Broken(f"status {status}: {said}")
        self.bed.check_after(name, expected)
        return True

    def cut(self, name, nth):
        expected = self.expect(name)
        self.bed.reset(name)
        process = self.bed.castool.start(*self.bed.command(name), stdout=subprocess.DEVNULL,
                                         stderr=subprocess.DEVNULL,
                                         env=self.environment(CHANGING, "stop", nth, False))
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        stopped = os.WIFSTOPPED(status)
        process.returncode = 0 if stopped else os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            raise Broken(f"status {process.returncode} without a fault")
        self.bed.cut_power(process.pid if stopped else None)
        if not stopped:
            self.was_acknowledged(name, expected)
        self.bed.check_after(name, expected, done=not stopped)
        return stopped

    def was_acknowledged(self, name, expected):
        """What was done when success was said is done after the power cut, too."""
        def refs(outline):
            return {path for path in outline if path.startswith("default/")}
        if refs(self.bed.outline()) != refs(expected[0]):
            raise Broken(f"said to be done, and lost: {sorted(self.bed.outline() ^ expected[0])}")

    def kill_at_random(self, name, chance):
        """Whether it was killed before it ended."""
        expected = self.expect(name)
        self.bed.reset(name)
        process = self.bed.castool.start(*self.bed.command(name), stdout=subprocess.DEVNULL,
                                         stderr=subprocess.DEVNULL)
        # How long it takes is learnt from how it ended: about one in ten comes too late.
        length = self.lengths.get(name, 0.02)
        try:
            process.wait(chance.uniform(0.0005, length))
            killed = False
        except subprocess.TimeoutExpired:
            process.kill()
            killed = process.wait(60) == -signal.SIGKILL
        self.lengths[name] = min(1.0, length * 1.02) if killed else max(0.004, length * 0.85)
        if not killed and process.returncode != 0:
            raise Broken(f"status {process.returncode} without a fault")
        self.bed.check_after(name, expected, done=not killed)
        return killed

    def play(self, mode, name, *what):
        """How often something was broken off."""
        struck = 0
        if mode == "random":
            chance = random.Random(what[0])
            while struck < what[1]:
                struck += self.named((mode, name, *what), self.kill_at_random, name, chance)
            return struck
        nth = what[-1]
        act = {"errors": self.fail, "kills": self.kill, "cuts": self.cut}[mode]
        while self.named((mode, name, *what[:-1], nth), act, name, *arguments_of(mode, what, nth)):
            struck += 1
            nth += self.arguments.stride * (1 if mode == "errors" else LANES)
        return struck

    @staticmethod
    def named(what, act, *arguments):
        try:
            return act(*arguments)
        except (AssertionError, Broken) as broken:
            raise Broken(f"{' '.join(map(str, what))}: {broken}") from None


def arguments_of(mode, what, nth):
    if mode != "errors":
        return (nth,)
    calls, error, sticky = what[:-1]
    return calls, error, nth, sticky


OWN_MOUNTS = "CASTOOL_BREAKS_OWN_MOUNTS"
LANES = 4  # so that several workers can share a scenario


def works(arguments):
    """What the workers take from: everything that play() is called with."""
    names = [arguments.only] if arguments.only else list(SCENARIOS)
    if arguments.mode == "errors":
        return [("errors", name, calls, what, sticky, 1)
                for name in names for calls, whats in ERRORS.items()
                if not arguments.calls or calls in arguments.calls.split(",")
                for what in whats for sticky in (False, True)]
    if arguments.mode != "random":
        return [(arguments.mode, name, 1 + lane * arguments.stride) for name in names
                for lane in range(LANES)]
    pieces = 100
    names = [name for name in names if name != "first"]
    return [("random", names[piece % len(names)], arguments.seed * pieces + piece,
             arguments.count // pieces) for piece in range(pieces)]


def work(folder, arguments, todo, done):
    """A process: plays until nothing is left."""
    breaker = None
    try:
        breaker = Breaker(folder, arguments)
        while True:
            what = todo.get(timeout=1)
            try:
                done.put((what[1], breaker.play(*what), None))
            except Broken as broken:
                done.put((what[1], 0, str(broken)))
    except queue.Empty:
        done.put(None)
    except BaseException:  # of the test itself
        done.put(("", 0, traceback.format_exc()))
        done.put(None)
    finally:
        if breaker:
            breaker.close()


def run(arguments, folder):
    todo, done = multiprocessing.Queue(), multiprocessing.Queue()
    for what in works(arguments):
        todo.put(what)
    workers = [multiprocessing.Process(target=work, args=(folder / str(index), arguments, todo, done))
               for index in range(arguments.jobs)]
    for worker in workers:
        worker.start()
    struck, failures, ended = {}, [], 0
    while ended < len(workers):
        told = done.get()
        if told is None:
            ended += 1
            continue
        name, count, failure = told
        struck[name] = struck.get(name, 0) + count
        if arguments.verbose:
            print(f"{sum(struck.values())}: {count} more in {name}", flush=True)
        if failure:
            failures.append(failure)
            print(f"VIOLATION: {failure}", flush=True)
    for worker in workers:
        worker.join()
    return struck, failures


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("mode", choices=["errors", "kills", "random", "cuts"])
    parser.add_argument("--build", type=pathlib.Path, required=True, help="a build directory")
    parser.add_argument("--stride", type=int, default=1)
    parser.add_argument("--only", choices=sorted(SCENARIOS))
    parser.add_argument("--calls", help="kinds of calls that fail (all)")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("-v", "--verbose", action="store_true", help="tell how far it is")
    arguments = parser.parse_args()
    if arguments.mode == "cuts" and not os.environ.get(OWN_MOUNTS):
        if os.geteuid() != 0 or not os.path.exists("/dev/loop-control"):
            print("skipped: needs root and loop devices")
            return 0
        # Where nobody else gets copies of the mounts, which would keep the disks busy.
        os.environ[OWN_MOUNTS] = "1"
        os.execvp("unshare", ["unshare", "-m", sys.executable, "-B", *sys.argv])
    if os.environ.get(OWN_MOUNTS):  # nor do we keep those of tests that run beside this
        subprocess.run(["umount", "-a", "-l", "-t", "fuse.castool"], check=True)
    build = arguments.build.resolve()
    arguments.breaker = str(build / "tests/support/castool-test-breaker.so")
    os.environ.update(CASTOOL=str(build / "tools/castool"),
                      CASTOOL_TEST_HUB=str(build / "tests/support/hub/castool-test-hub"))
    began = time.monotonic()
    with scratch() as folder:
        struck, failures = run(arguments, pathlib.Path(folder))
    what = "kills" if arguments.mode == "random" else arguments.mode
    for name, count in sorted(struck.items()):
        print(f"{name}: {count} {what}")
    print(f"{sum(struck.values())} {what} in {time.monotonic() - began:.0f} s, "
          f"{len(failures)} violations")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
