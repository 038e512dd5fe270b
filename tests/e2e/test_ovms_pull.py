"""`ovms --pull ARGS` as `castool pull ARGS`: tasks, options, directories, drafts, adapters."""

import contextlib
import http.server
import json
import os
import re
import threading

import pytest

import checks
import harness
import models

ROW_LIMIT = 60


def config(architecture, **more):
    return json.dumps({"architectures": [architecture]} | more)


def repository(architecture="LlamaForCausalLM", **more):
    """An exported model whose metadata says what it is for."""
    return models.openvino_repository(70_000) | {"config.json": config(architecture)} | more


def shown(castool, name):
    return castool.run("show", "--json", name).json[0]


def test_arguments_that_ovms_refuses_end_the_same(castool):
    path = os.path.join(os.environ["CASTOOL_SOURCE_DIR"], "tests/data/ovms/errors.json")
    with open(path, encoding="utf-8") as rows:
        for row in json.load(rows):
            done = castool.run("pull", *row["args"], status=row["status"])
            assert done.err.startswith("castool: pull") and done.err.count("\n") == 1
            for word in row["words"]:
                assert word in done.err


def test_a_plain_directory_gets_what_ovms_would_have_left(hub, castool, tmp_path):
    files = repository()
    hub.add_repository("OpenVINO/chat", files)
    target = tmp_path / "models"
    done = castool.run("pull", "--pull", "--source_model", "OpenVINO/chat", "--model_repository_path",
                       target, "--task", "text_generation", "--target_device", "GPU")
    assert done.out.splitlines()[-2:] == [
        f"Model: OpenVINO/chat downloaded to: {target}/OpenVINO/chat",
        f"Graph: graph.pbtxt created in: {target}/OpenVINO/chat"]
    checks.assert_same_tree(target / "OpenVINO/chat", files, hub, ["graph.pbtxt"])
    graph = (target / "OpenVINO/chat/graph.pbtxt").read_text()
    assert 'device: "GPU"' in graph and 'models_path: "./"' in graph
    assert os.listdir(target) == ["OpenVINO"] and os.listdir(target / "OpenVINO") == ["chat"]
    # Again: the files stay as somebody left them, the graph is written anew.
    (target / "OpenVINO/chat/README.md").write_text("mine")
    hub.clear_log()
    castool.run("pull", "--pull", "--source_model", "OpenVINO/chat", "--model_repository_path",
                target)
    assert hub.log() == []
    assert (target / "OpenVINO/chat/README.md").read_text() == "mine"
    assert "device" not in (target / "OpenVINO/chat/graph.pbtxt").read_text()
    castool.run("pull", "--pull", "--source_model", "OpenVINO/chat", "--overwrite_models", env={
        "OVMS_MODEL_REPOSITORY_PATH": str(target)})
    checks.assert_same_tree(target / "OpenVINO/chat", files, hub, ["graph.pbtxt"])
    listed = castool.run("pull", "--list_models", "--model_repository_path", target).out
    assert listed == castool.run("list-models", "--model_repository_path", target).out
    assert listed == "OpenVINO/chat\n"


def test_tasks_are_inferred_from_the_metadata(hub, castool):
    path = os.path.join(os.environ["CASTOOL_SOURCE_DIR"], "tests/data/ovms/task_detection.json")
    with open(path, encoding="utf-8") as rows:
        picked = [row for row in json.load(rows) if row["task"]][::5]
    for number, row in enumerate(picked):
        name = f"{row['id']}-{number}"
        files = {file: json.dumps(row[file])
                 for file in ("config.json", "model_index.json", "modules.json") if file in row}
        hub.add_repository(name, files | {"weights.txt": "w"})
        castool.run("pull", "--source_model", name)
        castool.run("set", name, "--target_device", "GPU")  # only for a model with a task
    hub.add_repository("acme/nothing", {"config.json": config("InvalidArchitecture"), "a": "b"})
    done = castool.run("pull", "--source_model", "acme/nothing", status=64)
    assert "Could not infer model task" in done.err
    assert "acme/nothing" not in castool.run("ls").out
    # A plain pull gives a task only to what OVMS could load.
    hub.add_repository("acme/embed", repository("BertModel"))
    hub.add_repository("acme/torch", {"config.json": config("BertModel"), "pytorch.bin": b"x"})
    castool.run("pull", "acme/embed", "acme/torch")
    assert "embeddings" in castool.run("show", "acme/embed").out
    assert "embeddings" not in castool.run("show", "acme/torch").out


