"""castool serve: the shapes, words and codes of Ollama's API, over real HTTP."""

import hashlib
import json
import re
import time

import api_client
import harness
import models

MIB = 1 << 20


def add(hub, name="library/tiny:latest", **changes):
    """A small model at the hub; its manifest's bytes."""
    manifest, blobs = models.registry_model(**changes)
    hub.add_model(name, manifest, blobs)
    return manifest


def test_shapes_of_an_empty_server(serve):
    server = serve()
    for method in ("GET", "HEAD"):
        for path, text in [("/", "Ollama is running"), ("/healthz", "ok\n")]:
            answer = server.ask(method, path)
            assert (answer.status, answer.headers["content-type"]) == (200, "text/plain; charset=utf-8")
            assert answer.body == (text.encode() if method == "GET" else b"")
            assert answer.headers["content-length"] == str(len(text))
        for path in ("/api/version", "/api/tags", "/api/ps"):
            answer = server.ask(method, path)
            assert (answer.status, answer.headers["content-type"]) == (200, "application/json; charset=utf-8")
    assert server.get("/api/tags").body == b'{"models":[]}'
    assert server.get("/api/ps").body == b'{"models":[]}'
    assert re.fullmatch(r"\d+\.\d+\.\d+", server.get("/api/version").json["version"])
    assert server.get("/api/nothing").status == 404
    wrong = server.get("/api/pull")
    assert (wrong.status, wrong.headers["allow"]) == (405, "POST")
    assert server.ask("PUT", "/api/tags", "{}").status == 405
    assert server.stop() == (0, "")


def test_a_pull_tells_what_ollama_tells(hub, serve):
    manifest = add(hub)
    parsed = json.loads(manifest)
    server = serve()
    answer = server.pull("tiny")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/x-ndjson")
    lines = answer.lines
    assert lines[0] == {"status": "pulling manifest"}
    assert lines[-3:] == [{"status": "verifying sha256 digest"}, {"status": "writing manifest"},
                          {"status": "success"}]
    for layer in [parsed["config"], *parsed["layers"]]:
        mine = [line for line in lines if line.get("digest") == layer["digest"]]
        assert {line["status"] for line in mine} == {f"pulling {layer['digest'][7:19]}"}
        assert all(line["total"] == layer["size"] for line in mine)
        assert mine[-1]["completed"] == layer["size"]
        assert "completed" not in mine[0] or mine[0]["completed"] > 0  # zero is left out

    again = server.pull("tiny:latest").lines
    for layer in [parsed["config"], *parsed["layers"]]:
        (line,) = [line for line in again if line.get("digest") == layer["digest"]]
        assert line["completed"] == line["total"] == layer["size"]
    assert server.pull("tiny", stream=False).json == {"status": "success"}
    assert server.metric("castool_pulls_total") == 3


def test_names_that_are_none(serve, hub):
    server = serve()
    for name in ["", "a b", "../up", "x/../y", "a//b", "model:", ":tag", "m@sha256:00", "-dash",
                 ".hidden", "a/b/c/d/e", "m" * 81, "h" * 351 + "/n/m", "n" * 81 + "/m", "m:" + "t" * 81,
                 "ftp://h/n/m", "hf://../x", "hf://", "a%2Fb", "nul\0"]:
        for stream in (True, False):
            answer = server.pull(name, stream=stream)
            assert (answer.status, answer.json) == (400, {"error": "invalid model name"}), name
    answer = server.pull("m:local:cloud")
    assert answer.status == 400 and "use either :local or :cloud, not both" in answer.json["error"]
    for body, text in [(None, "missing request body"), ("", "missing request body"),
                       ("{", "request body"), ("[]", "request body"), ('{"model":3}', "model"),
                       ('{"model":"m","stream":"no"}', "stream"),
                       ('{"model":"m","model":"m"}', "request body"), ("[" * 100, "request body")]:
        answer = server.ask("POST", "/api/pull", body)
        assert answer.status == 400 and text in answer.json["error"], (body, answer.body)
    assert hub.log() == []


