"""A store of a few small files that commands are broken off in, and what must hold after that."""

import hashlib
import json
import os
import pathlib
import shutil
import signal
import stat
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/support"), str(ROOT / "tests/e2e")]

import checks  # noqa: E402
import disk  # noqa: E402
import harness  # noqa: E402
from hub import Synthetic  # noqa: E402

MIB = 1 << 20
# What a command may say when something of the machine failed: damage that cannot be ruled out, not
# found, unreachable, no space, an I/O error, busy, not authorised.
FAILURES = {65, 66, 69, 73, 74, 75, 77}


class Broken(Exception):
    pass


# Each: the command, and the store that it begins with.
SCENARIOS = {
    "pull": (["pull", "-q", "acme/d"], "whole"),
    "first": (["pull", "-q", "acme/d"], "none"),
    "resume": (["pull", "-q", "acme/d"], "partial"),
    "registry": (["pull", "-q", "--insecure", "tiny"], "whole"),
    "gc": (["gc"], "whole"),
    "evict": (["gc", "--max-size", "2M"], "whole"),
    "partials": (["gc", "--partials"], "partial"),
    "rm": (["rm", "acme/b"], "whole"),
    "cp": (["cp", "acme/a", "acme/z"], "whole"),
    "import": (["import", "TREE", "local"], "whole"),
    "repair": (["fsck", "--repair"], "damaged"),
}


