"""What OVMS and Ollama do to their directories, done to the mount (tests/support/*_reader.py)."""

import hashlib
import json
import os

import pytest

import checks
import harness
import models
from hub import Synthetic
from ollama_reader import OllamaReader
from ovms_reader import OvmsReader

MIB = 1 << 20
GGUF = models.gguf(tensor_bytes=2 * MIB)
WEIGHTS = models.noise(2 * MIB, 4)
IR = '<?xml version="1.0"?>\n<net name="x" version="11"></net>\n'


def graph_of(calculator):
    return f'node: {{ calculator: "{calculator}" node_options: {{ models_path: "./" }} }}\n'


# One of each kind that OVMS serves; those that bring their graph stand for the tasks.
REPOSITORIES = {
    "acme/chat": models.openvino_repository(2 * MIB),
    "acme/embed": {"graph.pbtxt": graph_of("EmbeddingsCalculatorOV"), "openvino_model.xml": IR,
                   "openvino_model.bin": WEIGHTS, "1_Pooling/config.json": "{}"},
    "acme/rerank": {"graph.pbtxt": graph_of("RerankCalculatorOV"), "openvino_model.xml": IR,
                    "openvino_model.bin": WEIGHTS, "modules.json": "[]"},
    "acme/image": {"graph.pbtxt": graph_of("ImageGenCalculator"), "model_index.json": "{}",
                   "unet/openvino_model.bin": WEIGHTS, "vae_decoder/openvino_model.bin": WEIGHTS},
    "acme/speech": {"graph.pbtxt": graph_of("T2sCalculator"), "voices/anna.bin": WEIGHTS},
    "acme/listen": {"graph.pbtxt": graph_of("S2tCalculator"),
                    "openvino_encoder_model.bin": WEIGHTS},
    "acme/classic": {"1/model.xml": IR, "1/model.bin": WEIGHTS, "2/model.onnx": WEIGHTS},
    "acme/files": {"README.md": "nothing that OVMS serves"},
}


@pytest.fixture
def pulled(hub, castool):
    for name, files in REPOSITORIES.items():
        hub.add_repository(name, files)
    manifest, blobs = models.registry_model(GGUF)
    hub.add_model("library/tiny:latest", manifest, blobs)
    castool.run("pull", "-q", *REPOSITORIES)
    castool.run("pull", "-q", "tiny")


def digest_of(source, hub):
    return bytes.fromhex(checks.digest_of(source, hub)[7:])


@pytest.mark.parametrize("how", ["complete", "lazy"])
def test_ovms_serves_every_kind(hub, castool, mountpoint, how):
    for name, files in REPOSITORIES.items():
        hub.add_repository(name, files)
    manifest, blobs = models.registry_model(GGUF)
    hub.add_model("library/tiny:latest", manifest, blobs)
    lazy = ["--lazy"] if how == "lazy" else []
    castool.run("pull", "-q", *lazy, *REPOSITORIES)
    castool.run("pull", "-q", *lazy, "tiny")
    castool.run("mount", mountpoint)
    ovms = OvmsReader(mountpoint)
    assert ovms.poll()
    served = ovms.served()
    assert list(served) == [*(name for name in REPOSITORIES if name != "acme/files"),
                            "tiny:latest"]
    for name, base in served.items():
        read = ovms.load(base)
        files = REPOSITORIES.get(name, {"tiny-latest.gguf": GGUF})
        for path, digest in read.items():
            if path in files:
                assert digest == digest_of(files[path], hub), (name, path)
        large = [path for path in files if path.endswith((".bin", ".gguf"))]
        assert set(large) <= set(read), (name, read.keys())
    ovms.pull_and_start(mountpoint / "acme/chat", graph_of("HttpLLMCalculator"))
    assert not ovms.poll()


def ir(*names):
    """Models in OpenVINO's form, each with weights of its own."""
    files = {}
    for seed, name in enumerate(names, 20):
        files |= {f"{name}.xml": IR, f"{name}.bin": models.noise(300_000, seed)}
    return files


DRAFT = models.openvino_repository(200_000, seed=3)
ADAPTER = models.noise(5000, 8)
PARTS = {f"q-0000{n}-of-00002.gguf": models.gguf(tensor_bytes=MIB, seed=n) for n in (1, 2)}
# Of each task a repository as exported for it, options, and what more than its own files is read.
TASKS = {
    "text_generation": (models.openvino_repository(MIB), ["--draft_source_model", "acme/draft"],
                        {f"acme-draft/{path}": data for path, data in DRAFT.items()}),
    "embeddings": (ir("openvino_model", "openvino_tokenizer") | {
        "config.json": "{}", "modules.json": "[]", "1_Pooling/config.json": "{}"},
        ["--pooling", "LAST"], {}),
    "rerank": (ir("openvino_model", "openvino_tokenizer") | {"config.json": "{}"},
               ["--max_allowed_chunks", "5"], {}),
    "image_generation": (ir("unet/openvino_model", "vae_decoder/openvino_model",
                            "text_encoder/openvino_model") | {"model_index.json": "{}"},
                         ["--source_loras", "a=acme/lora"],
                         {"loras/acme/lora/w.safetensors": ADAPTER}),
    "text2speech": (ir("openvino_model") | {"voices/anna.bin": models.noise(1000, 9)}, [], {}),
    "speech2text": (ir("openvino_encoder_model", "openvino_decoder_model"), [], {}),
    "gguf": (PARTS, ["--gguf_filename", "q-00001-of-00002.gguf"], {}),
}


