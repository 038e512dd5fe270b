"""HF_HUB_CACHE pointed at the mount, read by the real huggingface_hub without a network."""

import hashlib
import json
import os

import pytest

import checks
import clients
import models
from harness import wait_until

MIB = 1 << 20
FILES = {"README.md": "# m\n", "config.json": "{}", "sub/dir/notes.txt": "nested\n",
         "model.safetensors": models.noise(2 * MIB), "empty": b""}

PROGRAM = """
import json, os, sys
import huggingface_hub as hub
name, revision = sys.argv[1], sys.argv[2]
folder = hub.snapshot_download(name, revision=revision)
files = {}
for place, _, names in os.walk(folder):
    for one in names:
        path = os.path.join(place, one)
        files[os.path.relpath(path, folder)] = open(path, "rb").read().hex()
single = hub.hf_hub_download(name, "config.json", revision=revision)
cached = hub.try_to_load_from_cache(name, "sub/dir/notes.txt", revision=revision)
scan = hub.scan_cache_dir()
try:
    hub.hf_hub_download(name, "missing.txt", revision=revision)
    missing = "found"
except Exception as error:
    missing = type(error).__name__
print(json.dumps({"folder": folder, "files": files, "single": single, "cached": cached,
                  "missing": missing, "warnings": [str(w) for w in scan.warnings],
                  "repos": {repo.repo_id: sorted(ref for r in repo.revisions for ref in r.refs)
                            for repo in scan.repos}}))
"""


def ask(top, tmp_path, name, revision):
    return json.loads(clients.run("-c", PROGRAM, name, revision, HF_HUB_CACHE=str(top),
                                  HF_HOME=str(tmp_path / "home"), HF_HUB_OFFLINE="1",
                                  HF_HUB_DISABLE_TELEMETRY="1"))


def test_huggingface_hub_reads_it_offline(hub, castool, mountpoint, tmp_path):
    clients.need("huggingface_hub")
    hub.add_repository("acme/m", FILES)
    hub.add_repository("acme/lazy", {"config.json": "{}", "sub/dir/notes.txt": "x",
                                     "w.bin": models.noise(3 * MIB)})
    castool.run("pull", "-q", "acme/m")
    castool.run("pull", "-q", "--lazy", "acme/lazy")
    castool.run("mount", "--layout", "hf", mountpoint)
    said = ask(mountpoint, tmp_path, "acme/m", "main")
    assert {path: bytes.fromhex(text) for path, text in said["files"].items()} == \
        {path: checks.content(source) for path, source in FILES.items()}
    commit = castool.run("show", "--json", "acme/m").json[0]["revision"]
    assert said["folder"] == str(mountpoint / "models--acme--m/snapshots" / commit)
    assert said["single"] == said["folder"] + "/config.json"
    assert said["cached"] == said["folder"] + "/sub/dir/notes.txt"
    assert said["missing"] == "LocalEntryNotFoundError"
    assert said["warnings"] == []
    assert said["repos"] == {"acme/lazy": ["main"], "acme/m": ["main"]}
    assert ask(mountpoint, tmp_path, "acme/m", commit)["folder"] == said["folder"]
    assert ask(mountpoint, tmp_path, "acme/lazy", "main")["files"]["w.bin"] == \
        models.noise(3 * MIB).hex()


def test_two_revisions_of_one_repository(hub, castool, mountpoint, tmp_path):
    """Refs of one repository share its directory, as in a cache of the client's own."""
    clients.need("huggingface_hub")
    later = {"config.json": '{"v": 2}', "sub/dir/notes.txt": "nested\n", "new.txt": "new\n"}
    commits = {"main": hub.add_repository("acme/m", FILES),
               "v2.0": hub.add_repository("acme/m", later, revision="v2.0")}
    castool.run("pull", "-q", "acme/m")
    castool.run("mount", "--layout", "hf", mountpoint)
    castool.run("pull", "-q", "--lazy", "--name", "mine/second", "acme/m@v2.0")
    top = mountpoint / "models--acme--m"
    wait_until(lambda: (top / "refs/v2.0").exists(), 60, "the second revision")
    for revision, files in [("main", FILES), ("v2.0", later)]:
        for asked in (revision, commits[revision]):
            said = ask(mountpoint, tmp_path, "acme/m", asked)
            assert said["folder"] == str(top / "snapshots" / commits[revision])
            assert said["single"] == said["folder"] + "/config.json"
            assert {path: bytes.fromhex(text) for path, text in said["files"].items()} == \
                {path: checks.content(source) for path, source in files.items()}
            assert said["warnings"] == [] and said["repos"] == {"acme/m": ["main", "v2.0"]}
    castool.run("rm", "acme/m")
    wait_until(lambda: not (top / "refs/main").exists(), 60, "the end of the first")
    assert ask(mountpoint, tmp_path, "acme/m", "v2.0")["repos"] == {"acme/m": ["v2.0"]}


