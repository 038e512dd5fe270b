"""What is measured of mounts: scenarios as in scenarios.py."""

import contextlib
import json
import os
import random
import re
import shutil
import statistics
import subprocess
import time

import harness
import measure
import models
import origin
from scenarios import MIB, Scenario, at_least

JOBS = {
    "sequential": ["--rw=read", "--bs=1M", "--ioengine=psync"],
    "random 4 KiB": ["--rw=randread", "--bs=4k", "--ioengine=psync"],
    "mmap walk": ["--rw=read", "--bs=1M", "--ioengine=mmap"],
}


def fio(path, job, seconds=2):
    """Bytes a second of one fio job over a warm file."""
    words = ["fio", "--name=job", f"--filename={path}", "--readonly", "--invalidate=0",
             "--fadvise_hint=0", "--time_based", f"--runtime={seconds}", "--output-format=json",
             *JOBS[job]]
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, check=True)
    return json.loads(done.stdout[done.stdout.index("{"):])["jobs"][0]["read"]["bw_bytes"]


def cached_bytes():
    text = open("/proc/meminfo", encoding="ascii").read()
    return int(re.search(r"^Cached:\s+(\d+) kB", text, re.M).group(1)) << 10


class MountScenario(Scenario):
    """Parts of those that mount."""

    def fresh_store(self):
        shutil.rmtree(self.castool.store, ignore_errors=True)

    def fetch(self, port, model, *words):
        self.castool.run("pull", "-q", "--insecure", *words,
                         f"http://127.0.0.1:{port}/library/{model}:latest", timeout=600)

    @contextlib.contextmanager
    def mounted(self, *words, name="mnt"):
        directory = self.folder / name
        directory.mkdir(exist_ok=True)
        self.castool.run("mount", "--layout", "ollama", *words, directory)
        try:
            yield directory
        finally:
            self.castool.run("umount", directory, status=None)
            harness.force_unmount(directory)

    def link(self, port, rtt_ms, rate):
        return origin.Link(self.bench.program("tests/support/link/castool-test-link"), port, rtt_ms,
                           rate)

    @staticmethod
    def blob(directory, digest):
        return directory / f"blobs/sha256-{digest}"


def fault_in_single_pages(path):
    """The file's page cache as FUSE's always is: no folio larger than a page."""
    with open(path, "rb", buffering=0) as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
        for offset in range(0, os.stat(path).st_size, 4096):
            os.pread(file.fileno(), 4096, offset)


