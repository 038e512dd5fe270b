"""Conversion with stand-ins for optimum-cli and convert_tokenizer that record what they are given.

Where CASTOOL_OPTIMUM names a virtual environment with optimum-intel[openvino], with the real ones too.
"""

import json
import os
import pathlib
import signal
import subprocess

import pytest

import clients
import harness

STAND_IN = """#!/usr/bin/env python3
import json, os, pathlib, sys, time
out = pathlib.Path(os.environ["RECORD"])
cache = pathlib.Path(os.environ["HF_HUB_CACHE"])
name = os.path.basename(sys.argv[0])
seen = {str(p.relative_to(cache)): p.read_text() for p in sorted(cache.rglob("*")) if p.is_file()}
with open(out, "a") as record:
    record.write(json.dumps({"words": [name, *sys.argv[1:]], "cache": seen,
                             "environment": dict(os.environ)}) + "\\n")
mode = os.environ.get("MODE", "")
if mode == "fail":
    (pathlib.Path(os.environ["TMPDIR"]) / "left").touch()
    sys.exit("the weights are too heavy")
if mode == "wait":
    time.sleep(600)
gate = os.environ.get("GATE")
while gate and not os.path.exists(gate):
    time.sleep(0.01)
assert all(p.read_text() == seen[str(p.relative_to(cache))] for p in cache.rglob("*.*") if not p.is_dir())
target = pathlib.Path(sys.argv[-1])
target.mkdir(exist_ok=True)
print("converting")
if name == "optimum-cli":
    (target / "openvino_model.xml").write_text("<net/>")
    (target / "openvino_model.bin").write_bytes(b"converted")
    (target / "sub").mkdir()
    (target / "sub/config.json").write_text("{}")
else:
    (target / "openvino_tokenizer.xml").write_text("<tok/>")
"""


