"""What is measured: each scenario runs its contenders once a round and knows its targets.

A scenario has a name, the contenders' runs, and targets(): (what, measured, wanted, met).
"""

import shutil
import statistics

import harness
import measure
import origin
from hub import Hub

MIB = 1 << 20
GIB = 1 << 30


class Scenario:
    """Common parts: where things are, what was measured, how a pull and a download are run."""

    title = ""
    size = 0  # bytes that one run moves

    def __init__(self, bench):
        self.bench = bench
        self.folder = bench.folder
        self.castool = bench.castool
        self.runs = {}  # contender -> [measure.Run], in order of first run

    def note(self, name, run):
        self.runs.setdefault(name, []).append(run)
        bench_line = f"  {name}: {run.seconds:.3f} s"
        if self.size:
            bench_line += f", {self.size / run.seconds / 1e9:.3f} GB/s"
        self.bench.say(bench_line)

    def settle(self):
        """The same start for every contender, whoever came before it."""
        self.bench.registry.warm()
        measure.settle(self.folder, self.size)

    @staticmethod
    def in_turn(number, *contenders):
        """Runs all, another one first in each round."""
        first = number % len(contenders)
        for contender in contenders[first:] + contenders[:first]:
            contender()

    def pull(self, name, port, model, *options):
        shutil.rmtree(self.castool.store, ignore_errors=True)
        self.settle()
        self.note(name, measure.command(
            [self.castool.binary, "-q", "pull", "--insecure", *options,
             f"http://127.0.0.1:{port}/library/{model}:latest"], self.castool.environment))

    def download(self, name, words, output):
        self.settle()
        run = measure.command(words)
        if output.stat().st_size != self.size:
            raise SystemExit(f"{name} left {output.stat().st_size} bytes")
        output.unlink()
        self.note(name, run)

    def aria2c(self, url, *options):
        return ["aria2c", "-q", "-x16", "-s16", "-k1M", "--file-allocation=falloc",
                "--allow-overwrite=true", "-d", self.folder, "-o", "out", *options, url]

    def seconds(self, name):
        return statistics.median(run.seconds for run in self.runs[name])

    def rate(self, name):
        return self.size / self.seconds(name)

    def cpu(self, name):
        """Processor seconds a GB."""
        return statistics.median(run.cpu_seconds for run in self.runs[name]) / (self.size / 1e9)

    def peak(self, name):
        return max(run.peak_rss_anon for run in self.runs[name])

    def round(self, number):
        raise NotImplementedError

    def rows(self):
        """What was measured besides times: (what, text)."""
        return []

    def targets(self):
        return []

    def stop(self):
        """Ends what the scenario started."""


def at_least(what, measured, wanted):
    return (what, f"{measured:.2f}", f"at least {wanted}", measured >= wanted)


class OneBlob(Scenario):
    """One large blob from loopback, and reading it through a mount and natively."""

    name = "blob"

    def __init__(self, bench):
        super().__init__(bench)
        self.size = bench.size
        self.title = f"one blob of {self.size // MIB} MiB, loopback"
        [(self.blob, self.hex)] = bench.registry.add_model("one", [self.size])
        self.nginx = bench.nginx()

    def round(self, number):
        output = self.folder / "out"
        url = f"{self.nginx.url}/v2/library/one/blobs/sha256:{self.hex}"
        checksum = f"--checksum=sha-256={self.hex}"
        self.in_turn(
            number,
            lambda: self.pull("castool pull", self.nginx.port, "one"),
            lambda: self.download("curl -o", ["curl", "-s", "-o", output, url], output),
            lambda: self.download("aria2c -x16 -s16", self.aria2c(url), output),
            lambda: self.download("aria2c -x16 -s16 --checksum", self.aria2c(url, checksum), output))
        measure.read(self.blob)
        self.note("SHA-256, one core, warm file",
                  measure.command(["openssl", "dgst", "-sha256", self.blob]))
        self.reads(number)

    def reads(self, number):
        directory = self.folder / "mnt"
        directory.mkdir(exist_ok=True)
        self.castool.run("mount", "--layout", "ollama", directory)
        try:
            stored = self.castool.store / "blobs/sha256" / self.hex[:2] / self.hex
            contenders = [("native", stored), ("mount", directory / f"blobs/sha256-{self.hex}")]
            # A disk may have a cache of its own: who comes second must not always be the same.
            for name, path in contenders if number % 2 == 0 else contenders[::-1]:
                if measure.can_drop_caches():
                    measure.drop_caches()
                    self.note(f"read {name}, cold", measure.read(path))
                measure.read(path)
                self.note(f"read {name}, warm", measure.read(path))
        finally:
            self.castool.run("umount", directory, status=None)
            harness.force_unmount(directory)

    def targets(self):
        pull = self.rate("castool pull")
        sha = "SHA-256, one core, warm file"
        slower = min(self.rate("curl -o"), self.rate(sha))
        cpu = self.cpu("castool pull") / (self.cpu("curl -o") + self.cpu(sha))
        peak = self.peak("castool pull") / MIB
        return [
            at_least("castool pull / slower of curl -o and one core's SHA-256", pull / slower, 0.95),
            at_least("castool pull / aria2c", pull / self.rate("aria2c -x16 -s16"), 1.8),
            at_least("castool pull / aria2c with checksum",
                     pull / self.rate("aria2c -x16 -s16 --checksum"), 4),
            ("processor time of castool pull / curl and openssl dgst", f"{cpu:.2f}", "at most 1",
             cpu <= 1),
            ("peak RssAnon of castool pull", f"{peak:.0f} MiB", "at most 64 MiB", peak <= 64),
        ]