def test_the_shape_of_the_cache(hub, castool, mountpoint):
    hub.add_repository("acme/m", FILES)
    castool.run("pull", "-q", "acme/m")
    manifest, blobs = models.registry_model()
    hub.add_model("library/tiny:latest", manifest, blobs)
    castool.run("pull", "-q", "tiny")
    castool.run("mount", "--layout", "hf", mountpoint)
    assert os.listdir(mountpoint) == ["models--acme--m"]
    top = mountpoint / "models--acme--m"
    assert sorted(os.listdir(top)) == ["blobs", "refs", "snapshots"]
    commit = (top / "refs/main").read_bytes().decode()
    assert len(commit) == 40
    snapshot = top / "snapshots" / commit
    target = os.readlink(snapshot / "sub/dir/notes.txt")
    text = FILES["sub/dir/notes.txt"].encode()
    git_id = hashlib.sha1(b"blob %d\0%s" % (len(text), text)).hexdigest()
    assert target == f"../../../../blobs/{git_id}"
    assert os.lstat(snapshot / "sub/dir/notes.txt").st_size == len(target)
    assert os.readlink(snapshot / "model.safetensors") == \
        "../../blobs/" + checks.digest_of(FILES["model.safetensors"])[7:]
    checks.assert_same_tree(snapshot, FILES)
    views = castool.run("show", "--json", "tiny").json[0]["views"]
    assert "left_out" in views["hf"]
    assert castool.run("show", "--json", "acme/m").json[0]["views"]["hf"] == "models--acme--m"


@pytest.mark.parametrize("revision", ["v1.0", "refs/pr/1"])
def test_a_revision_stands_under_its_name(revision, hub, castool, mountpoint, tmp_path):
    hub.add_repository("acme/m", FILES)
    commit = hub.add_repository("acme/m", {"config.json": "{}", "new.txt": revision},
                                revision=revision)
    castool.run("pull", "-q", f"acme/m@{revision}")
    castool.run("mount", "--layout", "hf", mountpoint)
    top = mountpoint / "models--acme--m"
    assert (top / "refs" / revision).read_bytes() == commit.encode()
    assert not (top / "refs/main").exists()
    checks.assert_same_tree(top / "snapshots" / commit,
                            {"config.json": "{}", "new.txt": revision})
    # Then main, by the same name; a commit needs no name.
    castool.run("pull", "-q", "acme/m")
    wait_until(lambda: (top / "refs/main").exists(), 60, "main")
    assert not (top / "refs" / revision).exists()
    castool.run("pull", "-q", f"acme/m@{commit}")
    wait_until(lambda: os.listdir(top / "snapshots") == [commit], 60, "the commit")
    assert sorted(os.listdir(top)) == ["blobs", "snapshots"]


def test_all_layouts_in_one_mount(hub, castool, mountpoint):
    hub.add_repository("acme/chat", models.openvino_repository(100_000))
    manifest, blobs = models.registry_model()
    castool.run("mount", "--layout", "all", mountpoint)
    assert sorted(os.listdir(mountpoint)) == ["hf", "ollama", "ovms"]
    assert sorted(os.listdir(mountpoint / "ollama")) == ["blobs", "manifests"]
    hub.add_model("library/tiny:latest", manifest, blobs)
    castool.run("pull", "-q", "acme/chat")
    castool.run("pull", "-q", "tiny")
    wait_until(lambda: (mountpoint / "hf/models--acme--chat/refs/main").exists(), 60, "hf")
    config = mountpoint / "ovms/config.json"
    wait_until(lambda: len(json.loads(config.read_text())["model_config_list"]) == 2, 60, "ovms")
    assert (mountpoint / "ovms/acme/chat/graph.pbtxt").exists()
    tiny = mountpoint / "ollama/manifests/registry.ollama.ai/library/tiny/latest"
    wait_until(tiny.exists, 60, "ollama")
    assert tiny.read_bytes() == manifest
