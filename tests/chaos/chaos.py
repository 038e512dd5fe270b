#!/usr/bin/python3
"""Pulls under faults drawn from a seed: chaos.py [N [SEED]] plays the scenarios SEED .. SEED+N-1.

Each has a fresh store, a model at the Hub or the registry, faults of the origin, and processes that
are killed, interrupted or two at once. After each: success and the same bytes, or an error that is
for such a case; nothing published that is not right; nothing left running; and without the faults
the next pull succeeds. A scenario that fails says its seed: chaos.py 1 SEED plays it alone.
"""

import argparse
import os
import pathlib
import queue
import shutil
import sys
import tempfile
import threading
import time
import traceback

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1] / "support")]

from worker import Broken, Worker  # noqa: E402: found by the line above


def scratch():
    """Memory where there is some: thousands of stores are made, synced and removed."""
    shared = "/dev/shm"
    usable = os.access(shared, os.W_OK) and shutil.disk_usage(shared).free > 2 << 30
    return tempfile.TemporaryDirectory(prefix="castool-chaos-", dir=shared if usable else None)


class Chaos:
    def __init__(self, arguments, folder):
        self.arguments, self.folder = arguments, folder
        self.seeds = queue.SimpleQueue()
        for seed in range(arguments.seed, arguments.seed + arguments.n):
            self.seeds.put(seed)
        self.lock = threading.Lock()
        self.played = 0
        self.failures = []
        self.workers = []
        self.stop = threading.Event()

    def work(self, index):
        try:
            with Worker(self.folder / str(index), self.arguments.castool,
                        self.arguments.hub) as worker:
                self.workers.append(worker)
                while not self.stop.is_set():
                    self.play(worker, self.seeds.get_nowait())
        except queue.Empty:
            pass
        except Exception:  # of the test itself
            with self.lock:
                self.failures.append(traceback.format_exc())
            self.stop.set()

    def play(self, worker, seed):
        try:
            worker.play(seed)
        except Broken as broken:
            with self.lock:
                self.failures.append(f"{broken}\nplay it alone: tools/check chaos 1 {seed}")
                print(self.failures[-1], flush=True)
            if len(self.failures) >= self.arguments.failures:
                self.stop.set()
        with self.lock:
            self.played += 1

    def run(self):
        began = time.monotonic()
        threads = [threading.Thread(target=self.work, args=(index,))
                   for index in range(min(self.arguments.jobs, self.arguments.n))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.report(time.monotonic() - began)
        return 1 if self.failures else 0

    def report(self, seconds):
        struck, ends = {}, {}
        for worker in self.workers:
            for total, part in ((struck, worker.struck), (ends, worker.ends)):
                for name, count in part.items():
                    total[name] = total.get(name, 0) + count
        for failure in self.failures:
            if failure.startswith("Traceback"):
                print(failure)
        if self.arguments.verbose:
            for name, count in sorted(struck.items()):
                print(f"{count:8}  {name}")
        print(f"{self.played} scenarios from seed {self.arguments.seed}, "
              f"{sum(worker.pulls for worker in self.workers)} pulls in {seconds:.0f} s, "
              f"the longest {max((w.slowest for w in self.workers), default=0):.1f} s; "
              f"{sum(struck.values())} faults of {sum(map(bool, struck.values()))} kinds struck; "
              f"exit statuses {dict(sorted(ends.items()))}; {len(self.failures)} failed")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("n", type=int, nargs="?", default=2000)
    parser.add_argument("seed", type=int, nargs="?", default=1)
    parser.add_argument("--castool", default=os.environ.get("CASTOOL"))
    parser.add_argument("--hub", default=os.environ.get("CASTOOL_TEST_HUB"))
    # Much of a pull under faults is waiting.
    parser.add_argument("--jobs", type=int, default=3 * (os.cpu_count() or 1))
    parser.add_argument("--failures", type=int, default=5, help="stop after so many")
    parser.add_argument("-v", "--verbose", action="store_true", help="count every kind of fault")
    arguments = parser.parse_args()
    if not arguments.castool or not arguments.hub:
        parser.error("--castool and --hub (or CASTOOL and CASTOOL_TEST_HUB) say what to run")
    with scratch() as folder:
        return Chaos(arguments, pathlib.Path(folder)).run()


if __name__ == "__main__":
    sys.exit(main())
