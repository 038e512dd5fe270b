#!/usr/bin/env python3
"""Side by side, in one run: verified pulls against other downloaders, a mount against the disk.

    tests/bench/run.py --build DIR [--size 2G] [--rounds 3] [--dir DIR] [--only NAME,...] [--check]

nginx on loopback serves random bytes as a static registry. In every round each contender runs once,
in the same order, after a sync; the tables show medians. --only takes some of the scenarios: those of
scenarios.py (blob four throttle link again), of mounts.py (reading cache lazy cold beside), many, api
and fsck. --check fails when a target of docs/performance.md is missed. The result is Markdown.
"""

import argparse
import os
import pathlib
import platform
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
for folder in ("tests/e2e", "tests/support", "tests/bench"):
    sys.path.insert(0, str(ROOT / folder))
import api  # noqa: E402
import fsck  # noqa: E402
import harness  # noqa: E402
import origin  # noqa: E402
import many  # noqa: E402
import mounts  # noqa: E402
import scenarios  # noqa: E402

MIB = 1 << 20
ALL = scenarios.ALL + mounts.ALL + many.ALL + api.ALL + fsck.ALL


def parse_size(text):
    units = {"K": 10, "M": 20, "G": 30}
    return int(text[:-1]) << units[text[-1]] if text[-1] in units else int(text)


class Bench:
    """One run: the folder, the programs, and the servers that scenarios start."""

    def __init__(self, arguments, folder):
        self.build = arguments.build.resolve()
        self.size = parse_size(arguments.size)
        self.folder = folder
        os.environ["CASTOOL"] = str(self.program("tools/castool"))
        self.castool = harness.Castool(folder / "castool")
        self.registry = origin.Registry(folder / "www")
        self.servers = []

    def program(self, path):
        return self.build / path

    def nginx(self, server=""):
        self.servers.append(harness.Nginx(self.folder / f"nginx{len(self.servers)}",
                                          self.folder / "www", "access_log off;" + server))
        return self.servers[-1]

    @staticmethod
    def say(text):
        print(text, file=sys.stderr)

    def stop(self):
        for server in self.servers:
            server.stop()
        self.castool.end_all()


def report(scenario):
    print(f"\n## {scenario.title}\n")
    print("| what | s | GB/s | CPU s per GB | peak RssAnon |\n|---|---|---|---|---|")
    for name, runs in scenario.runs.items():
        rate = f"{scenario.rate(name) / 1e9:.3f}" if scenario.size else ""
        has_cpu = scenario.size and runs[0].cpu_seconds is not None
        cpu = f"{scenario.cpu(name):.2f}" if has_cpu else ""
        peak = scenario.peak(name)
        memory = f"{peak / MIB:.0f} MiB" if peak else ""
        print(f"| {name} | {scenario.seconds(name):.3f} | {rate} | {cpu} | {memory} |")
    for what, measured in scenario.rows():
        print(f"| {what} | | {measured} | | |")
    print("\n| target | measured | wanted |\n|---|---|---|")
    for what, measured, wanted, _ in scenario.targets():
        print(f"| {what} | {measured} | {wanted} |")


def machine():
    model = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo")
                  if line.startswith("model name")), platform.machine())
    commit = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False).stdout
    return f"{os.cpu_count()} × {model}, Linux {platform.release()}, commit {commit.strip() or '?'}"


def measure_one(kind, bench, rounds):
    """Runs one scenario to its report; false when a target was missed."""
    bench.say(kind.name)
    scenario = kind(bench)
    try:
        for number in range(rounds):
            bench.say(f" round {number + 1} of {rounds}")
            scenario.round(number)
    finally:
        scenario.stop()
    report(scenario)
    return all(met for *_, met in scenario.targets())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--size", default="2G")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dir", type=pathlib.Path, default=ROOT / "build")
    parser.add_argument("--only", default="")
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    wanted = arguments.only.split(",") if arguments.only else [kind.name for kind in ALL]

    met = True
    print(f"{arguments.rounds} rounds, medians; {machine()}")
    for kind in ALL:
        if kind.name not in wanted:
            continue
        # A folder each: what one scenario left must not cost the next one memory.
        with tempfile.TemporaryDirectory(prefix="bench-", dir=arguments.dir) as folder:
            bench = Bench(arguments, pathlib.Path(folder))
            try:
                met = measure_one(kind, bench, arguments.rounds) and met
            finally:
                bench.stop()
    if arguments.check and not met:
        sys.exit("a target was missed")


if __name__ == "__main__":
    main()
