"""Reading through a real mount: both layouts, byte by byte, as programs do it."""

import concurrent.futures
import errno
import json
import mmap
import os
import pathlib
import random
import shutil
import stat
import subprocess
import time

import pytest

import checks
import harness
import models
from hub import Synthetic

MIB = 1 << 20
# What "within 1 s" may take on a busy machine.
SOON = 2


@pytest.fixture
def pulled(hub, castool):
    """Three models in the store; their files by the path of their directory in the ovms layout."""
    gguf = models.gguf(tensor_bytes=3 * MIB)
    small = models.small_repository() | {"weights.bin": models.noise(9 * MIB + 4321)}
    chat = models.openvino_repository()
    hub.add_repository("acme/small", small)
    hub.add_repository("acme/chat", chat)
    manifest, blobs = models.registry_model(gguf)
    hub.add_model("library/tiny:latest", manifest, blobs)
    castool.run("pull", "-q", "acme/small", "acme/chat", "tiny")
    return {"acme/small": small, "acme/chat": chat,
            "library/tiny:latest": {"tiny-latest.gguf": gguf},
            "manifest": manifest, "blobs": blobs}


def mount_line(directory):
    lines = [line.split() for line in pathlib.Path("/proc/mounts").read_text().splitlines()]
    return next(line for line in lines if line[1] == str(directory))


def test_the_ovms_layout(pulled, hub, castool, mountpoint):
    castool.run("mount", mountpoint)
    checks.assert_same_tree(mountpoint / "acme/small", pulled["acme/small"], hub)
    for path in ("acme/chat", "library/tiny:latest"):
        checks.assert_same_tree(mountpoint / path, pulled[path], hub, generated=["graph.pbtxt"])
    assert sorted(os.listdir(mountpoint)) == ["acme", "config.json", "library"]
    find = subprocess.run(["find", mountpoint, "-type", "d", "-empty"], capture_output=True,
                          check=True)
    assert find.stdout == b""


def test_the_ollama_layout(pulled, castool, mountpoint):
    castool.run("mount", "--layout", "ollama", mountpoint)
    blobs = {"sha256-" + checks.digest_of(blob)[7:]: blob for blob in pulled["blobs"]}
    checks.assert_same_tree(mountpoint / "blobs", blobs)
    manifests = {"registry.ollama.ai/library/tiny/latest": pulled["manifest"]}
    checks.assert_same_tree(mountpoint / "manifests", manifests)
    assert sorted(os.listdir(mountpoint)) == ["blobs", "manifests"]


@pytest.mark.parametrize("layout,names", [("ovms", ["config.json"]),
                                          ("ollama", ["blobs", "manifests"])])
def test_an_empty_store(castool, mountpoint, layout, names):
    castool.run("mount", "--layout", layout, mountpoint)
    assert sorted(os.listdir(mountpoint)) == names
    if layout == "ovms":
        assert json.loads((mountpoint / "config.json").read_text()) == {"model_config_list": []}


def test_what_ovms_is_told(pulled, castool, mountpoint):
    castool.run("mount", mountpoint)
    config = json.loads((mountpoint / "config.json").read_text())
    assert set(config) == {"model_config_list"}
    listed = {}
    for entry in config["model_config_list"]:
        assert set(entry) == {"config"} and set(entry["config"]) == {"name", "base_path"}
        listed[entry["config"]["name"]] = entry["config"]["base_path"]
    # acme/small is nothing that OVMS could serve.
    assert listed == {"acme/chat": "acme/chat", "tiny:latest": "library/tiny:latest"}
    for path, models_path in [("acme/chat", "./"), ("library/tiny:latest", "./tiny-latest.gguf")]:
        graph = (mountpoint / path / "graph.pbtxt").read_text()
        assert 'calculator: "HttpLLMCalculator"' in graph
        assert f'models_path: "{models_path}"' in graph
        assert graph.count("{") == graph.count("}") > 5
        assert (mountpoint / path / "graph.pbtxt").stat().st_size == len(graph.encode())


