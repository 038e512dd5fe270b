"""A GGUF of the Hub as a model of Ollama, and the other way round: over one blob."""

import hashlib
import json
import os

import checks
import harness
import models
from ollama_reader import OllamaReader
from ovms_reader import OvmsReader

MIB = 1 << 20
GGUF = models.gguf(tensor_bytes=2 * MIB)
NAME = "hf.co/acme/Tiny-GGUF:Q8_0"


def test_a_gguf_of_the_hub_is_a_model_of_ollama(hub, castool, mountpoint):
    hub.add_repository("acme/Tiny-GGUF", {
        "README.md": "# t\n", "tiny-Q8_0.gguf": GGUF, "other.gguf": models.gguf("o", seed=3),
        "big-00001-of-00002.gguf": models.gguf("b", seed=4), "broken-Q4_0.gguf": b"no GGUF" * 9})
    castool.run("pull", "-q", "acme/Tiny-GGUF")
    castool.run("mount", "--layout", "ollama", mountpoint)
    ollama = OllamaReader(mountpoint)
    ollama.start(prune=True)
    shown = ollama.list()
    assert sorted(shown) == [NAME, "hf.co/acme/Tiny-GGUF:other.gguf"]
    assert shown[NAME]["family"] == "llama" and shown[NAME]["format"] == "gguf"
    assert shown[NAME]["parameter_size"] == "524K"
    ollama.show(NAME)
    assert ollama.run(NAME) == hashlib.sha256(GGUF).digest()
    assert checks.assert_blobs_are_right(castool.store)
    # What was made is in no store, and the same after a new mount.
    _, manifest = ollama.manifests()[NAME]
    config = manifest["config"]["digest"]
    assert not checks.blob_path(castool.store, config).exists()
    castool.run("umount", mountpoint)
    castool.run("mount", "--layout", "ollama", mountpoint)
    assert ollama.list() == shown
    views = castool.run("show", "--json", "acme/Tiny-GGUF").json[0]["views"]
    assert views["ollama"] == "manifests/hf.co/acme/Tiny-GGUF/other.gguf"


def test_why_a_gguf_is_left_out(hub, castool, mountpoint):
    hub.add_repository("acme/parts", {"big-00001-of-00002.gguf": GGUF})
    hub.add_repository("acme/broken", {"m.gguf": b"no GGUF" * 9})
    hub.add_repository("acme/none", {"README.md": "x"})
    hub.add_repository("acme/lazy", {"m.gguf": models.gguf(tensor_bytes=3 * MIB, seed=5)})
    castool.run("pull", "-q", "acme/parts", "acme/none", "acme/broken")
    castool.run("pull", "-q", "--lazy", "acme/lazy")

    def why(name):
        return castool.run("show", "--json", name).json[0]["views"]["ollama"]["left_out"]

    assert "several parts" in why("acme/parts")
    assert "no GGUF" in why("acme/none")
    assert why("acme/broken") == "m.gguf: GGUF: it is none"
    assert "not here" in why("acme/lazy")
    castool.run("mount", "--layout", "ollama", mountpoint)
    ollama = OllamaReader(mountpoint)
    assert ollama.list() == {}
    castool.run("pull", "-q", "acme/lazy")
    harness.wait_until(lambda: "hf.co/acme/lazy:m.gguf" in ollama.list(), 60, "what is complete")


def test_a_registrys_own_manifest_wins_and_the_blob_is_one(hub, castool, mountpoint):
    manifest, blobs = models.registry_model(GGUF)
    hub.add_repository("acme/Tiny-GGUF", {"tiny-Q8_0.gguf": GGUF})
    hub.add_model("acme/Tiny-GGUF:Q8_0", manifest, blobs)
    castool.run("pull", "-q", "hf://acme/Tiny-GGUF")
    castool.run("mount", "--layout", "all", mountpoint)
    ollama = OllamaReader(mountpoint / "ollama")
    assert ollama.manifests()[NAME][0] != manifest
    hub.clear_log()
    castool.run("pull", "-q", NAME)
    harness.wait_until(lambda: ollama.manifests()[NAME][0] == manifest, 60, "the registry's own")
    gguf = checks.digest_of(GGUF)
    stored = [path for path in castool.store.glob("blobs/sha256/??/*")
              if path.stat().st_size == len(GGUF)]
    assert stored == [checks.blob_path(castool.store, gguf)]
    assert ollama.run(NAME) == hashlib.sha256(GGUF).digest()
    # And to OVMS the registry's model is one with a graph.
    ovms = OvmsReader(mountpoint / "ovms")
    read = ovms.load(ovms.served()["hf.co/acme/Tiny-GGUF:Q8_0"])
    assert read["Tiny-GGUF-Q8_0.gguf"] == hashlib.sha256(GGUF).digest()
    assert json.loads((mountpoint / "ovms/config.json").read_text())
    assert os.listdir(mountpoint / "hf") == ["models--acme--Tiny-GGUF"]
