"""Does to OLLAMA_MODELS what `ollama serve` of version 0.33 does at start, list, show and run.

Facts: docs/semantics.md "How Ollama reads its directory". An AssertionError or OSError is what stops it.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import pathlib
import re
import struct

BLOB_NAME = re.compile(r"^sha256-[0-9a-fA-F]{64}$")
NAME_PART = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}$")
IMAGE = "application/vnd.ollama.image."


class OllamaReader:
    def __init__(self, models: pathlib.Path) -> None:
        self.models = pathlib.Path(models)

    def start(self, prune: bool = False) -> None:
        """With `prune` as without OLLAMA_NOPRUNE=1: then an empty directory stops it."""
        for name in ("blobs", "manifests"):
            os.makedirs(self.models / name, exist_ok=True)
        for path in (self.models / "blobs").iterdir():
            os.lstat(path)
            assert not path.name.startswith("sha256:"), "it would be renamed"
        if not prune:
            return
        used = {layer["digest"].replace(":", "-") for _, manifest in self.manifests().values()
                for layer in (*manifest["layers"], manifest["config"])}
        for path in (self.models / "blobs").iterdir():
            assert BLOB_NAME.match(path.name) and path.name in used, f"{path} would be removed"
        for place, directories, files in os.walk(self.models / "manifests"):
            assert directories or files, f"{place}: an empty directory cannot be removed"

    def manifests(self) -> dict[str, tuple[bytes, dict]]:
        found = {}
        for path in sorted((self.models / "manifests").glob("*/*/*/*")):
            path.stat()  # one that fails makes the whole list fail
            if not path.is_file():
                continue
            host, namespace, model, tag = path.parts[-4:]
            assert all(NAME_PART.match(part) for part in (model, tag)), path
            text = path.read_bytes()
            found[f"{host}/{namespace}/{model}:{tag}"] = (text, json.loads(text))
        return found

    def blob(self, digest: str) -> pathlib.Path:
        name = digest.replace(":", "-")
        assert BLOB_NAME.match(name)
        return self.models / "blobs" / name

    def list(self) -> dict[str, dict]:
        """As /api/tags: {name: what it shows}."""
        shown = {}
        for name, (text, manifest) in self.manifests().items():
            config = json.loads(self.blob(manifest["config"]["digest"]).read_bytes())
            for layer in manifest["layers"]:
                if layer["mediaType"] == IMAGE + "template":
                    self.blob(layer["digest"]).read_text()
            shown[name] = {
                "digest": hashlib.sha256(text).hexdigest(),
                "size": manifest["config"]["size"] + sum(l["size"] for l in manifest["layers"]),
                "family": config["model_family"], "parameter_size": config["model_type"],
                "quantization_level": config["file_type"], "format": config["model_format"]}
        return shown

    def show(self, name: str) -> dict[str, bytes]:
        """The small layers whole, and of the GGUF its metadata."""
        _, manifest = self.manifests()[name]
        layers = {}
        for layer in manifest["layers"]:
            path = self.blob(layer["digest"])
            assert path.stat().st_size == layer["size"]
            kind = layer["mediaType"].removeprefix(IMAGE)
            if kind != "model":
                layers[kind] = path.read_bytes()
                continue
            with open(path, "rb", buffering=32 * 1024) as file:
                magic, version, _, pairs = struct.unpack("<4sIQQ", file.read(24))
                assert magic == b"GGUF" and version in (2, 3) and pairs < 1 << 16
        if "params" in layers:
            json.loads(layers["params"])
        return layers

    def run(self, name: str) -> bytes:
        """Loads the model: mapped whole to read. Gives the digest of its bytes."""
        _, manifest = self.manifests()[name]
        [model] = [l for l in manifest["layers"] if l["mediaType"] == IMAGE + "model"]
        handle = os.open(self.blob(model["digest"]), os.O_RDONLY)
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_SEQUENTIAL)
        size = os.fstat(handle).st_size
        flags = mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0)
        with mmap.mmap(handle, size, flags, mmap.PROT_READ) as memory:
            memory.madvise(mmap.MADV_WILLNEED)
            os.close(handle)
            return hashlib.sha256(memory).digest()
