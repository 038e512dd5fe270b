"""Does to a model directory what OVMS 2026.3 does: the same opens, flags, stats, maps and polling.

Facts: docs/semantics.md "How OVMS reads a model directory". It loads nothing: bytes are what matters.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import pathlib
import re

# Keys that OVMS's schema allows in an entry of model_config_list; one other refuses the whole file.
CONFIG_KEYS = {"name", "base_path", "batch_size", "graph_path", "subconfig", "model_version_policy",
               "shape", "layout", "nireq", "target_device", "allow_cache", "plugin_config",
               "custom_loader_options"}
# What is stat'ed or opened when a graph is loaded, in this order.
LOOKED_FOR = ["openvino_talker_model.xml", "openvino_text_embeddings_model.xml",
              "openvino_vision_embeddings_model.bin", "generation_config.json",
              "openvino_model.xml", "openvino_language_model.xml", "openvino_tokenizer.xml",
              "openvino_detokenizer.xml", "tokenizer_config.json", "chat_template.jinja",
              "additional_chat_templates/tool_use.jinja", "config.json", "1_Pooling/config.json",
              "voices", "model_index.json"]


CALCULATORS = {"HttpLLMCalculator", "EmbeddingsCalculatorOV", "RerankCalculatorOV",
               "ImageGenCalculator", "T2sCalculator", "S2tCalculator"}


def map_weights(path: pathlib.Path) -> bytes:
    """An IR's .bin: mapped privately to read."""
    handle = os.open(path, os.O_RDONLY)
    with mmap.mmap(handle, 0, mmap.MAP_PRIVATE, mmap.PROT_READ) as memory:
        os.close(handle)
        return hashlib.sha256(memory).digest()


def map_gguf(path: pathlib.Path) -> bytes:
    """A GGUF: opened to write and mapped shared and writable, though nothing is written."""
    handle = os.open(path, os.O_RDWR | os.O_APPEND)
    size = os.fstat(handle).st_size
    with mmap.mmap(handle, size, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE) as memory:
        os.close(handle)
        assert memory[:4] == b"GGUF", path
        return hashlib.sha256(memory).digest()


class OvmsReader:
    """`top` is the directory of config.json."""

    def __init__(self, top: pathlib.Path) -> None:
        self.top = pathlib.Path(top)
        self.config_digest = b""

    def poll(self) -> bool:
        """One tick of the watcher: whether config.json has changed. Classic models are listed."""
        text = (self.top / "config.json").read_bytes()
        digest = hashlib.md5(text).digest()
        changed = digest != self.config_digest
        self.config_digest = digest
        for name, base in self.served().items():
            if (base / "graph.pbtxt").exists():
                continue
            try:
                self.versions(base)
            except FileNotFoundError:  # it goes and is no longer listed at the same time
                assert name not in self.served(), name
        return changed

    def served(self) -> dict[str, pathlib.Path]:
        """{name: directory}, in the order of the file; AssertionError for what OVMS refuses."""
        config = json.loads((self.top / "config.json").read_text())
        models = {}
        for entry in config["model_config_list"]:
            assert set(entry) == {"config"}
            assert set(entry["config"]) <= CONFIG_KEYS
            base = entry["config"]["base_path"]
            assert not base.startswith("../") and "/../" not in base and not base.endswith("/..")
            assert entry["config"]["name"] not in models
            models[entry["config"]["name"]] = self.top / base
        return models

    @staticmethod
    def versions(base: pathlib.Path) -> list[int]:
        return sorted(int(name) for name in os.listdir(base)
                      if name.isdigit() and int(name) > 0 and (base / name).is_dir())

    def load(self, base: pathlib.Path) -> dict[str, bytes]:
        """Everything that loading a model reads: {path: digest of its bytes}."""
        if (base / "graph.pbtxt").exists() or (base / "1/graph.pbtxt").exists():
            return self.load_graph(base)
        found = {}
        versions = self.versions(base)
        assert versions, f"No version found for model in path {base}"
        for version in versions:
            for path in sorted((base / str(version)).iterdir()):
                weights = path.suffix == ".bin"
                found[str(path.relative_to(base))] = (
                    map_weights(path) if weights else hashlib.sha256(path.read_bytes()).digest())
        return found

    def load_graph(self, base: pathlib.Path) -> dict[str, bytes]:
        """As load(); what the graph names has to be there."""
        # Several times; then a fallback for the subconfig, the repository's own config.json.
        texts = {(base / "graph.pbtxt").read_text() for _ in range(3)}
        assert len(texts) == 1
        graph = texts.pop()
        (base / "subconfig.json").exists()
        found = {"graph.pbtxt": hashlib.sha256(graph.encode()).digest()}
        for name in LOOKED_FOR:
            path = base / name
            if path.is_dir():
                for below in sorted(path.iterdir()):
                    found[f"{name}/{below.name}"] = map_weights(below)
            elif path.exists():
                found[name] = hashlib.sha256(path.read_bytes()).digest()
        assert re.search(r'\bcalculator:\s*"(\w+)"', graph).group(1) in CALCULATORS
        models = re.search(r'[^_]models_path:\s*"([^"]*)"', graph).group(1)
        if models.endswith(".gguf"):
            part = re.compile(re.escape(models).replace("00001", r"\d{5}", 1).removeprefix(r"\./"))
            for name in sorted(filter(part.fullmatch, os.listdir(base))):
                found[name] = map_gguf(base / name)
        else:
            assert (base / models).is_dir()
        # A draft model is loaded like the model; an adapter is read whole.
        for draft in re.findall(r'draft_models_path:\s*"([^"]*)"', graph):
            assert (base / draft / "openvino_model.xml").is_file()
            for path in sorted((base / draft).rglob("*.xml")):
                found[str(path.relative_to(base))] = hashlib.sha256(path.read_bytes()).digest()
        for adapter in re.findall(r'\bpath:\s*"([^"]*\.safetensors)"', graph):
            found[adapter] = hashlib.sha256((base / adapter).read_bytes()).digest()
        for path in sorted(base.rglob("*.bin")):
            found[str(path.relative_to(base))] = map_weights(path)
        return found

    def pull_and_start(self, base: pathlib.Path, graph: str) -> None:
        """--source_model on a directory that is there: the graph is always written anew."""
        assert base.is_dir()
        base.with_name(base.name + ".lfswip").exists()
        (base / ".git").exists()
        with open(base / "graph.pbtxt", "w", encoding="utf-8") as file:
            file.write(graph)
        assert (base / "graph.pbtxt").read_text() == graph
