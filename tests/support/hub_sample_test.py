"""The sample models and the makers of models are what they claim to be."""

from __future__ import annotations

import hashlib
import struct
import subprocess
import urllib.parse

import models
import pytest
from hub import Hub
from hub_testing import follow


def parse_gguf(data):
    """Reads a GGUF strictly: ({key: value}, [(name, offset, size in bytes)], start of the data)."""
    position = 0

    def take(form):
        nonlocal position
        values = struct.unpack_from("<" + form, data, position)
        position += struct.calcsize("<" + form)
        return values[0]

    def text():
        nonlocal position
        size = take("Q")
        position += size
        return data[position - size : position].decode()

    scalars = {4: "I", 5: "i", 6: "f", 7: "?", 10: "Q"}

    def value(kind):
        if kind == 8:
            return text()
        if kind == 9:
            inner, count = take("I"), take("Q")
            return [value(inner) for _ in range(count)]
        return take(scalars[kind])

    assert data[:4] == b"GGUF"
    position = 4
    assert take("I") == 3
    tensor_count, pair_count = take("Q"), take("Q")
    pairs = {}
    for _ in range(pair_count):
        key = text()
        pairs[key] = value(take("I"))
    tensors = []
    for _ in range(tensor_count):
        name = text()
        count = 1
        for _ in range(take("I")):
            count *= take("Q")
        assert take("I") == 0  # F32
        tensors.append((name, take("Q"), 4 * count))
    alignment = pairs["general.alignment"]
    return pairs, tensors, (position + alignment - 1) // alignment * alignment


@pytest.mark.parametrize("make", ["sample", "models"])
def test_gguf_is_valid(hub, make):
    if make == "sample":
        data = follow(hub, "/sample/tiny-gguf/resolve/main/tiny-F32.gguf").body
        assert 1 << 20 < len(data) < 8 << 20
    else:
        data = models.gguf("name", tensor_bytes=4096)
    pairs, tensors, start = parse_gguf(data)
    assert pairs["general.architecture"] == "llama" and pairs["general.name"]
    assert "tokenizer.ggml.tokens" in pairs and tensors
    end = 0
    for _, offset, size in tensors:
        assert offset % 32 == 0 and offset >= end
        end = offset + size
    assert start + end <= len(data) < start + end + 32


def test_sample_registry_model_shares_the_gguf(hub):
    manifest = hub.get("/v2/library/tiny/manifests/latest").json()
    blobs = [manifest["config"], *manifest["layers"]]
    for blob in blobs:
        data = follow(hub, f"/v2/library/tiny/blobs/{blob['digest']}").body
        assert len(data) == blob["size"]
        assert "sha256:" + hashlib.sha256(data).hexdigest() == blob["digest"]
    kinds = [layer["mediaType"].rsplit(".", 1)[1] for layer in manifest["layers"]]
    assert kinds == ["model", "template", "params", "license"]
    tree = hub.get("/api/models/sample/tiny-gguf/tree/main").json()
    lfs = next(entry["lfs"]["oid"] for entry in tree if entry["path"] == "tiny-F32.gguf")
    assert manifest["layers"][0]["digest"] == f"sha256:{lfs}"


def test_sample_ir_repository(hub):
    tree = hub.get("/api/models/sample/tiny-ir/tree/main?recursive=true").json()
    files = {entry["path"]: entry for entry in tree if entry["type"] == "file"}
    assert {"openvino_model.xml", "openvino_model.bin", "openvino_tokenizer.xml", "config.json",
            "generation_config.json", "README.md", "assets/notes/100% #1.txt"} <= set(files)
    assert any(entry["size"] == 0 for entry in files.values())
    for path, entry in files.items():
        data = follow(hub, f"/sample/tiny-ir/resolve/main/{urllib.parse.quote(path)}").body
        assert len(data) == entry["size"]
        if "lfs" in entry:
            assert hashlib.sha256(data).hexdigest() == entry["lfs"]["oid"]
        else:
            assert hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest() == entry["oid"]


def test_sample_on_disk_is_the_same(hub, tmp_path):
    subprocess.run([hub.program, "--write-sample", str(tmp_path)], check=True)
    with Hub(root=tmp_path) as copy:
        for name in ("tiny-gguf", "tiny-ir"):
            target = f"/api/models/sample/{name}"
            assert copy.get(target).json()["sha"] == hub.get(target).json()["sha"]
        target = "/v2/library/tiny/manifests/latest"
        assert copy.get(target).body == hub.get(target).body


def test_big_repository_has_what_it_says():
    files = models.big_repository(1 << 20)
    assert len(files) == 300
    assert b"" in files.values() and any("#" in path for path in files)