def test_options_stay_with_the_ref_until_ovms_writes_them_anew(hub, castool):
    hub.add_repository("acme/m", repository())
    castool.run("pull", "--source_model", "acme/m", "--max_num_seqs", "8", "--cache_size", "4")
    castool.run("pull", "acme/m", "--force")
    assert shown(castool, "acme/m")["options"] == {
        "task": "text_generation", "max_num_seqs": "8", "cache_size": "4"}
    castool.run("pull", "acme/m", "--max_num_seqs", "16")
    assert shown(castool, "acme/m")["options"] == {
        "task": "text_generation", "max_num_seqs": "16", "cache_size": "4"}
    castool.run("pull", "--source_model", "acme/m", "--task", "text_generation")
    assert shown(castool, "acme/m")["options"] == {"task": "text_generation"}
    castool.run("pull", "--source_model", "acme/m", "--cache_size", "2", env={"HF_HUB_OFFLINE": "1"})
    assert shown(castool, "acme/m")["options"] == {"task": "text_generation", "cache_size": "2"}
    castool.run("pull", "--source_model", "acme/m", "--draft_source_model", "acme/draft", status=69,
                env={"HF_HUB_OFFLINE": "1"})
    # Options that do not fit the task that is inferred fetch nothing.
    hub.add_repository("acme/n", repository("BertModel"))
    done = castool.run("pull", "--source_model", "acme/n", "--max_num_seqs", "8", status=64)
    assert "--max_num_seqs" in done.err and "8" in done.err and "embeddings" in done.err
    assert "acme/n" not in castool.run("ls").out


def test_only_the_parts_of_a_gguf_are_fetched(hub, castool, tmp_path):
    parts = {f"q-0000{n}-of-00002.gguf": models.gguf(seed=n) for n in (1, 2)}
    hub.add_repository("acme/g", parts | {"other.gguf": b"x", "README.md": "r"})
    castool.run("pull", "--pull", "--source_model", "acme/g", "--task", "text_generation",
                "--gguf_filename", "q-00001-of-00002.gguf", "--model_repository_path", tmp_path / "r")
    checks.assert_same_tree(tmp_path / "r/acme/g", parts, hub, ["graph.pbtxt"])
    graph = (tmp_path / "r/acme/g/graph.pbtxt").read_text()
    assert 'models_path: "./q-00001-of-00002.gguf"' in graph
    castool.run("pull", "--pull", "--source_model", "acme/g", "--gguf_filename", "other.gguf",
                "--model_repository_path", tmp_path / "r")
    checks.assert_same_tree(tmp_path / "r/acme/g", parts | {"other.gguf": b"x"}, hub, ["graph.pbtxt"])
    hub.add_repository("acme/half", {"q-00001-of-00002.gguf": b"x"})
    done = castool.run("pull", "--source_model", "acme/half", "--gguf_filename",
                       "q-00001-of-00002.gguf", status=66)
    assert "q-00002-of-00002.gguf" in done.err


def attachments(castool, name):
    record = castool.store / "refs/default" / name.replace("/", "%2F")
    return json.loads(record.read_text()).get("attachments", [])