def test_a_copy_is_the_same(pulled, hub, castool, mountpoint, tmp_path):
    castool.run("mount", mountpoint)
    subprocess.run(["cp", "-r", mountpoint / "acme", tmp_path / "copy"], check=True)
    checks.assert_same_tree(tmp_path / "copy/small", pulled["acme/small"])
    checks.assert_same_tree(tmp_path / "copy/chat", pulled["acme/chat"], hub, ["graph.pbtxt"])


def test_find_tells_every_name(pulled, castool, mountpoint):
    castool.run("mount", mountpoint)
    found = subprocess.run(["find", ".", "-type", "f", "-print0"], cwd=mountpoint,
                           capture_output=True, check=True).stdout.decode().split("\0")
    expected = {"./config.json", "./acme/chat/graph.pbtxt", "./library/tiny:latest/graph.pbtxt"}
    for model in ("acme/small", "acme/chat", "library/tiny:latest"):
        expected |= {f"./{model}/{path}" for path in pulled[model]}
    assert sorted(found) == sorted(expected | {""})


def test_mapped_memory(pulled, castool, mountpoint):
    castool.run("mount", mountpoint)
    expected = pulled["acme/small"]["weights.bin"]
    with open(mountpoint / "acme/small/weights.bin", "rb") as file:
        with mmap.mmap(file.fileno(), 0, mmap.MAP_PRIVATE, mmap.PROT_READ) as memory:
            assert len(memory) == len(expected)
            for offset in (len(expected) - 1, 5 * MIB + 77, 0):  # not from front to back
                assert memory[offset] == expected[offset]
            assert memory[:] == expected


def test_random_reads_of_many_threads(pulled, castool, mountpoint):
    castool.run("mount", mountpoint)
    files = [(mountpoint / "acme/small/weights.bin", pulled["acme/small"]["weights.bin"]),
             (mountpoint / "library/tiny:latest/tiny-latest.gguf",
              pulled["library/tiny:latest"]["tiny-latest.gguf"]),
             (mountpoint / "acme/small/model.safetensors",
              pulled["acme/small"]["model.safetensors"])]

    def read(seed):
        chance = random.Random(seed)
        handles = [(os.open(path, os.O_RDONLY), expected) for path, expected in files]
        try:
            for _ in range(400):
                handle, expected = chance.choice(handles)
                offset = chance.randrange(len(expected) + 5000)
                length = chance.choice([1, 100, 4096, 65536, 300_000])
                got = os.pread(handle, length, offset)
                # Never short before the end of the file, nothing behind it.
                assert got == expected[offset:offset + length], (seed, offset, length)
        finally:
            for handle, _ in handles:
                os.close(handle)
        return seed

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(read, range(8))) == list(range(8))


def facts_below(folder):
    facts = {}
    for place, directories, files in os.walk(folder):
        for name in [".", *files]:
            found = os.lstat(os.path.join(place, name))
            facts[os.path.relpath(os.path.join(place, name), folder)] = (
                found.st_ino, found.st_mode, found.st_size, found.st_nlink, found.st_mtime)
        directories.sort()
    return facts


def test_facts_are_the_same_after_a_new_mount(pulled, castool, mountpoint):
    castool.run("mount", mountpoint)
    before = facts_below(mountpoint)
    castool.run("umount", mountpoint)
    castool.run("mount", mountpoint)
    assert facts_below(mountpoint) == before
    inodes = [fact[0] for fact in before.values()]
    assert 0 not in inodes and len(set(inodes)) == len(inodes)
    for path, (_, mode, size, links, _) in before.items():
        directory = stat.S_ISDIR(mode)
        rewritten = path.endswith((".gguf", "graph.pbtxt"))  # by OVMS, or so it opens them
        assert stat.S_IMODE(mode) == (0o755 if directory else 0o644 if rewritten else 0o444), path
        assert links >= 1 if directory else links == 1, path
        assert directory or size == len((mountpoint / path).read_bytes()), path
    # The entries of a listing tell the same numbers.
    with os.scandir(mountpoint / "acme/small") as entries:
        for entry in entries:
            assert entry.inode() == os.lstat(entry.path).st_ino


