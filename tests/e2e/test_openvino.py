"""The real OpenVINO runtime compiles from the mount what it would compile from a local file."""

import json
import pathlib

import pytest

import clients

PROGRAM = str(pathlib.Path(clients.__file__).with_name("openvino_program.py"))


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A folder with model.xml, model.bin and model.onnx, and what they give."""
    clients.need("openvino")
    folder = tmp_path_factory.mktemp("models")
    clients.run(PROGRAM, "make", str(folder))
    said = clients.run(PROGRAM, "infer", str(folder / "model.xml"), str(folder / "model.onnx"))
    return folder, json.loads(said)


@pytest.mark.parametrize("how", ["verified", "lazy"])
def test_the_same_inference_as_from_a_local_file(built, hub, castool, mountpoint, how):
    folder, expected = built
    hub.add_repository("acme/ir", {"1/model.xml": (folder / "model.xml").read_bytes(),
                                   "1/model.bin": (folder / "model.bin").read_bytes()})
    hub.add_repository("acme/onnx", {"1/model.onnx": (folder / "model.onnx").read_bytes()})
    castool.run("pull", "-q", *(["--lazy"] if how == "lazy" else []), "acme/ir", "acme/onnx")
    if how == "lazy":
        assert {ref["state"] for ref in castool.run("ls", "--json").json} == {"partial"}
    castool.run("mount", mountpoint)
    config = json.loads((mountpoint / "config.json").read_text())
    assert [entry["config"]["name"] for entry in config["model_config_list"]] == \
        ["acme/ir", "acme/onnx"]
    said = clients.run(PROGRAM, "infer", str(mountpoint / "acme/ir/1/model.xml"),
                       str(mountpoint / "acme/onnx/1/model.onnx"))
    assert json.loads(said) == expected
    assert expected[0] != expected[1]