def test_a_draft_model_and_adapters_come_along(hub, castool):
    hub.add_repository("acme/big", repository())
    draft = models.openvino_repository(50_000, seed=9)
    hub.add_repository("acme/draft", draft)
    words = ["pull", "--source_model", "acme/big", "--draft_source_model", "acme/draft"]
    planned = castool.run(*words, "--dry-run", "--json").json
    assert {entry["path"] for entry in planned[:-1]} == {*repository(), *(
        f"acme-draft/{path}" for path in draft)}
    assert planned[-1]["bytes_to_fetch"] > 120_000
    castool.run(*words)
    (attached,) = attachments(castool, "acme/big")
    assert attached["path"] == "acme-draft" and attached["source"] == "hf://acme/draft@main"
    assert "acme-draft from hf://acme/draft@main" in castool.run("show", "acme/big").out
    assert "acme/draft" not in castool.run("ls").out.replace("acme/draft@", "")
    castool.run("set", "acme/big", "--draft_source_model", "")
    assert attachments(castool, "acme/big") == []
    adapter = models.noise(3000, 5)
    hub.add_repository("acme/lora", {"sub/w.safetensors": adapter, "README.md": "r"})
    hub.add_repository("acme/two", {"a.safetensors": adapter, "b.safetensors": adapter})
    hub.add_repository("acme/image", {"model_index.json": '{"_class_name": "FluxPipeline"}'})
    address = f"{hub.url}/acme/lora/resolve/main/sub/w.safetensors"
    castool.run("pull", "--source_model", "acme/image", "--source_loras",
                f"one=acme/lora,two={address}:0.5,all=@one:0.7+@two")
    by_path = {entry["path"]: entry for entry in attachments(castool, "acme/image")}
    assert set(by_path) == {"loras/acme/lora", "loras/two"}
    options = shown(castool, "acme/image")["options"]
    assert options["source_loras"].startswith("one=acme/lora@sub/w.safetensors,")
    done = castool.run("pull", "--source_model", "acme/image", "--source_loras", "x=acme/two",
                       status=64)
    assert "acme/two" in done.err and "2 .safetensors" in done.err
    castool.run("pull", "--source_model", "acme/image", "--source_loras", "x=/no/such.safetensors",
                status=64)


@contextlib.contextmanager
def plain_server(files):
    """An HTTP server that is no Hub: its base address, and the headers that it was sent."""
    seen = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            seen.append(dict(self.headers))
            body = files.get(self.path)
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", seen
        finally:
            server.shutdown()
            thread.join()


def test_drafts_and_adapters_stand_where_ovms_looks(hub, castool, mountpoint, tmp_path):
    chat, draft = repository(), models.openvino_repository(50_000, seed=9)
    image = {"model_index.json": '{"_class_name": "FluxPipeline"}', "unet/openvino_model.bin": "u"}
    first, second, third = (models.noise(3000, seed) for seed in (5, 6, 7))
    for name, files in {"acme/chat": chat, "acme/draft": draft, "acme/image": image,
                        "acme/lora": {"sub/w.safetensors": first, "v.safetensors": second}}.items():
        hub.add_repository(name, files)
    local = tmp_path / "local.safetensors"
    local.write_bytes(third)
    with plain_server({"/a/far.safetensors": third}) as (address, seen):
        castool.run("pull", "--source_model", "acme/chat", "--draft_source_model", "acme/draft")
        done = castool.run(
            "pull", "--source_model", "acme/image", "--source_loras",
            f"one=acme/lora@sub/w.safetensors,two=acme/lora@v.safetensors:0.5,"
            f"far={address}/a/far.safetensors,near={local},all=@one:0.7+@far",
            "--model_repository_path", tmp_path / "models", env={"HF_TOKEN": "hf_secret"})
        assert seen and all("Authorization" not in headers for headers in seen)
        castool.run("pull", "--source_model", "acme/image", "--source_loras",
                    f"far={address}/a/none.safetensors", status=66)
    where = tmp_path / "models/acme/image"
    for line in (f"LoRA adapter: one downloaded to: {where}/loras/acme/lora",
                 f"LoRA adapter: far downloaded to: {where}/loras/far",
                 f"LoRA adapter: near using local file: {local}"):
        assert line in done.out.splitlines()
    chat |= {f"acme-draft/{path}": data for path, data in draft.items()}
    image |= {"loras/acme/lora/sub/w.safetensors": first, "loras/acme/lora/v.safetensors": second,
              "loras/far/far.safetensors": third}
    castool.run("mount", mountpoint)
    for name, files in (("acme/chat", chat), ("acme/image", image)):
        castool.run("export", "--layout", "ovms", name, tmp_path / "export" / name)
        for top in (mountpoint, tmp_path / "export" / name):
            checks.assert_same_tree(top / name, files, hub, ["graph.pbtxt"])
    checks.assert_same_tree(where, image, hub, ["graph.pbtxt"])
    assert 'draft_models_path: "acme-draft"' in (mountpoint / "acme/chat/graph.pbtxt").read_text()
    graph = (mountpoint / "acme/image/graph.pbtxt").read_text()
    named = re.findall(r'path: "(loras[^"]*|/[^"]*)"', graph)
    assert named == ["loras/acme/lora/sub/w.safetensors", "loras/acme/lora/v.safetensors",
                     "loras/far/far.safetensors", str(local)]
    for path in named:
        assert (mountpoint / "acme/image" / path).is_file()
    assert (where / "graph.pbtxt").read_text() == graph
    # gc keeps them, each as a manifest of its own; without the option they go.
    castool.run("gc", "-q")
    checks.assert_same_tree(mountpoint / "acme/image", image, hub, ["graph.pbtxt"])
    castool.run("set", "acme/image", "--source_loras", "")
    harness.wait_until(lambda: not (mountpoint / "acme/image/loras").exists(), ROW_LIMIT, "the view")
    assert castool.run("gc", "--json").json[-1]["removed_blobs"] > 0