def test_the_owner_can_be_chosen(pulled, castool, mountpoint):
    castool.run("mount", "-o", "uid=1234,gid=4321", mountpoint)
    for path in (mountpoint, mountpoint / "acme/small/config.json"):
        assert (path.stat().st_uid, path.stat().st_gid) == (1234, 4321)


def test_extended_attributes(pulled, hub, castool, mountpoint):
    castool.run("mount", mountpoint)
    for path, source in pulled["acme/small"].items():
        place = mountpoint / "acme/small" / path
        assert os.getxattr(place, "user.castool.sha256").decode() == checks.digest_of(source)[7:]
        assert os.getxattr(place, "user.castool.state") == b"verified"
        assert int(os.getxattr(place, "user.castool.present")) == checks.size_of(source)
    said = subprocess.run(["getfattr", "-d", "--absolute-names", mountpoint / "acme/small"],
                          capture_output=True, text=True, check=True).stdout
    commit = castool.run("show", "--json", "acme/small").json[0]["revision"]
    assert 'user.castool.source="hf://acme/small@main"' in said
    assert f'user.castool.revision="{commit}"' in said
    with pytest.raises(OSError) as refused:
        os.getxattr(mountpoint / "acme/small/config.json", "user.castool.nothing")
    assert refused.value.errno == errno.ENODATA
    assert hub.saw("nothing") == []


WRITES = {
    "open to write": lambda d: os.open(d / "config.json", os.O_WRONLY),
    "open to read and write": lambda d: os.open(d / "config.json", os.O_RDWR),
    "append": lambda d: os.open(d / "config.json", os.O_WRONLY | os.O_APPEND),
    "truncate at open": lambda d: os.open(d / "config.json", os.O_WRONLY | os.O_TRUNC),
    "create": lambda d: os.open(d / "new", os.O_WRONLY | os.O_CREAT, 0o644),
    "mkdir": lambda d: os.mkdir(d / "new"),
    "mkfifo": lambda d: os.mkfifo(d / "new"),
    "symlink": lambda d: os.symlink("x", d / "new"),
    "link": lambda d: os.link(d / "config.json", d / "new"),
    "unlink": lambda d: os.unlink(d / "config.json"),
    "rmdir": lambda d: os.rmdir(d / "package"),
    "rename": lambda d: os.rename(d / "config.json", d / "new"),
    "rename over another": lambda d: os.rename(d / "config.json", d / "README.md"),
    "chmod": lambda d: os.chmod(d / "config.json", 0o600),
    "chown": lambda d: os.chown(d / "config.json", 1, 1),
    "truncate": lambda d: os.truncate(d / "config.json", 1),
    "utime": lambda d: os.utime(d / "config.json", (1, 1)),
    "setxattr": lambda d: os.setxattr(d / "config.json", "user.x", b"1"),
    "removexattr": lambda d: os.removexattr(d / "config.json", "user.castool.sha256"),
    "unlink a generated file": lambda d: os.unlink(d.parent.parent / "config.json"),
    "make a model": lambda d: os.mkdir(d.parent / "new"),
}


def test_every_write_is_refused(pulled, hub, castool, mountpoint):
    castool.run("mount", mountpoint)
    before = checks.snapshot(castool.store)
    for what, write in WRITES.items():
        with pytest.raises(OSError) as refused:
            write(mountpoint / "acme/small")
        assert refused.value.errno == errno.EROFS, (what, refused.value)
    checks.assert_same_tree(mountpoint / "acme/small", pulled["acme/small"], hub)
    assert checks.snapshot(castool.store) == before


def listed_models(mountpoint):
    config = json.loads((mountpoint / "config.json").read_text())
    return [entry["config"]["name"] for entry in config["model_config_list"]]


