#!/usr/bin/env python3
"""Side by side, in one run: a verified pull against other downloaders, a mount against the disk.

    tests/bench/run.py --castool BINARY [--size 1G] [--rounds 5] [--dir DIR] [--check]

nginx on loopback serves one blob of random bytes as a static registry. In every round each
contender runs once, in the same order, after a sync; the tables show medians. --check fails when a
target of issue "Foundation" is missed. The result is Markdown, as in docs/performance.md.
"""

import argparse
import hashlib
import json
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import harness  # noqa: E402
import measure  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
MIB = 1 << 20


def parse_size(text):
    units = {"K": 10, "M": 20, "G": 30}
    return int(text[:-1]) << units[text[-1]] if text[-1] in units else int(text)


def make_origin(folder, size):
    """A registry as static files; gives the blob's path and digest."""
    blobs = folder / "v2/library/big/blobs"
    manifests = folder / "v2/library/big/manifests"
    blobs.mkdir(parents=True)
    manifests.mkdir()
    draft = folder / "draft"
    digest = hashlib.sha256()
    with open(draft, "wb") as file:
        for start in range(0, size, 4 * MIB):
            block = os.urandom(min(4 * MIB, size - start))
            digest.update(block)
            file.write(block)
    blob = blobs / f"sha256:{digest.hexdigest()}"
    draft.rename(blob)
    config = b"{}"
    config_digest = hashlib.sha256(config).hexdigest()
    (blobs / f"sha256:{config_digest}").write_bytes(config)
    (manifests / "latest").write_text(json.dumps({
        "schemaVersion": 2,
        "mediaType": harness.DockerRegistry.MANIFEST_TYPE,
        "config": {"mediaType": "application/vnd.docker.container.image.v1+json",
                   "digest": f"sha256:{config_digest}", "size": len(config)},
        "layers": [{"mediaType": "application/vnd.ollama.image.model",
                    "digest": f"sha256:{digest.hexdigest()}", "size": size}],
    }))
    return blob, digest.hexdigest()


class Bench:
    """One run: the folder, the origin and what was measured so far."""

    def __init__(self, arguments, folder):
        self.size = parse_size(arguments.size)
        self.rounds = arguments.rounds
        self.folder = folder
        self.castool = harness.Castool(folder / "castool")
        os.environ["CASTOOL"] = str(pathlib.Path(arguments.castool).resolve())
        self.blob, self.hex = make_origin(folder / "www", self.size)
        self.nginx = harness.Nginx(folder / "nginx", folder / "www", "access_log off;")
        self.url = f"{self.nginx.url}/v2/library/big/blobs/sha256:{self.hex}"
        self.runs = {}  # contender -> [measure.Run]

    def note(self, name, run):
        self.runs.setdefault(name, []).append(run)
        print(f"  {name}: {self.size / run.seconds / 1e9:.2f} GB/s", file=sys.stderr)

    def download(self, name, words, target):
        measure.settle(self.folder, self.size)
        run = measure.command(words)
        if target.stat().st_size != self.size:
            raise SystemExit(f"{name} left {target.stat().st_size} bytes")
        target.unlink()
        self.note(name, run)

    def pull(self):
        shutil.rmtree(self.castool.store, ignore_errors=True)
        measure.settle(self.folder, self.size)
        self.note("castool pull", measure.command(
            [self.castool.binary, "-q", "pull", "--insecure",
             f"http://127.0.0.1:{self.nginx.port}/library/big:latest"],
            self.castool.environment))

    def stored(self):
        return self.castool.store / "blobs/sha256" / self.hex[:2] / self.hex

    def downloads(self):
        output = self.folder / "out"
        aria = ["aria2c", "-q", "-x16", "-s16", "-k1M", "--file-allocation=falloc",
                "--allow-overwrite=true", "-d", self.folder, "-o", "out"]
        self.pull()
        self.download("curl -o", ["curl", "-s", "-o", output, self.url], output)
        self.download("aria2c -x16 -s16", [*aria, self.url], output)
        self.download("aria2c -x16 -s16 --checksum",
                      [*aria, f"--checksum=sha-256={self.hex}", self.url], output)
        measure.read(self.blob)
        self.note("SHA-256, one core, warm file",
                  measure.command(["openssl", "dgst", "-sha256", self.blob]))

    def reads(self, number):
        directory = self.folder / "mnt"
        directory.mkdir(exist_ok=True)
        self.castool.run("mount", "--layout", "ollama", directory)
        try:
            through = directory / f"blobs/sha256-{self.hex}"
            contenders = [("native", self.stored()), ("mount", through)]
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

    def run(self):
        for number in range(self.rounds):
            print(f"round {number + 1} of {self.rounds}", file=sys.stderr)
            self.downloads()
            self.reads(number)

    def rate(self, name):
        runs = self.runs.get(name)
        return self.size / statistics.median(run.seconds for run in runs) / 1e9 if runs else None

    def peak_rss(self):
        return max(run.peak_rss_anon for run in self.runs["castool pull"]) / MIB

    def targets(self):
        """(what, measured, wanted, met) for each target."""
        pull = self.rate("castool pull")
        slower = min(self.rate("curl -o"), self.rate("SHA-256, one core, warm file"))
        checked = self.rate("aria2c -x16 -s16 --checksum")
        return [
            ("castool pull / slower of curl and SHA-256", f"{pull / slower:.2f}", "at least 0.8",
             pull >= 0.8 * slower),
            ("castool pull / aria2c with checksum", f"{pull / checked:.1f}", "at least 3",
             pull >= 3 * checked),
            ("peak RssAnon of castool pull", f"{self.peak_rss():.0f} MiB", "under 64 MiB",
             self.peak_rss() < 64),
        ]

    def report(self):
        print(f"{self.size / MIB:.0f} MiB, {self.rounds} rounds, medians; {machine()}\n")
        print("| what | GB/s | CPU s per GB | peak RssAnon |\n|---|---|---|---|")
        for name, runs in self.runs.items():
            spent = [run.cpu_seconds for run in runs if run.cpu_seconds is not None]
            cpu = f"{statistics.median(spent) / (self.size / 1e9):.2f}" if spent else ""
            peak = max(run.peak_rss_anon for run in runs)
            memory = f"{peak / MIB:.0f} MiB" if peak else ""
            print(f"| {name} | {self.rate(name):.2f} | {cpu} | {memory} |")
        print("\n| ratio | measured | target |\n|---|---|---|")
        for what, measured, wanted, _ in self.targets():
            print(f"| {what} | {measured} | {wanted} |")
        for kind in ("warm", "cold"):
            native, mount = self.rate(f"read native, {kind}"), self.rate(f"read mount, {kind}")
            if native and mount:
                print(f"| read through the mount / native, {kind} | {mount / native:.2f} | |")


def machine():
    model = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo")
                  if line.startswith("model name")), platform.machine())
    commit = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False).stdout
    return f"{os.cpu_count()} × {model}, Linux {platform.release()}, commit {commit.strip() or '?'}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--castool", required=True)
    parser.add_argument("--size", default="1G")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--dir", type=pathlib.Path, default=ROOT / "build")
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()

    with tempfile.TemporaryDirectory(prefix="bench-", dir=arguments.dir) as folder:
        bench = Bench(arguments, pathlib.Path(folder))
        try:
            bench.run()
        finally:
            bench.nginx.stop()
            bench.castool.end_all()
    bench.report()
    if arguments.check and not all(met for *_, met in bench.targets()):
        sys.exit("a target was missed")


if __name__ == "__main__":
    main()
