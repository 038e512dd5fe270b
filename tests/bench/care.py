#!/usr/bin/env python3
"""gc and ls of a large store: care.py --castool FILE [--blobs 100000] [--refs 10000] [--dir DIR].

Makes a store of small blobs that refs name in equal shares, and as much garbage as --garbage says,
then measures gc and ls, each three times. Prints Markdown; --check fails above the targets (gc 2 s,
ls 0.1 s).
"""

import argparse
import hashlib
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time


def place(store, content):
    """A published blob; its digest as hex."""
    name = hashlib.sha256(content).hexdigest()
    path = f"{store}/blobs/sha256/{name[:2]}/{name}"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o444)
    os.write(descriptor, content)
    os.close(descriptor)
    return name


def add_model(store, number, digests, size):
    files = [f'{{"path":"{index:04}.bin","digest":"sha256:{digest}","size":{size}}}'
             for index, digest in enumerate(digests)]
    manifest = ('{"format":1,"kind":"hub","endpoint":"https://huggingface.co",'
                f'"repo":"acme/m{number}","commit":"{number:040x}","files":[\n'
                + ",\n".join(files) + "\n]}\n")
    record = {"name": f"acme/m{number}", "source": f"hf://acme/m{number}@main",
              "origin": f"https://huggingface.co acme/m{number}", "revision": f"{number:040x}",
              "kind": "hub", "state": "complete",
              "manifest": "sha256:" + place(store, manifest.encode()),
              "bytes": size * len(digests), "bytes_present": size * len(digests),
              "files": len(digests), "pulled_at": 1, "last_used_at": number}
    pathlib.Path(store, "refs/default", f"acme%2Fm{number}").write_text(json.dumps(record) + "\n")


def make_store(arguments, store, run):
    run("quota", "default", "none")  # makes the store
    blobs = arguments.blobs - arguments.refs
    digests = [place(store, b"%064d" % number) for number in range(blobs)]
    (pathlib.Path(store) / "refs/default").mkdir(exist_ok=True)
    share = max(blobs // arguments.refs, 1)
    for number in range(arguments.refs):
        add_model(store, number, digests[number * share:(number + 1) * share], 64)


def add_garbage(store, count, round_number):
    for number in range(count):
        place(store, b"garbage %d %d" % (round_number, number))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--castool", required=True)
    parser.add_argument("--blobs", type=int, default=100_000)
    parser.add_argument("--refs", type=int, default=10_000)
    parser.add_argument("--garbage", type=int, default=10_000)
    parser.add_argument("--dir")
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    castool = os.path.abspath(arguments.castool)
    with tempfile.TemporaryDirectory(prefix="castool-care-", dir=arguments.dir) as folder:
        store = f"{folder}/store"

        def run(*words, check=True):
            began = time.monotonic()
            done = subprocess.run([castool, "--store", store, *words], check=False,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            if check and done.returncode != 0:
                sys.exit(f"{words}: {done.returncode}: {done.stderr}")
            return time.monotonic() - began, done.stdout

        make_store(arguments, store, run)
        run("gc")  # what lies outside the shares
        times = {"gc, nothing to do": [], f"gc, {arguments.garbage} blobs go": [],
                 "gc --dry-run": [], "ls": []}
        for number in range(3):
            times["gc, nothing to do"].append(run("gc")[0])
            add_garbage(store, arguments.garbage, number)
            times["gc --dry-run"].append(run("gc", "--dry-run", "-q")[0])
            seconds, out = run("gc", "--json")
            assert json.loads(out)["removed_blobs"] == arguments.garbage, out
            times[f"gc, {arguments.garbage} blobs go"].append(seconds)
            seconds, out = run("ls")
            assert len(out.splitlines()) == arguments.refs + 1
            times["ls"].append(seconds)
    print(f"{arguments.blobs} blobs, {arguments.refs} refs, medians of three:\n")
    print("| what | seconds |\n|---|---|")
    for what, seconds in times.items():
        print(f"| {what} | {statistics.median(seconds):.3f} |")
    slow = [what for what, seconds in times.items()
            if statistics.median(seconds) > (0.1 if what == "ls" else 2)]
    if arguments.check and slow:
        sys.exit(f"above the target: {slow}")


if __name__ == "__main__":
    main()