def test_an_adapter_over_plain_http_from_elsewhere_is_refused(hub, castool):
    hub.add_repository("acme/image", {"model_index.json": '{"_class_name": "FluxPipeline"}'})
    done = castool.run("pull", "--source_model", "acme/image", "--source_loras",
                       "x=http://adapters.example/x.safetensors", status=64)
    assert "--insecure" in done.err


def test_a_mount_is_where_the_ref_appears(hub, castool, mountpoint):
    files = repository()
    hub.add_repository("acme/m", files)
    castool.run("mount", mountpoint)
    castool.run("pull", "--pull", "--source_model", "acme/m", "--model_repository_path", mountpoint,
                "--model_name", "chat")
    graph = mountpoint / "acme/m/graph.pbtxt"
    harness.wait_until(graph.exists, ROW_LIMIT, "the model in the mount")
    checks.assert_same_tree(mountpoint / "acme/m", files, hub, ["graph.pbtxt"])
    listed = mountpoint / "config.json"
    harness.wait_until(lambda: '"chat"' in listed.read_text(), ROW_LIMIT, "its name in config.json")
    castool.run("set", "acme/m", "--target_device", "NPU", "--model_name", "talk",
                "--ovms-version", "2026.1")
    harness.wait_until(lambda: 'device: "NPU"' in graph.read_text(), ROW_LIMIT, "the new graph")
    assert "QUEUE_MAX_SIZE" not in graph.read_text()
    harness.wait_until(lambda: '"talk"' in listed.read_text(), ROW_LIMIT, "its new name")
    done = castool.run("pull", "--pull", "--source_model", "acme/m", "--model_repository_path",
                       mountpoint, env={"CASTOOL_STORE": str(castool.folder / "other")}, status=64)
    assert "model_repository_path" in done.err


def test_config_json_of_ovms_is_edited(castool, tmp_path):
    path = tmp_path / "config.json"
    castool.run("add-to-config", "--config_path", path, "--model_name", "a", "--model_path", "/m/a")
    done = castool.run("pull", "--add_to_config", "--config_path", path, "--model_name", "b",
                       "--model_repository_path", "/m")
    assert done.out == f"Config updated: {path}\n"
    assert json.loads(path.read_text()) == {"model_config_list": [
        {"config": {"name": "a", "base_path": "/m/a"}},
        {"config": {"name": "b", "base_path": "/m/b"}}]}
    castool.run("add-to-config", "--config_path", path, "--model_name", "b", "--model_path", "/x",
                status=1)
    castool.run("remove-from-config", "--config_path", path, "--model_name", "a")
    castool.run("remove-from-config", "--config_path", path, "--model_name", "a", status=1)
    assert [entry["config"]["name"] for entry in json.loads(path.read_text())["model_config_list"]
            ] == ["b"]
    model = tmp_path / "model"
    model.mkdir()
    castool.run("pull", "--configure", "--model_path", model, status=64)
    (model / "config.json").write_text(config("LlamaForCausalLM"))
    castool.run("pull", "--configure", "--model_path", model, "--max_num_seqs", "3")
    graph = (model / "graph.pbtxt").read_text()
    assert 'models_path: "."' in graph and "max_num_seqs: 3" in graph


@pytest.mark.parametrize("words", [["set", "acme/no", "--task", "rerank"], ["export", "acme/no", "x"]])
def test_names_that_are_not_here(castool, words):
    castool.run(*words, status=66)