class FourBlobs(Scenario):
    """Four blobs at once, so that several cores hash, against one of the same size in all."""

    name = "four"

    def __init__(self, bench):
        super().__init__(bench)
        self.size = bench.size // 4 * 4
        self.title = f"four blobs of {self.size // 4 // MIB} MiB at once, loopback"
        bench.registry.add_model("four", [self.size // 4] * 4)
        bench.registry.add_model("single", [self.size])
        self.nginx = bench.nginx()

    def round(self, number):
        self.in_turn(number,
                     lambda: self.pull("castool pull, four blobs", self.nginx.port, "four"),
                     lambda: self.pull("castool pull, one blob", self.nginx.port, "single"))

    def targets(self):
        return [at_least("four blobs / one blob",
                         self.rate("castool pull, four blobs") / self.rate("castool pull, one blob"),
                         1.15)]


class Throttled(Scenario):
    """An origin that gives each connection 10 MB/s."""

    name = "throttle"
    connections = 16
    each = 10_000_000

    def __init__(self, bench):
        super().__init__(bench)
        self.size = bench.size // 2
        self.title = f"{self.size // MIB} MiB, 10 MB/s a connection, 16 connections"
        [(_, self.hex)] = bench.registry.add_model("slow", [self.size])
        self.nginx = bench.nginx(f"limit_rate {self.each};")

    def round(self, number):
        output = self.folder / "out"
        url = f"{self.nginx.url}/v2/library/slow/blobs/sha256:{self.hex}"
        self.pull("castool pull", self.nginx.port, "slow")
        self.download("aria2c -x16 -s16", self.aria2c(url), output)

    def targets(self):
        most = self.connections * self.each
        return [at_least("castool pull / what 16 connections may have",
                         self.rate("castool pull") / most, 0.95)]


class LongLink(Scenario):
    """40 ms there and back, 1 Gbit/s for all connections together."""

    name = "link"
    rate_of_link = 125_000_000

    def __init__(self, bench):
        super().__init__(bench)
        self.size = bench.size // 2
        self.title = f"{self.size // MIB} MiB over 40 ms and 125 MB/s"
        [(_, self.hex)] = bench.registry.add_model("far", [self.size])
        self.nginx = bench.nginx()
        self.link = origin.Link(bench.program("tests/support/link/castool-test-link"),
                                self.nginx.port, 40, self.rate_of_link)

    def round(self, number):
        output = self.folder / "out"
        url = f"http://127.0.0.1:{self.link.port}/v2/library/far/blobs/sha256:{self.hex}"
        self.pull("castool pull", self.link.port, "far")
        self.download("aria2c -x16 -s16", self.aria2c(url), output)
        self.download("curl -o", ["curl", "-s", "-o", output, url], output)

    def targets(self):
        pull = self.rate("castool pull")
        return [at_least("castool pull / the link", pull / self.rate_of_link, 0.95),
                at_least("castool pull / aria2c", pull / self.rate("aria2c -x16 -s16"), 1)]

    def stop(self):
        self.link.stop()


class Again(Scenario):
    """A repository of 300 small files: the first pull at 20 ms a request, then nothing changed."""

    name = "again"
    title = "a repository of 300 files of 2 KiB"
    files = 300

    def __init__(self, bench):
        super().__init__(bench)
        self.hub = Hub(bench.program("tests/support/hub/castool-test-hub"))
        self.hub.start()
        self.hub.add_repository("acme/many", {
            f"part{i // 50}/file{i}.json": f'{{"number": {i}}}'.ljust(2048).encode()
            for i in range(self.files)})
        self.requests = []

    def run_pull(self, name):
        self.note(name, measure.command(
            [self.castool.binary, "-q", "pull", "acme/many"],
            self.castool.environment | {"HF_ENDPOINT": self.hub.url}))

    def round(self, number):
        shutil.rmtree(self.castool.store, ignore_errors=True)
        self.hub.settings(latency_ms=20)
        self.run_pull("first pull, 20 ms before each answer")
        self.hub.settings(latency_ms=0)
        before = len(self.hub.log())
        self.run_pull("pull again, nothing changed")
        self.requests.append(len(self.hub.log()) - before)

    def targets(self):
        first = self.seconds("first pull, 20 ms before each answer")
        again = self.seconds("pull again, nothing changed") * 1000
        requests = max(self.requests)
        return [
            ("first pull at 20 ms a request", f"{first:.2f} s", "under 2 s", first < 2),
            ("pull again, requests", str(requests), "at most 3", requests <= 3),
            ("pull again", f"{again:.0f} ms", "at most 50 ms", again <= 50),
        ]

    def stop(self):
        self.hub.close()


ALL = [OneBlob, FourBlobs, Throttled, LongLink, Again]