def test_names_that_mean_one_model(serve, hub):
    add(hub)
    add(hub, "library/tiny:cloud")
    server = serve()
    for name in ["tiny", "tiny:latest", "library/tiny", "registry.ollama.ai/library/tiny:latest",
                 "https://registry.ollama.ai/library/tiny", "ollama://tiny", "tiny:local", "tiny:LOCAL"]:
        assert server.ask("POST", "/api/pull", {"name": name}).lines[-1] == {"status": "success"}, name
    assert [model["name"] for model in server.get("/api/tags").json["models"]] == ["tiny:latest"]
    assert server.pull("tiny:cloud").lines[-1] == {"status": "success"}
    hub.add_repository("acme/pets", models.small_repository())
    assert server.pull("hf://acme/pets").lines[-1] == {"status": "success"}
    assert server.pull("acme/pets").status == 404  # without a scheme it is Ollama's
    names = {model["name"] for model in server.get("/api/tags").json["models"]}
    assert names == {"tiny:latest", "tiny:cloud", "hf://acme/pets"}


def test_what_is_not_there(serve, hub):
    server = serve()
    for stream in (True, False):
        answer = server.pull("nobody/nothing", stream=stream)
        assert answer.status == 404
        assert answer.json == {"error": "pull model manifest: file does not exist"}
        assert answer.headers["content-type"] == "application/json; charset=utf-8"
        answer = server.pull("hf://nobody/nothing", stream=stream)
        assert answer.status == 404
        assert answer.json["error"].startswith("pull model manifest: file does not exist")
    assert server.get("/api/tags").json == {"models": []}
    assert server.metric('castool_pull_errors_total{kind="not_found"}') == 4


def test_an_origin_that_fails(serve, hub):
    add(hub)
    server = serve()
    hub.fault({"status": 403, "body": "go away"}, times=-1, target="/manifests/")  # never tried again
    for stream in (True, False):
        answer = server.pull("tiny", stream=stream)
        assert answer.status == 500 and answer.json["error"].startswith("pull model manifest: ")
    hub.clear_faults()

    big, blobs = models.registry_model(models.gguf(tensor_bytes=3 * MIB))
    hub.add_model("library/big:latest", big, blobs)
    hub.fault({"garble": True}, times=-1, target="/blobs/", origin="hub")
    hub.fault({"garble": True}, times=-1, origin="cdn")
    answer = server.pull("big")
    assert answer.status == 200
    assert list(answer.lines[-1]) == ["error"]
    assert "digest mismatch" in answer.lines[-1]["error"]
    assert {"status": "success"} not in answer.lines
    answer = server.pull("big", stream=False)
    assert answer.status == 500 and "digest mismatch" in answer.json["error"]
    assert server.get("/api/tags").json == {"models": []}


def test_what_is_here(serve, hub, castool):
    manifest = add(hub)
    server = serve()
    server.pull("tiny", stream=False)
    (model,) = server.get("/api/tags").json["models"]
    assert list(model) == ["name", "model", "modified_at", "size", "digest", "details", "capabilities"]
    parsed = json.loads(manifest)
    assert model["name"] == model["model"] == "tiny:latest"
    assert model["size"] == sum(part["size"] for part in [parsed["config"], *parsed["layers"]])
    assert model["digest"] == hashlib.sha256(manifest).hexdigest()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", model["modified_at"])
    assert model["details"]["family"] == "llama" and model["details"]["families"] == ["llama"]
    assert model["details"]["parameter_size"] == "1M"
    assert model["details"]["quantization_level"] == "F32"
    assert "completion" in model["capabilities"]

    shown = server.ask("POST", "/api/show", {"model": "tiny"})
    assert shown.status == 200
    assert shown.json["license"] == "Do as you please.\n"
    assert shown.json["template"] == "{{ .Prompt }}"
    assert shown.json["parameters"] == f"{'stop':<30} \"User:\""
    assert shown.json["details"] == model["details"]
    assert shown.json["model_info"] == {
        "general.alignment": 32, "general.architecture": "llama", "general.parameter_count": 1 << 14,
        "llama.block_count": 0, "llama.context_length": 128, "llama.embedding_length": 8,
        "tokenizer.ggml.model": "llama", "tokenizer.ggml.tokens": ["<unk>", "<s>", "</s>", "word"]}
    assert str(castool.store) not in shown.body.decode()
    for body, status, text in [({"model": "other"}, 404, "model 'other' not found"),
                               ({"model": ""}, 400, "model is required"),
                               (None, 400, "missing request body")]:
        answer = server.ask("POST", "/api/show", body)
        assert (answer.status, answer.json["error"]) == (status, text)

    digest = parsed["layers"][0]["digest"]
    assert server.ask("HEAD", f"/api/blobs/{digest}").status == 200
    assert server.ask("HEAD", f"/api/blobs/sha256:{'0' * 64}").status == 404
    assert server.ask("HEAD", "/api/blobs/sha256:../../format").status == 400
    # Another namespace's models are none of this one's business.
    castool.run("--namespace", "other", "pull", "--insecure", "tiny")
    other = serve("--namespace", "third")
    assert other.ask("HEAD", f"/api/blobs/{digest}").status == 404


