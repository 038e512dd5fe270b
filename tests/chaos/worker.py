"""Plays scenarios: a hub of its own, a fresh store for each, and what has to hold afterwards."""

import contextlib
import hashlib
import json
import os
import pathlib
import random
import shutil
import signal
import stat
import subprocess
import time

import models
import scenario as scenarios
from hub import Hub

MIB = 1 << 20
SIZES = [0, 1, 999, 1000, 65_536, MIB - 1, MIB, MIB + 1, 2 * MIB - 1, 2 * MIB, 2 * MIB + 1,
         3 * MIB + 17, 5 * MIB]
MODELS = 12
LONGEST = 30  # seconds that one pull may take; the slowest takes few
# 30 s without a byte are 0.6 s; nothing at all for TIME_OUT ends a pull after 3 s.
TIME_SCALE = 0.05 if os.environ.get("CASTOOL_SANITIZE") else 0.02
TIME_OUT = "150s"
# Wrong bytes, not found, unavailable, not authorised: what a fault of an origin may end in.
FAILURES = {65, 66, 69, 77}
STOPPED = 130


class Broken(Exception):
    """Something that castool promises did not hold."""


def check(condition, what):
    if not condition:
        raise Broken(what)


def digest_of(data):
    return hashlib.sha256(data).hexdigest()