@pytest.fixture
def record(castool, tmp_path):
    """The stand-ins on PATH; what they were called with."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("optimum-cli", "convert_tokenizer"):
        (folder / name).write_text(STAND_IN)
        (folder / name).chmod(0o755)
    path = tmp_path / "record"
    castool.environment.update(PATH=f"{folder}:{castool.environment['PATH']}", RECORD=str(path))
    return path


def calls(record):
    return [json.loads(line) for line in record.read_text().splitlines()] if record.exists() else []


def assert_nothing_left(castool):
    """No name of the source, no scratch directory, no process."""
    assert not list((castool.store / "refs").glob("conversion/*"))
    assert os.listdir(castool.folder / harness.TMP_NAME) == []
    assert castool.processes() == []


@pytest.fixture
def source(hub):
    files = {"config.json": json.dumps({"architectures": ["LlamaForCausalLM"]}),
             "model.safetensors": "weights"}
    return hub.add_repository("acme/torch", files), files


def test_a_repository_is_converted_and_kept(hub, castool, source, record, tmp_path):
    commit, files = source
    done = castool.run("pull", "--pull", "--source_model", "acme/torch", "--weight-format", "int4",
                       "--extra_quantization_params", "--sym --dataset 'my data'",
                       "--model_repository_path", tmp_path / "models", env={"HF_TOKEN": "hf_secret"})
    first, second = calls(record)
    output = first["words"][-1]
    assert first["words"] == ["optimum-cli", "export", "openvino", "--model", "acme/torch",
                              "--trust-remote-code", "--weight-format", "int4", "--sym",
                              "--dataset", "my data", "--task", "text-generation-with-past", output]
    assert second["words"] == ["convert_tokenizer", "acme/torch", "--with-detokenizer", "-o", output]
    folder = "models--acme--torch"
    assert first["cache"] == {f"{folder}/refs/main": commit} | {
        f"{folder}/snapshots/{commit}/{path}": text for path, text in files.items()}
    assert first["environment"]["HF_HUB_OFFLINE"] == "1"
    assert "hf_secret" not in json.dumps(first)
    assert "converting" in done.err
    assert_nothing_left(castool)
    made = tmp_path / "models/acme/torch"
    assert (made / "openvino_model.bin").read_bytes() == b"converted"
    assert (made / "sub/config.json").exists() and (made / "graph.pbtxt").exists()
    assert not (made / "model.safetensors").exists()
    (shown,) = castool.run("show", "--json", "acme/torch").json
    assert shown["state"] == "complete" and shown["options"]["weight-format"] == "int4"
    assert "acme/torch" in castool.run("ls").out
    # The same again is there already; another format is not.
    castool.run("pull", "--source_model", "acme/torch", "--weight-format", "int4",
                "--extra_quantization_params", "--sym --dataset 'my data'", "--max_num_seqs", "4")
    assert len(calls(record)) == 2
    assert castool.run("show", "--json", "acme/torch").json[0]["options"]["max_num_seqs"] == "4"
    castool.run("pull", "--source_model", "acme/torch", "--weight-format", "int8")
    assert len(calls(record)) == 4


def test_a_failure_leaves_nothing_behind(castool, source, record):
    done = castool.run("pull", "--source_model", "acme/torch", "--weight-format", "int4", status=1,
                       env={"MODE": "fail"})
    assert "the weights are too heavy" in done.err and "optimum-cli failed: exit status 1" in done.err
    assert castool.run("ls", "--json").json == []
    assert_nothing_left(castool)


def test_an_interruption_ends_the_program_too(castool, source, record):
    process = castool.start("pull", "--source_model", "acme/torch", "--weight-format", "int4",
                            env={"MODE": "wait"})
    harness.wait_until(lambda: calls(record), 60, "start of the conversion")
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    assert castool.run("ls", "--json").json == []
    assert_nothing_left(castool)


def test_without_the_programs_nothing_is_fetched(hub, castool, source):
    empty = castool.folder / "empty"
    empty.mkdir()
    done = castool.run("pull", "--source_model", "acme/torch", "--weight-format", "int4", status=1,
                       env={"PATH": str(empty)})
    assert "optimum-cli is not installed" in done.err
    assert hub.log() == []


def test_two_conversions_of_one_repository_at_once(hub, castool, source, record, tmp_path):
    commit, _ = source
    both = {}
    for form in ("int4", "int8"):
        both[form] = castool.start(
            "pull", "-q", "--source_model", "acme/torch", "--weight-format", form, "--name",
            f"mine/{form}", env={"GATE": str(tmp_path / form)})
    harness.wait_until(lambda: len(calls(record)) == 2, 60, "both in the middle")
    assert castool.run("ls", "--json").json == []  # no mount would show the source
    # One ends, and takes nothing away from the other.
    for form, process in both.items():
        castool.run("gc", "-q")
        (tmp_path / form).touch()
        assert process.wait(60) == 0
    assert {ref["name"] for ref in castool.run("ls", "--json").json} == {"mine/int4", "mine/int8"}
    for call in calls(record):
        assert f"models--acme--torch/snapshots/{commit}/model.safetensors" in call["cache"]
    assert_nothing_left(castool)
    castool.run("gc", "-q")
    castool.run("fsck", "-q")


def test_an_update_converts_again(hub, castool, source, record):
    _, files = source
    castool.run("pull", "--source_model", "acme/torch", "--weight-format", "int4", "--max_num_seqs", "9")
    (before,) = castool.run("show", "--json", "acme/torch").json
    assert castool.run("update").out == "acme/torch: up to date\n"
    assert len(calls(record)) == 2
    commit = hub.add_repository("acme/torch", files | {"model.safetensors": "other weights"})
    assert castool.run("update", "acme/torch").err.count("converting") == 0  # one line a ref
    (after,) = castool.run("show", "--json", "acme/torch").json
    assert after["revision"] == commit != before["revision"]
    assert after["options"] == before["options"] and len(calls(record)) == 4
    assert "openvino_model.bin" in {file["path"] for file in after["files"]}
    assert "model.safetensors" not in {file["path"] for file in after["files"]}
    assert_nothing_left(castool)


def test_a_service_runs_the_repositorys_code_only_when_told_to(hub, castool, source, record):
    service = {"INVOCATION_ID": "0123456789abcdef0123456789abcdef"}
    words = ["--source_model", "acme/torch", "--weight-format", "int4"]
    done = castool.run("pull", *words, status=64, env=service)
    assert "--allow-remote-code" in done.err
    assert hub.log() == [] and calls(record) == []
    castool.run("pull", *words)  # outside a service
    hub.add_repository("acme/torch", source[1] | {"model.safetensors": "other weights"})
    castool.run("update", status=64, env=service)
    assert len(calls(record)) == 2
    # What is allowed once for a model is allowed to its updates.
    castool.run("pull", *words, "--allow-remote-code", env=service)
    assert len(calls(record)) == 4
    hub.add_repository("acme/torch", source[1] | {"model.safetensors": "newer weights"})
    castool.run("update", env=service)
    assert len(calls(record)) == 6


OPTIMUM = pathlib.Path(os.environ.get("CASTOOL_OPTIMUM", "/nonexistent"))


def run_optimum(home, *words):
    """Standard output of a program with optimum-intel, which asks nobody outside."""
    program = pathlib.Path(clients.__file__).with_name("optimum_program.py")
    done = subprocess.run([OPTIMUM / "bin/python", program, *words], capture_output=True, text=True,
                          env={"PATH": os.environ["PATH"], "HOME": str(home), "HF_HUB_OFFLINE": "1"},
                          timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.skipif(not (OPTIMUM / "bin/optimum-cli").exists(),
                    reason="CASTOOL_OPTIMUM names no environment with optimum-intel[openvino]")
@pytest.mark.parametrize("form, extra, error", [("int8", [], 0.1), ("int4", ["--group-size 32"], 0.5)])
def test_the_real_converter(hub, castool, mountpoint, tmp_path, form, extra, error):
    """A tiny model with random weights; what comes out is read from the mount and says the same."""
    source = tmp_path / "tiny"
    run_optimum(tmp_path, "make", str(source))
    commit = hub.add_repository("acme/tiny", {path.name: path.read_bytes() for path in source.iterdir()})
    more = [f"--extra_quantization_params={words}" for words in extra]
    castool.run("pull", "--source_model", "acme/tiny", "--weight-format", form, *more, timeout=1200,
                env={"PATH": f"{OPTIMUM}/bin:{os.environ['PATH']}"})
    assert_nothing_left(castool)
    (shown,) = castool.run("show", "--json", "acme/tiny").json
    assert shown["state"] == "complete" and shown["revision"] == commit
    paths = {file["path"] for file in shown["files"]}
    assert {f"openvino_{part}.{end}" for part in ("model", "tokenizer", "detokenizer")
            for end in ("xml", "bin")} <= paths
    assert "config.json" in paths and "model.safetensors" not in paths
    castool.run("mount", mountpoint)
    (entry,) = json.loads((mountpoint / "config.json").read_text())["model_config_list"]
    assert entry["config"]["name"] == "acme/tiny"
    assert "LLMCalculator" in (mountpoint / "acme/tiny/graph.pbtxt").read_text()
    said = json.loads(run_optimum(tmp_path, "compare", str(source), str(mountpoint / "acme/tiny")))
    assert said["same_tokens"] and said["text"] == "the quick brown fox jumps over the lazy dog"
    assert said["relative_error"] < error