class Reading(MountScenario):
    """A verified blob by itself, by the kernel through the mount, and through the page cache only."""

    name = "reading"

    def __init__(self, bench):
        super().__init__(bench)
        self.title = f"reading a verified blob of {bench.size // 2 // MIB} MiB, warm"
        [(_, self.hex)] = bench.registry.add_model("read", [bench.size // 2])
        self.nginx = bench.nginx()
        self.rates = {}

    def note_rate(self, name, job, rate):
        self.rates.setdefault((name, job), []).append(rate)
        self.bench.say(f"  {name}, {job}: {rate / 1e9:.2f} GB/s")

    def round(self, number):
        self.fresh_store()
        self.fetch(self.nginx.port, "read")
        native = self.castool.store / "blobs/sha256" / self.hex[:2] / self.hex
        with self.mounted() as directory, self.without_passthrough() as cached:
            paths = [("native", native), ("mount", self.blob(directory, self.hex)),
                     ("mount, page cache", self.blob(cached, self.hex))]
            for job in JOBS:
                for name, path in paths if number % 2 == 0 else paths[::-1]:
                    measure.read(path)
                    self.note_rate(name, job, fio(path, job))
            fault_in_single_pages(native)
            self.note_rate("native in single pages", "sequential", fio(native, "sequential"))

    @contextlib.contextmanager
    def without_passthrough(self):
        """A mount of a store below two overlays: deeper than the kernel passes reads through."""
        below, at = self.castool.store, None
        places = []
        try:
            for level in ("one", "two"):
                parts = {part: self.folder / f"overlay-{level}-{part}" for part in ("up", "work", "at")}
                for part in parts.values():
                    part.mkdir(exist_ok=True)
                at = parts["at"]
                subprocess.run(["mount", "-t", "overlay", "overlay", "-o",
                                f"lowerdir={below},upperdir={parts['up']},workdir={parts['work']}", at],
                               check=True)
                places.append(at)
                below = at
            with self.mounted("--store", at, name="cached") as directory:
                yield directory
        finally:
            for place in reversed(places):
                subprocess.run(["umount", "-l", place], check=False)
            for path in self.folder.glob("overlay-*"):
                shutil.rmtree(path, ignore_errors=True)

    def rate_of(self, name, job):
        return statistics.median(self.rates[name, job])

    def rows(self):
        for name, job in self.rates:
            yield f"{name}, {job}", f"{self.rate_of(name, job) / 1e9:.2f} GB/s"

    def targets(self):
        wanted = {("mount", "sequential"): 0.95, ("mount", "random 4 KiB"): 0.80,
                  ("mount", "mmap walk"): 0.95, ("mount, page cache", "sequential"): 0.85,
                  ("mount, page cache", "random 4 KiB"): 0.70}
        return [at_least(f"{name} / native, {job}",
                         self.rate_of(name, job) / self.rate_of("native", job), least)
                for (name, job), least in wanted.items()] + [
            at_least("mount, page cache / native in single pages, sequential",
                     self.rate_of("mount, page cache", "sequential") /
                     self.rate_of("native in single pages", "sequential"), 0.85)]


class OneCache(MountScenario):
    """How much page cache two mounts take for one blob."""

    name = "cache"

    def __init__(self, bench):
        super().__init__(bench)
        self.bytes = bench.size
        self.title = f"page cache of a blob of {self.bytes // MIB} MiB read through two mounts"
        [(_, self.hex)] = bench.registry.add_model("cache", [self.bytes])
        self.nginx = bench.nginx()
        self.used = []

    def round(self, number):
        self.fresh_store()
        self.fetch(self.nginx.port, "cache")
        with self.mounted() as one, self.mounted(name="mnt2") as two:
            measure.drop_caches()
            before = cached_bytes()
            for directory in (one, two):
                measure.read(self.blob(directory, self.hex))
            self.used.append((cached_bytes() - before) / self.bytes)

    def rows(self):
        yield "page cache / blob", f"{statistics.median(self.used):.3f}"

    def targets(self):
        used = statistics.median(self.used)
        return [("page cache / blob", f"{used:.3f}", "at most 1.02", used <= 1.02)]


class LazySequential(MountScenario):
    """Reading a cold blob from front to back, against pulling it, over 200 MB/s."""

    name = "lazy"

    def __init__(self, bench):
        super().__init__(bench)
        self.size = bench.size // 2
        self.title = f"a cold blob of {self.size // MIB} MiB over 200 MB/s: pulled, or read as it comes"
        [(_, self.hex)] = bench.registry.add_model("lazy", [self.size])
        self.nginx = bench.nginx()
        self.slow = self.link(self.nginx.port, 2, 200_000_000)

    def round(self, number):
        self.pull("castool pull", self.slow.port, "lazy")
        self.fresh_store()
        self.fetch(self.slow.port, "lazy", "--lazy")
        with self.mounted() as directory:
            self.note("read through the mount", measure.read(self.blob(directory, self.hex)))

    def targets(self):
        return [at_least("reading / pulling",
                         self.rate("read through the mount") / self.rate("castool pull"), 0.95)]

    def stop(self):
        self.slow.stop()


class Cold(MountScenario):
    """First bytes of blobs that are not here: anywhere in 100 GB, and the header of a 10 GB GGUF."""

    name = "cold"
    title = "first bytes of what is not here, 20 ms round trip"
    size = 0

    def __init__(self, bench):
        super().__init__(bench)
        self.huge = bench.registry.add_sparse("huge", 100 * 10**9)
        self.gguf = bench.registry.add_sparse("gguf", 10 * 10**9, models.gguf())
        self.nginx = bench.nginx()
        self.far = self.link(self.nginx.port, 20, 1_000_000_000)
        self.shares = []

    def round(self, number):
        chance = random.Random(number)
        self.fresh_store()
        self.fetch(self.far.port, "huge", "--lazy")
        with self.mounted("--fill", "none") as directory:
            with open(self.blob(directory, self.huge), "rb", buffering=0) as file:
                os.pread(file.fileno(), 1, 50 * 10**9)
                for _ in range(10):
                    self.time_byte(file, chance.randrange(100 * 10**9))
        url = f"http://127.0.0.1:{self.far.port}/v2/library/huge/blobs/sha256:{self.huge}"
        for _ in range(10):
            first = chance.randrange(99 * 10**9)
            self.note("curl, 1 MiB, new connection", measure.command(
                ["curl", "-s", "-o", "/dev/null", "-r", f"{first}-{first + MIB - 1}", url]))
        self.fresh_store()
        self.fetch(self.far.port, "gguf", "--lazy")
        with self.mounted("--fill", "none") as directory:
            header = len(models.gguf()) - (1 << 16)
            with open(self.blob(directory, self.gguf), "rb", buffering=0) as file:
                os.pread(file.fileno(), header, 0)
        [ref] = self.castool.run("ls", "--json").json
        self.shares.append(ref["bytes_present"] / ref["bytes"])

    def time_byte(self, file, offset):
        began = time.monotonic()
        os.pread(file.fileno(), 1, offset)
        self.note("a byte of 100 GB", measure.Run(time.monotonic() - began))

    def targets(self):
        byte = self.seconds("a byte of 100 GB") * 1000
        curl = self.seconds("curl, 1 MiB, new connection") * 1000
        share = max(self.shares)
        return [
            # A question of one round trip, then the range.
            ("a byte of 100 GB", f"{byte:.0f} ms", f"at most {curl + 20:.0f} ms", byte <= curl + 20),
            ("fetched of a 10 GB GGUF for its header", f"{share * 100:.3f} %", "less than 1 %",
             share < 0.01),
        ]

    def stop(self):
        self.far.stop()


class Beside(MountScenario):
    """A reader while another model is filled in the background, over one link of 200 MB/s."""

    name = "beside"

    def __init__(self, bench):
        super().__init__(bench)
        self.size = bench.size // 4
        self.title = f"reading a cold blob of {self.size // MIB} MiB while another is filled"
        [(_, self.hex)] = bench.registry.add_model("wanted", [self.size])
        bench.registry.add_model("other", [self.size * 2])
        self.nginx = bench.nginx()
        self.slow = self.link(self.nginx.port, 2, 200_000_000)

    def round(self, number):
        for name, fill in (("alone", "none"), ("while another is filled", "all")):
            self.fresh_store()
            self.fetch(self.slow.port, "wanted", "--lazy")
            self.fetch(self.slow.port, "other", "--lazy")
            words = ["--fill", "touched"] if fill == "none" else ["--fill", "all"]
            with self.mounted(*words) as directory:
                self.note(name, measure.read(self.blob(directory, self.hex)))

    def targets(self):
        return [at_least("while another is filled / alone",
                         self.rate("while another is filled") / self.rate("alone"), 0.95)]

    def stop(self):
        self.slow.stop()


ALL = [Reading, OneCache, LazySequential, Cold, Beside]
