"""What is measured of a mount of many models: until it can be read, and listing all of it."""

import contextlib
import os
import pathlib
import statistics
import subprocess
import time

from hub import Hub
from scenarios import Scenario


def listed(directory):
    """Seconds for the attributes of everything below, and how many files there are."""
    begun = time.perf_counter()
    done = subprocess.run(["find", directory, "-type", "f", "-printf", "%s\n"], check=True,
                          stdout=subprocess.PIPE)
    return time.perf_counter() - begun, len(done.stdout.splitlines())


def ran(pid):
    """Seconds that a process has run so far, whatever else the machine did meanwhile."""
    threads = pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9


class ManyModels(Scenario):
    """200 models of 300 files each, which are one repository under 200 names."""

    name = "many"
    title = "a mount of 200 models of 300 files"
    models = 200
    files = 300

    def __init__(self, bench):
        super().__init__(bench)
        self.times = {}
        contents = {f"part{i // 50}/file{i}.json": f"{i}" for i in range(self.files)}
        with Hub(bench.program("tests/support/hub/castool-test-hub")) as hub:
            hub.add_repository("acme/many", contents)
            for number in range(self.models):
                self.castool.run("pull", "-q", "--name", f"acme/model{number}", "acme/many",
                                 env={"HF_ENDPOINT": hub.url})
        # The same tree as plain files.
        self.native = self.folder / "native"
        for number in range(self.models):
            for path, text in contents.items():
                place = self.native / f"acme/model{number}" / path
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_text(text)

    def note_time(self, what, seconds):
        self.times.setdefault(what, []).append(seconds)
        self.bench.say(f"  {what}: {seconds * 1000:.0f} ms")

    def round(self, number):
        directory = self.folder / "mnt"
        directory.mkdir(exist_ok=True)
        begun, spent = time.perf_counter(), os.times()
        self.castool.run("mount", directory)
        self.note_time("castool mount", time.perf_counter() - begun)
        now = os.times()
        self.note_time("castool mount, of the processor",
                       now.children_user - spent.children_user + now.children_system
                       - spent.children_system + sum(map(ran, self.castool.processes())))
        with contextlib.ExitStack() as after:
            after.callback(self.castool.run, "umount", directory)
            for what, place in (("native", self.native), ("the mount, first", directory),
                                ("the mount, again", directory)):
                seconds, count = listed(place)
                if count < self.models * self.files:
                    raise SystemExit(f"{place} has {count} files")
                self.note_time(f"find, {what}", seconds)

    def time_of(self, what):
        return statistics.median(self.times[what])

    def rows(self):
        for what in self.times:
            yield what, f"{self.time_of(what) * 1000:.0f} ms"

    def targets(self):
        mount = self.time_of("castool mount") * 1000
        again = self.time_of("find, the mount, again") / self.time_of("find, native")
        return [("castool mount", f"{mount:.0f} ms", "under 100 ms", mount < 100),
                ("find, again / native", f"{again:.1f}", "at most 4", again <= 4)]


ALL = [ManyModels]