class Bed:
    """The stores that a run may begin with, kept in memory, and what comes of the commands."""

    def __init__(self, folder, hub):
        self.castool = harness.Castool(folder / "castool")
        self.castool.environment.update(HF_ENDPOINT=hub.url, CASTOOL_OLLAMA_REGISTRY=hub.url,
                                        CASTOOL_TIME_SCALE="0.01")
        self.tree, self.hub = folder / "tree", hub
        self.place_store()
        self.store = self.castool.store
        (self.tree / "deep").mkdir(parents=True)
        (self.tree / "deep/a.bin").write_bytes(os.urandom(MIB // 2 + 5))
        (self.tree / "b.json").write_text("{}")
        self.fill_hub(hub)
        self.castool.run("pull", "-q", "acme/a", "acme/b", "acme/c")
        self.castool.run("rm", "acme/c")
        self.shared = checks.blob_path(self.store, checks.digest_of(self.two_chunks, hub))
        self.starts = {"none": None, "whole": self.take()}
        self.break_off(hub)
        self.starts["partial"] = self.take()
        self.put(self.starts["whole"])
        self.flip(self.shared, MIB + 7)
        self.starts["damaged"] = self.take()

    def place_store(self):
        """Where castool's store is."""

    def fill_hub(self, hub):
        self.two_chunks = Synthetic(MIB + 9, 1)
        hub.add_repository("acme/a", {"config.json": "{}", "shared.bin": self.two_chunks})
        hub.add_repository("acme/b", {"own.bin": Synthetic(200_001, 2), "shared.bin": self.two_chunks})
        hub.add_repository("acme/c", {"gone.bin": Synthetic(100_001, 3)})
        hub.add_repository("acme/d", {"config.json": '{"d":1}', "large.bin": Synthetic(2 * MIB + 5, 4),
                                      "small.bin": Synthetic(70_001, 5), "shared.bin": self.two_chunks})
        import models
        manifest, blobs = models.registry_model(models.gguf(tensor_bytes=1000))
        hub.add_model("library/tiny:latest", manifest, blobs)

    def break_off(self, hub):
        """Leaves a pull of acme/d unfinished, with a chunk of it here."""
        hub.fault({"stall_after": 0, "stall_ms": 600_000}, times=-1, origin="cdn", covers=2 * MIB)
        process = self.castool.start("pull", "-q", "acme/d", stderr=subprocess.DEVNULL)
        data = lambda: [path for path in self.store.glob("partials/*/table")  # noqa: E731
                        if 1 in path.read_bytes()[8192 + 8::16]]
        try:
            harness.wait_until(data, 60, "a chunk")
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)
            hub.clear_faults()

    @staticmethod
    def flip(path, at):
        os.chmod(path, 0o644)
        with open(path, "r+b") as file:
            file.seek(at)
            old = file.read(1)
            file.seek(at)
            file.write(bytes([old[0] ^ 1]))
        os.chmod(path, 0o444)

    def take(self):
        """{path: (mode, bytes; None for a directory, the target for a link)} of the store."""
        taken = {}
        for path in sorted(self.store.rglob("*")):
            content = (os.readlink(path) if path.is_symlink() else
                       None if path.is_dir() else path.read_bytes())
            taken[str(path.relative_to(self.store))] = (stat.S_IMODE(path.lstat().st_mode), content)
        return taken

    def put(self, start):
        """Makes the store that one again."""
        if start is None:
            shutil.rmtree(self.store, ignore_errors=True)
            return
        found = set()
        for place, folders, files in os.walk(self.store, topdown=False):
            inside = os.path.relpath(place, self.store)
            for name in [*folders, *files]:
                path = os.path.normpath(os.path.join(inside, name))
                if start.get(path, (0, b""))[1] is None and name in folders:
                    found.add(path)
                elif name in folders:
                    shutil.rmtree(os.path.join(place, name))
                else:
                    os.unlink(os.path.join(place, name))
        for path, (mode, content) in start.items():
            full = self.store / path
            if content is None:
                if path not in found:
                    os.makedirs(full, 0o700, exist_ok=True)
                continue
            if isinstance(content, str):
                os.symlink(content, full)
                continue
            with open(full, "wb") as file:
                file.write(content)
            os.chmod(full, mode)
        os.chmod(self.store, 0o700)

    def command(self, name):
        return [str(self.tree) if word == "TREE" else word for word in SCENARIOS[name][0]]

    def reset(self, name):
        self.put(self.starts[SCENARIOS[name][1]])

    def names(self):
        return {ref["name"] for ref in self.castool.run("ls", "--json").json}

    def outline(self):
        found = set()
        for part in ("blobs", "refs", "partials"):
            for place, _, files in os.walk(self.store / part):
                found |= {os.path.relpath(os.path.join(place, file), self.store) for file in files}
        return found

    def expected(self, name):
        """What is there in the end when nothing goes wrong: before gc, and after it."""
        self.reset(name)
        self.castool.run(*self.command(name))
        before = self.outline()
        self.castool.run("gc", "--partials")
        return before, self.outline()

    def blobs_are_right(self):
        for place, _, files in os.walk(self.store / "blobs"):
            for name in files:
                path = os.path.join(place, name)
                with open(path, "rb") as file:
                    right = hashlib.sha256(file.read()).hexdigest() == name
                if not right or stat.S_IMODE(os.stat(path).st_mode) != 0o444:
                    raise Broken(f"{name} is not what its name says")

    def check_after(self, name, expected, done=False):
        """What must hold after something went wrong, and that the next run makes it good. `done`: the
        command said that it had succeeded."""
        # Of what is damaged, the damaged may lie in its place or in quarantine.
        if SCENARIOS[name][1] != "damaged" or done:
            self.blobs_are_right()
            self.names_are_whole()
        command = self.command(name)
        again = self.castool.run(*command, status=None)
        # What was done already is not there to be done again.
        if again.status != 0 and not (command[0] == "rm" and again.status == 66):
            raise Broken(f"the next run fails: {again.status}: {again.err}")
        self.blobs_are_right()
        if self.outline() == expected[0]:
            return
        self.castool.run("gc", "--partials")
        if self.outline() != expected[1]:
            raise Broken(f"left over or lost: {sorted(self.outline() ^ expected[1])}")

    def names_are_whole(self):
        """Everything that a name needs is there."""
        for path in (self.store / "refs").glob("*/*"):
            record = json.loads(path.read_bytes())
            self.blob_is_there(record["manifest"])
            if record["state"] != "complete":
                raise Broken(f"{path.name} is {record['state']}")
            manifest = checks.blob_path(self.store, record["manifest"]).read_bytes()
            for digest in digests_in(json.loads(manifest)):
                self.blob_is_there(digest)

    def blob_is_there(self, digest):
        if not checks.blob_path(self.store, digest).exists():
            raise Broken(f"{digest} is missing")


class DiskBed(Bed):
    """The store on a disk of its own that loses power; what a run begins with are images of it. `library`
    makes castool see another boot each time."""

    def __init__(self, folder, hub, library):
        self.folder, self.library = folder, library
        super().__init__(folder, hub)

    def place_store(self):
        self.castool.environment["LD_PRELOAD"] = self.library
        self.disk = disk.Disk(self.castool, 40)
        self.castool.prefix = []
        self.castool.environment["CASTOOL_BREAK_BOOT_ID"] = str(self.disk.boots.file)

    def take(self):
        self.disk.unmount()
        image = self.folder / f"image{len(list(self.folder.glob('image*')))}"
        shutil.copyfile(self.disk.image, image)
        self.disk.boots.next()
        self.disk.mount()
        return image

    def put(self, start):
        if start is None:
            super().put(None)
            return
        self.disk.unmount()
        shutil.copyfile(start, self.disk.image)
        self.disk.boots.next()
        self.disk.mount()

    def cut_power(self, pid):
        """The disk loses its power, then the process is gone, then the machine is up again."""
        self.disk.shut_down()
        if pid:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        self.disk.unmount()
        self.disk.boots.next()
        self.disk.mount()


def digests_in(value):
    """Every digest that a manifest names."""
    if isinstance(value, dict):
        for key, member in value.items():
            if key == "digest":
                yield member
            else:
                yield from digests_in(member)
    elif isinstance(value, list):
        for member in value:
            yield from digests_in(member)


def run_bounded(castool, words, environment, seconds=60):
    """(status, what it said) of a run that may be killed or hang; a hang is a violation."""
    process = subprocess.Popen([*castool.prefix, castool.binary, *words], stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                               env=castool.environment | environment)
    try:
        _, said = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise Broken(f"did not end in {seconds} s") from None
    return process.returncode, said