class Worker:
    def __init__(self, folder, binary, hub_binary):
        self.folder = pathlib.Path(folder)
        self.binary = binary
        self.hub = Hub(hub_binary, root=self.folder / "hub")
        self.struck = {}  # how often each kind of fault hit a request
        self.ends = {}  # how often a pull ended with each status
        self.pulls = 0
        self.slowest = 0.0
        self.known = {}  # (origin, model) -> (manifest, blobs) of a pull without faults

    def __enter__(self):
        (self.folder / "home").mkdir(parents=True)
        self.hub.root.mkdir()
        self.hub.start()
        self.hub.settings(lfs_threshold=1000)
        self.make_models()
        return self

    def __exit__(self, *_):
        self.hub.close()

    def make_models(self):
        """Repositories and registry models of few files with sizes around the edges of chunks."""
        chance = random.Random("models")
        files = self.folder / "files"
        files.mkdir()
        contents = []
        for index, size in enumerate(SIZES):
            contents.append(files / str(index))
            contents[-1].write_bytes(models.noise(size, index))
        self.expected = {}  # blobs of the Hub's models
        for index in range(MODELS):
            chosen = [chance.choice(contents) for _ in range(chance.choice([1, 1, 2, 4]))]
            tree = {f"part{i}.bin": path for i, path in enumerate(chosen)}
            tree["config.json"] = f'{{"index": {index}}}'
            tree["deep/notes.txt"] = "a regular file\n"
            self.hub.add_repository(f"acme/m{index}", tree)
            model = models.gguf(tensor_bytes=chance.choice(SIZES), seed=index)
            manifest, blobs = models.registry_model(model)
            self.hub.add_model(f"library/m{index}:latest", manifest, blobs)
            self.expected[index] = {
                digest_of(source.encode() if isinstance(source, str) else source.read_bytes())
                for source in tree.values()}
            blobs = {digest_of(blob) for blob in blobs} | {digest_of(manifest)}
            self.known["registry", index] = digest_of(manifest), blobs

    # castool

    def environment(self, store):
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder / "home"),
                       "CASTOOL_STORE": str(store), "HF_ENDPOINT": self.hub.url,
                       "CASTOOL_OLLAMA_REGISTRY": self.hub.url, "LC_ALL": "C.UTF-8",
                       "CASTOOL_TIME_SCALE": str(TIME_SCALE)}
        return environment | {name: value for name, value in os.environ.items()
                              if name.endswith("SAN_OPTIONS")}

    def start(self, origin, model, connections, store):
        name = f"acme/m{model}" if origin == "hub" else f"m{model}"
        return subprocess.Popen(
            [self.binary, "pull", "-q", "--json", "--timeout", TIME_OUT, "--connections",
             str(connections), name], env=self.environment(store), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)

    def finish(self, process, began):
        """(status, standard output, standard error); a hang is no end."""
        try:
            out, err = process.communicate(timeout=max(0.1, began + LONGEST - time.monotonic()))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            raise Broken(f"a pull had not ended after {LONGEST} s") from None
        check(self.group_ends(process.pid), "a pull left a process behind")
        self.pulls += 1
        self.slowest = max(self.slowest, time.monotonic() - began)
        return process.returncode, out.decode(), err.decode()

    @staticmethod
    def group_ends(group):
        """Whether nothing is left of a pull soon after it; what is left is killed."""
        # A leak check that was killed with its process ends a moment after it.
        deadline = time.monotonic() + 5
        try:
            while time.monotonic() < deadline:
                os.killpg(group, 0)
                time.sleep(0.01)
            os.killpg(group, signal.SIGKILL)
        except ProcessLookupError:
            return True
        return False

    def allowed_blobs(self, origin, model):
        """What a pull without faults publishes. Only the Hub's manifest is not known from here."""
        if (origin, model) not in self.known:
            store = self.folder / f"golden-{origin}-{model}"
            began = time.monotonic()
            status, out, err = self.finish(self.start(origin, model, 8, store), began)
            check(status == 0, f"without any fault: {status}: {err}")
            manifest = json.loads(out.splitlines()[-1])["manifest"].removeprefix("sha256:")
            blobs = self.published(store)
            check(blobs == self.expected[model] | {manifest}, "a plain pull is not right")
            self.known[origin, model] = manifest, blobs
            shutil.rmtree(store)
        return self.known[origin, model]

    # What has to hold

    def published(self, store):
        """The names of all blobs, each of which is right."""
        found = set()
        root = store / "blobs" / "sha256"
        for folder in os.scandir(root) if root.exists() else ():  # it may have been killed before
            for entry in os.scandir(folder):
                data = pathlib.Path(entry.path).read_bytes()
                check(digest_of(data) == entry.name, f"blob {entry.name} has other bytes")
                check(stat.S_IMODE(entry.stat().st_mode) == 0o444, f"{entry.name} can be written")
                found.add(entry.name)
        return found

    def check_end(self, play, run, status, out, err):
        """How one castool ended is allowed, and it said so properly."""
        self.ends[status] = self.ends.get(status, 0) + 1
        said = f"status {status}\n{out}{err}"
        check("Sanitizer" not in err, said)
        if run.signal == "KILL" and status == -signal.SIGKILL:
            return
        if status == 0:
            check(err == "", said)
            last = json.loads(out.splitlines()[-1])
            check(last["status"] == "success", said)
            check(last["manifest"] == "sha256:" + self.allowed_blobs(play.origin, play.model)[0],
                  said)
            return
        if run.signal in ("INT", "TERM"):
            # Before it could say how it takes signals, it takes them as anybody does.
            check(status in FAILURES | {STOPPED, -signal.SIGINT, -signal.SIGTERM}, said)
        else:
            check(status in FAILURES, said)
            check(not play.must_succeed, "this has to be overcome: " + said)
        if status > 0:
            lines = err.splitlines()
            check(len(lines) == 1 and lines[0].startswith("castool: ") and lines[0].isprintable(),
                  said)
            check("Signature=" not in said, said)

    def check_store(self, play, store, succeeded):
        manifest, allowed = self.allowed_blobs(play.origin, play.model)
        found = self.published(store)
        check(found <= allowed, f"published what is no part of the model: {found - allowed}")
        refs = [path for path in (store / "refs").rglob("*") if path.is_file() and path.name != ".lock"]
        if succeeded:
            check(found == allowed, "success, and blobs are missing")
            check(len(refs) == 1, f"success, and refs {refs}")
        if refs:
            check(found == allowed, f"a ref without all its blobs: {refs}")

    # One scenario

    def play(self, seed):
        play = scenarios.draw(seed, MODELS)
        store = self.folder / "store"
        self.hub.reset()
        self.hub.settings(**CALM)
        if play.fresh:
            shutil.rmtree(store, ignore_errors=True)
        elif not store.exists():
            status, _, err = self.finish(self.start("hub", 0, 1, store), time.monotonic())
            check(status == 0, err)
            empty(store)
        self.allowed_blobs(play.origin, play.model)
        self.hub.settings(**play.settings)
        self.hub.faults(play.rules)
        try:
            succeeded = False
            for number, step in enumerate(play.steps):
                succeeded |= self.step(play, step, store)
                damage(store, step.damage, random.Random(f"{seed} {number}"))
                self.check_store(play, store, succeeded)
            for kind, hits in zip(play.kinds, self.hub.fault_hits()):
                self.struck[kind] = self.struck.get(kind, 0) + hits
            self.hub.clear_faults()
            self.hub.settings(**CALM)
            self.heal(play, store)
            empty(store)
        except Broken as broken:
            shutil.rmtree(store, ignore_errors=True)
            raise Broken(f"{play.describe()}\n{broken}") from None

    def step(self, play, step, store):
        """Whether one of its pulls succeeded."""
        began = time.monotonic()
        processes = [self.start(play.origin, play.model, play.connections, store)
                     for _ in step.runs]
        try:
            for run, process in zip(step.runs, processes):
                if run.signal:
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        process.wait(max(0, began + run.after - time.monotonic()))
                    if process.poll() is None:
                        process.send_signal(getattr(signal, "SIG" + run.signal))
            ends = [self.finish(process, began) for process in processes]
        finally:
            for process in processes:
                if process.poll() is None:
                    process.kill()
                    process.communicate()
        for run, end in zip(step.runs, ends):
            self.check_end(play, run, *end)
        return any(status == 0 for status, _, _ in ends)

    def heal(self, play, store):
        """Whatever happened: without faults the next pull succeeds, and nobody has to clean up."""
        began = time.monotonic()
        status, out, err = self.finish(
            self.start(play.origin, play.model, play.connections, store), began)
        check(status == 0, f"the faults are over, and still: status {status}\n{out}{err}")
        self.check_store(play, store, True)
        # Who is killed just after publishing leaves a table behind, and gc takes it; no bytes stay.
        killed = any(run.signal == "KILL" for step in play.steps for run in step.runs)
        left = [path.name for path in (store / "partials").iterdir()
                if not killed or (path / "data").exists()]
        check(not left, f"everything is complete, and partials stay: {left}")