def test_the_view_follows_pull_and_rm(pulled, hub, castool, mountpoint):
    castool.run("mount", mountpoint)
    hub.add_repository("acme/a-late", models.openvino_repository(seed=5))
    # New models come last, also when its name sorts first and the pulls share a second.
    open_file = os.open(mountpoint / "acme/small/weights.bin", os.O_RDONLY)
    try:
        castool.run("pull", "acme/a-late")
        harness.wait_until(lambda: (mountpoint / "acme/a-late/openvino_model.bin").exists()
                           and listed_models(mountpoint)[-1] == "acme/a-late", SOON, "new model")
        castool.run("rm", "acme/small", "acme/a-late")
        harness.wait_until(lambda: os.listdir(mountpoint / "acme") == ["chat"]
                           and listed_models(mountpoint)[-1] != "acme/a-late", SOON, "removal")
        # The kernel may remember a name for part of the second that the view has.
        harness.wait_until(lambda: not (mountpoint / "acme/small/weights.bin").exists(), SOON,
                           "end of the removed file")
        expected = pulled["acme/small"]["weights.bin"]
        assert os.fstat(open_file).st_size == len(expected)
        assert os.pread(open_file, len(expected), 0) == expected
    finally:
        os.close(open_file)
    castool.run("rm", "acme/chat")
    harness.wait_until(lambda: sorted(os.listdir(mountpoint)) == ["config.json", "library"],
                       SOON, "end of the empty directory")


def test_a_reader_of_the_old_revision_keeps_it(hub, castool, mountpoint):
    old, new = models.noise(2 * MIB, 1), models.noise(2 * MIB + 1, 2)
    hub.add_repository("acme/m", {"weights.bin": old, "same.txt": "same"})
    castool.run("pull", "acme/m")
    castool.run("mount", mountpoint)
    path = mountpoint / "acme/m/weights.bin"
    same = os.stat(mountpoint / "acme/m/same.txt").st_ino
    with open(path, "rb") as reader:
        inode = os.fstat(reader.fileno()).st_ino
        assert reader.read(MIB) == old[:MIB]
        hub.add_repository("acme/m", {"weights.bin": new, "same.txt": "same"})
        castool.run("pull", "acme/m")
        harness.wait_until(lambda: path.stat().st_size == len(new), SOON, "new revision")
        assert path.read_bytes() == new
        assert reader.read() == old[MIB:]
        assert path.stat().st_ino != inode  # a changed file is another inode
    assert (mountpoint / "acme/m/same.txt").read_text() == "same"
    assert os.stat(mountpoint / "acme/m/same.txt").st_ino == same  # and this is the same one


def test_many_files_in_one_directory(hub, castool, mountpoint):
    files = {f"file-{i:05}-{'x' * (i % 90)}.json": str(i) for i in range(1500)}
    hub.settings(lfs_threshold=1 << 40)
    hub.add_repository("acme/m", files)
    castool.run("pull", "acme/m")
    castool.run("mount", mountpoint)
    for _ in range(2):
        assert sorted(os.listdir(mountpoint / "acme/m")) == sorted(files)
    checks.assert_same_tree(mountpoint / "acme/m", files)


def test_a_large_file_is_read_whole(hub, castool, mountpoint, tmp_path):
    source = Synthetic(checks.scaled(192 * MIB) + 777, 8)
    hub.add_repository("acme/m", {"weights.bin": source})
    castool.run("pull", "acme/m")
    castool.run("mount", mountpoint)
    checks.assert_same_file(mountpoint / "acme/m/weights.bin", source, hub)
    shutil.copyfile(mountpoint / "acme/m/weights.bin", tmp_path / "copy")
    checks.assert_same_file(tmp_path / "copy", source, hub)
    subprocess.run(["dd", f"if={mountpoint}/acme/m/weights.bin", f"of={tmp_path}/direct",
                    "bs=1M", "iflag=direct"], check=True, stderr=subprocess.DEVNULL)
    checks.assert_same_file(tmp_path / "direct", source, hub)


def test_the_mount_in_the_table(castool, mountpoint):
    castool.run("mount", mountpoint)
    line = mount_line(mountpoint)
    assert line[0] == str(castool.store) and line[2] == "fuse.castool"
    options = set(line[3].split(","))
    assert {"rw", "nosuid", "nodev", "default_permissions"} <= options
    assert ("allow_other" in options) == (os.geteuid() == 0)
