"""export: plain files and layouts, whole or not at all."""

import json
import os

import pytest

import checks
import models
from hub import Synthetic

MIB = 1 << 20


@pytest.fixture
def pulled(hub, castool):
    gguf = models.gguf(tensor_bytes=MIB)
    chat = models.openvino_repository()
    hub.add_repository("acme/chat", chat)
    manifest, blobs = models.registry_model(gguf)
    hub.add_model("library/tiny:latest", manifest, blobs)
    castool.run("pull", "-q", "acme/chat", "tiny")
    return {"chat": chat, "gguf": gguf, "manifest": manifest, "blobs": blobs}


def test_plain_files(hub, castool, pulled, tmp_path):
    target = tmp_path / "new" / "chat"
    castool.run("export", "acme/chat", target)
    checks.assert_same_tree(target, pulled["chat"], hub)
    assert os.listdir(tmp_path / "new") == ["chat"]
    castool.run("export", "acme/chat", target, status=64)
    (tmp_path / "empty").mkdir()
    (done,) = castool.run("export", "--json", "tiny", tmp_path / "empty").json
    assert done["status"] == "success"
    assert (tmp_path / "empty/tiny-latest.gguf").read_bytes() == pulled["gguf"]
    assert (tmp_path / "empty/manifest.json").read_bytes() == pulled["manifest"]


def test_layouts_are_what_a_mount_shows(hub, castool, pulled, tmp_path):
    castool.run("export", "--layout", "ovms", "acme/chat", tmp_path / "ovms")
    checks.assert_same_tree(tmp_path / "ovms/acme/chat", pulled["chat"], hub, ["graph.pbtxt"])
    (entry,) = json.loads((tmp_path / "ovms/config.json").read_text())["model_config_list"]
    assert entry["config"] == {"name": "acme/chat", "base_path": "acme/chat"}
    castool.run("export", "--layout", "ollama", "tiny", tmp_path / "ollama")
    blobs = {"sha256-" + checks.digest_of(blob)[7:]: blob for blob in pulled["blobs"]}
    checks.assert_same_tree(tmp_path / "ollama/blobs", blobs)
    manifest = tmp_path / "ollama/manifests/registry.ollama.ai/library/tiny/latest"
    assert manifest.read_bytes() == pulled["manifest"]


def test_a_cache_of_the_hub(hub, castool, pulled, tmp_path):
    castool.run("export", "--layout", "hf", "acme/chat", tmp_path / "hf")
    model = tmp_path / "hf/models--acme--chat"
    commit = (model / "refs/main").read_text()
    checks.assert_same_tree(model / "snapshots" / commit, pulled["chat"], hub)
    assert os.readlink(model / "snapshots" / commit / "openvino_model.bin").startswith("../../blobs/")


def test_links_pin_what_they_lead_to(hub, castool, pulled, tmp_path):
    castool.run("export", "--link", "symlink", "acme/chat", tmp_path / "links")
    checks.assert_same_tree(tmp_path / "links", pulled["chat"], hub)
    link = os.readlink(tmp_path / "links/openvino_model.bin")
    assert link.startswith(str(castool.store / "blobs/sha256"))
    assert castool.run("show", "--json", "acme/chat").json[0]["pinned"] is True


def test_nothing_appears_of_what_is_not_whole(hub, castool, tmp_path):
    files = {"config.json": "{}", "big.bin": Synthetic(40 * MIB)}
    hub.add_repository("acme/lazy", files)
    castool.run("pull", "--lazy", "acme/lazy")
    castool.run("export", "acme/lazy", tmp_path / "x", status=66)
    assert not (tmp_path / "x").exists() and not list(tmp_path.glob(".x*"))


def test_rot_is_not_copied_and_a_killed_run_is_cleared_away(hub, castool, pulled, tmp_path):
    left = tmp_path / ".chat.castool-new"
    (left / "half").mkdir(parents=True)
    (left / "half/file").write_text("of a run that was killed")
    castool.run("export", "acme/chat", tmp_path / "chat")
    checks.assert_same_tree(tmp_path / "chat", pulled["chat"], hub)
    assert not left.exists()
    digest = checks.digest_of(pulled["chat"]["openvino_tokenizer.bin"])[7:]
    blob = castool.store / "blobs/sha256" / digest[:2] / digest
    blob.chmod(0o644)
    with open(blob, "r+b") as file:
        file.write(b"rotten")
    castool.run("export", "acme/chat", tmp_path / "rotten", status=65)
    assert not (tmp_path / "rotten").exists() and not list(tmp_path.glob(".rotten*"))