def empty(store):
    """Takes everything out of a store that is complete; making its directories takes long."""
    for part in ("blobs", "sums"):
        for folder in os.scandir(store / part / "sha256"):
            for entry in os.scandir(folder):
                os.unlink(entry.path)
    for part in ("refs", "aliases", "partials", "tmp", "quarantine"):
        for entry in os.scandir(store / part):
            shutil.rmtree(entry.path) if entry.is_dir() else os.unlink(entry.path)


CALM = {"latency_ms": 0, "bytes_per_second": 0, "max_connections": 0}


def damage(store, places, chance):
    """As a disk or a power cut may: bits, zeros and cuts anywhere in unfinished downloads."""
    files = sorted(path for path in (store / "partials").rglob("*") if path.is_file())
    for _ in range(places if files else 0):
        path = chance.choice(files)
        size = path.stat().st_size
        at = chance.randrange(size) if size else 0
        how = chance.choice(["flip", "flip", "zeros", "cut"])
        with open(path, "r+b") as file:
            if how == "cut":
                file.truncate(at)
                continue
            file.seek(at)
            old = file.read(1 if how == "flip" else 4096)
            file.seek(at)
            file.write(bytes([old[0] ^ 1 << chance.randrange(8)]) if how == "flip" and old
                       else bytes(len(old)))