@pytest.mark.parametrize("how", ["complete", "lazy"])
def test_ovms_reads_each_task_with_the_graph_made_for_it(how, hub, castool, mountpoint):
    hub.add_repository("acme/draft", DRAFT)
    hub.add_repository("acme/lora", {"w.safetensors": ADAPTER})
    for task, (files, options, _) in TASKS.items():
        hub.add_repository(f"acme/{task}", files)
        if task != "gguf":
            options = [*options, "--task", task]
        castool.run("pull", "-q", *(["--lazy"] if how == "lazy" else []), "--source_model",
                    f"acme/{task}", "--model_name", f"served-{task}", *options)
    castool.run("mount", mountpoint)
    ovms = OvmsReader(mountpoint)
    assert ovms.poll()
    served = ovms.served()
    assert list(served) == [f"served-{task}" for task in TASKS]
    for task, (files, _, more) in TASKS.items():
        read = ovms.load(served[f"served-{task}"])
        for path, data in (files | more).items():
            if path in read:
                assert read[path] == digest_of(data, hub), (task, path)
        large = [path for path in files | more if path.endswith((".bin", ".gguf", ".safetensors"))]
        assert set(large) <= set(read), (task, sorted(read))
        ovms.pull_and_start(served[f"served-{task}"], "# written anew\n" + graph_of("X"))
    assert not ovms.poll()


def test_ovms_polls_while_models_come_and_go(pulled, hub, castool, mountpoint):
    castool.run("mount", mountpoint)
    ovms = OvmsReader(mountpoint)
    assert ovms.poll()
    before = (mountpoint / "config.json").read_bytes()
    facts = os.stat(mountpoint / "config.json")
    # Pulled again without a change, or told apart in nothing that it says: the same bytes.
    castool.run("pull", "-q", "acme/classic")
    for _ in range(20):
        assert not ovms.poll()
    after = os.stat(mountpoint / "config.json")
    assert (facts.st_ino, facts.st_size) == (after.st_ino, after.st_size)
    hub.add_repository("aaa/first", REPOSITORIES["acme/classic"])
    castool.run("pull", "-q", "aaa/first")
    harness.wait_until(lambda: ovms.poll(), 60, "the new model")
    assert list(ovms.served())[-1] == "aaa/first", "new ones last"
    castool.run("rm", "aaa/first")
    harness.wait_until(lambda: ovms.poll(), 60, "its removal")
    assert (mountpoint / "config.json").read_bytes() == before


@pytest.mark.parametrize("prune", [False, True])
def test_ollama_starts_lists_shows_and_runs(pulled, castool, mountpoint, prune):
    castool.run("mount", "--layout", "ollama", mountpoint)
    ollama = OllamaReader(mountpoint)
    ollama.start(prune)
    name = "registry.ollama.ai/library/tiny:latest"
    shown = ollama.list()
    assert shown[name]["family"] == "llama" and shown[name]["format"] == "gguf"
    assert ollama.show(name)["template"] == b"{{ .Prompt }}"
    assert ollama.run(name) == hashlib.sha256(GGUF).digest()


def test_ollama_starts_on_an_empty_store(castool, mountpoint):
    castool.run("mount", "--layout", "ollama", mountpoint)
    ollama = OllamaReader(mountpoint)
    ollama.start()
    assert ollama.list() == {}


def test_ollama_lists_while_models_come_and_go(pulled, hub, castool, mountpoint):
    castool.run("mount", "--layout", "ollama", mountpoint)
    ollama = OllamaReader(mountpoint)
    before = ollama.list()
    for turn in range(3):
        manifest, blobs = models.registry_model(models.gguf(seed=turn + 10))
        hub.add_model(f"library/new:{turn}", manifest, blobs)
        name = f"registry.ollama.ai/library/new:{turn}"
        castool.run("pull", "-q", f"new:{turn}")
        harness.wait_until(lambda: name in ollama.list(), 60, "a new model")
        ollama.start(prune=True)
        ollama.show(name)
        assert ollama.run(name) == hashlib.sha256(models.gguf(seed=turn + 10)).digest()
    castool.run("rm", *(f"new:{turn}" for turn in range(3)))
    harness.wait_until(lambda: ollama.list() == before, 60, "their removal")
    ollama.start(prune=True)


def test_a_lazy_model_of_ollama_waits_rather_than_fails(hub, castool, mountpoint):
    gguf = models.gguf(tensor_bytes=6 * MIB)
    manifest, blobs = models.registry_model(gguf)
    hub.add_model("library/lazy:latest", manifest, blobs)
    castool.run("pull", "-q", "--lazy", "lazy")
    castool.run("mount", "--layout", "ollama", mountpoint)
    hub.clear_log()
    ollama = OllamaReader(mountpoint)
    ollama.start(prune=True)
    name = "registry.ollama.ai/library/lazy:latest"
    assert ollama.list()[name]["size"] == sum(len(blob) for blob in blobs)
    ollama.show(name)
    assert ollama.run(name) == hashlib.sha256(gguf).digest()