def test_models_go(serve, hub, castool):
    add(hub)
    add(hub, "library/tiny:two")
    hub.add_repository("acme/pets", models.small_repository())
    server = serve()
    for name in ("tiny", "tiny:two", "hf://acme/pets"):
        server.pull(name, stream=False)
    for body, status, text in [({"model": "other"}, 404, "model 'other' not found"),
                               ({"name": "x y"}, 400, 'name "x y" is invalid'),
                               ({}, 400, "model is required"), (None, 400, "missing request body")]:
        answer = server.ask("DELETE", "/api/delete", body)
        assert (answer.status, answer.json["error"]) == (status, text)
    for body in ({"model": "tiny"}, {"name": "hf://acme/pets"}):
        answer = server.ask("DELETE", "/api/delete", body)
        assert (answer.status, answer.body) == (200, b"")
    assert [model["name"] for model in server.get("/api/tags").json["models"]] == ["tiny:two"]
    assert [entry["name"] for entry in castool.run("ls", "--json").json] == ["tiny:two"]
    # What both had is still whole.
    assert server.ask("POST", "/api/show", {"model": "tiny:two"}).json["template"] == "{{ .Prompt }}"


def test_newest_first(serve, hub):
    server = serve()
    for name in ("a", "c", "b"):
        add(hub, f"library/{name}:latest")
        server.pull(name, stream=False)
        now = int(time.time())
        harness.wait_until(lambda now=now: int(time.time()) > now, what="another second")
    names = [model["name"] for model in server.get("/api/tags").json["models"]]
    assert names == ["b:latest", "c:latest", "a:latest"]


def test_a_big_one_is_seen_to_arrive(serve, hub):
    manifest, blobs = models.registry_model(models.noise(24 * MIB))
    hub.add_model("library/big:latest", manifest, blobs)
    server = serve()
    lines = server.pull("big").lines
    mine = [line for line in lines if line.get("total") == 24 * MIB]
    values = [line.get("completed", 0) for line in mine]
    assert values == sorted(values) and values[-1] == 24 * MIB
    assert server.metric("castool_fetched_bytes_total") >= 24 * MIB


def test_inside_a_mount(castool, hub, mountpoint):
    """mount --listen: what a caller pulls appears in the mount."""
    add(hub)
    path = castool.folder / "mount.sock"
    port = harness.free_port()
    castool.run("mount", "--layout", "ollama", "--socket-listen", path,
                "--listen", f"127.0.0.1:{port}", mountpoint)
    server = api_client.Reached(path)
    assert server.get("/api/tags").json == {"models": []}
    assert server.pull("tiny").lines[-1] == {"status": "success"}
    place = mountpoint / "manifests/registry.ollama.ai/library/tiny/latest"
    harness.wait_until(place.exists, 60, "the model in the mount")
    assert api_client.Reached(f"127.0.0.1:{port}").get("/healthz").status == 200
    assert server.ask("DELETE", "/api/delete", {"model": "tiny"}).status == 200
    harness.wait_until(lambda: not place.exists(), 60, "the model's end in the mount")
    castool.run("umount", mountpoint)
    harness.wait_until(lambda: not path.exists(), 60, "the end of the socket")
