"""Models for tests: repositories as {path: bytes or Synthetic}, registry models, GGUF bytes.

Everything is deterministic. Standard library only.
"""

from __future__ import annotations

import hashlib
import json
import random
import struct
from typing import Any

from hub import FileSource, Synthetic

__all__ = [
    "ODD_NAMES", "big_repository", "gguf", "many_files", "noise", "openvino_repository",
    "registry_model", "small_repository",
]

# Names that are legal on the Hub and have to be encoded, or look like something else.
ODD_NAMES = [
    "a file with spaces.txt",
    "100% #1?.txt",
    "%41 is not A.txt",
    "plus+and&amp;.json",
    "quotes\"and'.txt",
    "über/naïve-файл-模型.txt",
    "-starts-with-a-dash",
    "trailing.dot.",
    "semi;colon=equals@at.txt",
]


def noise(size: int, seed: int = 1) -> bytes:
    """`size` bytes that do not compress."""
    return random.Random(seed).randbytes(size)


def gguf(name: str = "test", *, tensor_bytes: int = 1 << 16, seed: int = 1) -> bytes:
    """A valid GGUF (version 3) of one F32 tensor; `tensor_bytes` is rounded to 32."""

    def text(value: str) -> bytes:
        return struct.pack("<Q", len(value.encode())) + value.encode()

    def pair(key: str, kind: int, value: bytes) -> bytes:
        return text(key) + struct.pack("<I", kind) + value

    tokens = ["<unk>", "<s>", "</s>", "word"]
    pairs = [
        pair("general.architecture", 8, text("llama")),
        pair("general.name", 8, text(name)),
        pair("general.alignment", 4, struct.pack("<I", 32)),
        pair("llama.context_length", 4, struct.pack("<I", 128)),
        pair("llama.embedding_length", 4, struct.pack("<I", 8)),
        pair("llama.block_count", 4, struct.pack("<I", 0)),
        pair("tokenizer.ggml.model", 8, text("llama")),
        pair("tokenizer.ggml.tokens", 9,
             struct.pack("<IQ", 8, len(tokens)) + b"".join(map(text, tokens))),
    ]
    tensor_bytes = (tensor_bytes + 31) // 32 * 32
    tensor = text("token_embd.weight") + struct.pack("<IQQIQ", 2, 8, tensor_bytes // 32, 0, 0)
    head = b"GGUF" + struct.pack("<IQQ", 3, 1, len(pairs)) + b"".join(pairs) + tensor
    return head + bytes(-len(head) % 32) + noise(tensor_bytes, seed)


def small_repository(seed: int = 1) -> dict[str, FileSource]:
    """A few files of every kind: regular, LFS by name, nested, empty, oddly named."""
    files: dict[str, FileSource] = {
        "README.md": f"# small {seed}\n",
        "config.json": json.dumps({"architectures": ["LlamaForCausalLM"], "seed": seed}),
        "model.safetensors": noise(100_000, seed),
        "deep/er/and/deeper/notes.txt": "nested\n",
        "package/__init__.py": b"",
    }
    files.update({f"odd/{name}": name for name in ODD_NAMES})
    return files


def many_files(count: int = 300, *, size: int = 2048, seed: int = 1) -> dict[str, FileSource]:
    """`count` regular files of `size` bytes in nested directories."""
    return {f"part{i % 7}/layer{i % 3}/file{i:05}.json": noise(size, seed * count + i)
            for i in range(count)}


def big_repository(lfs_bytes: int = 1 << 30, *, seed: int = 1) -> dict[str, FileSource]:
    """300 files, nested directories, an empty file, odd names, one LFS file of `lfs_bytes`."""
    files = many_files(300 - len(small_repository()) - 1, seed=seed)
    files.update(small_repository(seed))
    files["weights/big.safetensors"] = Synthetic(lfs_bytes, seed)
    return files


def openvino_repository(model_bytes: int = 3_000_000, *, seed: int = 1) -> dict[str, FileSource]:
    """The files that OpenVINO's exporter leaves for text generation."""
    return {
        "README.md": "# a model\n",
        "config.json": json.dumps({"architectures": ["LlamaForCausalLM"], "model_type": "llama"}),
        "generation_config.json": json.dumps({"eos_token_id": 2}),
        "openvino_model.xml": _network("model"),
        "openvino_model.bin": Synthetic(model_bytes, seed),
        "openvino_tokenizer.xml": _network("tokenizer"),
        "openvino_tokenizer.bin": noise(50_000, seed + 1),
        "openvino_detokenizer.xml": _network("detokenizer"),
        "openvino_detokenizer.bin": noise(20_000, seed + 2),
    }


def registry_model(model: FileSource | None = None, *, model_digest: str = "", **changes: Any
                   ) -> tuple[bytes, list[FileSource]]:
    """Manifest bytes and blobs of an Ollama model, for Hub.add_model.

    `model` is the GGUF (a Synthetic needs `model_digest`, "sha256:..."); `changes` replace members
    of the manifest, to make it wrong.
    """
    model = gguf() if model is None else model
    config = json.dumps({"model_format": "gguf", "model_family": "llama",
                         "model_families": ["llama"], "model_type": "1M", "file_type": "F32",
                         "architecture": "amd64", "os": "linux"}).encode()
    layers: list[tuple[str, FileSource]] = [
        ("application/vnd.ollama.image.model", model),
        ("application/vnd.ollama.image.template", b"{{ .Prompt }}"),
        ("application/vnd.ollama.image.params", b'{"stop":["User:"]}'),
        ("application/vnd.ollama.image.license", b"Do as you please.\n"),
    ]

    def descriptor(media_type: str, source: FileSource) -> dict[str, Any]:
        if isinstance(source, Synthetic):
            return {"mediaType": media_type, "digest": model_digest, "size": source.size}
        data = source if isinstance(source, bytes) else _read(source)
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        return {"mediaType": media_type, "digest": digest, "size": len(data)}

    manifest: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": descriptor("application/vnd.docker.container.image.v1+json", config),
        "layers": [descriptor(media_type, source) for media_type, source in layers],
    }
    manifest.update(changes)
    data = json.dumps(manifest, separators=(",", ":")).encode()
    return data, [config, *(source for _, source in layers)]


def _network(name: str) -> str:
    return f'<?xml version="1.0"?>\n<net name="{name}" version="11"></net>\n'


def _read(source: Any) -> bytes:
    return source.encode() if isinstance(source, str) else source.read_bytes()
