"""Manifests as registries really send them, through the API; the cases are those of Ollama's own tests."""

import hashlib
import json

import models

MIB = 1 << 20


def layer(kind, content):
    return {"mediaType": f"application/vnd.ollama.image.{kind}",
            "digest": "sha256:" + hashlib.sha256(content).hexdigest(), "size": len(content)}


def manifest_of(config, layers, **style):
    return json.dumps({
        "schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": layer("", config) | {"mediaType": "application/vnd.docker.container.image.v1+json"},
        "layers": layers, "annotations": {"nobody": "reads this"}}, **style).encode()


def test_bytes_are_kept_as_they_came(serve, hub):
    """Odd white space, another order of members, members that nobody knows."""
    gguf = models.gguf(tensor_bytes=1 << 16)
    config = b'{"model_format":"gguf","model_family":"llama"}'
    text = b" " + manifest_of(config, [layer("model", gguf)], indent=3, sort_keys=True) + b"\n\n"
    hub.add_model("library/odd:latest", text, [gguf, config])
    server = serve("--registry")
    assert server.pull("odd").lines[-1] == {"status": "success"}
    (model,) = server.get("/api/tags").json["models"]
    assert model["digest"] == hashlib.sha256(text).hexdigest()
    assert server.get("/v2/library/odd/manifests/latest").body == text


def test_one_blob_in_two_places(serve, hub):
    """Config and layer, or two layers, with one digest: fetched once, checked, and whole afterwards."""
    shared = b'{"model_format":"gguf"}'
    gguf = models.gguf(tensor_bytes=1 << 16)
    text = manifest_of(shared, [layer("model", gguf), layer("params", shared), layer("license", gguf[:64]),
                                layer("license", gguf[:64])])
    hub.add_model("library/twice:latest", text, [gguf, shared, gguf[:64]])
    server = serve()
    lines = server.pull("twice").lines
    assert lines[-1] == {"status": "success"}
    ended = [line["digest"] for line in lines if line.get("total") == line.get("completed", 0) and "digest" in line]
    assert set(ended) == {layer("", content)["digest"] for content in (shared, gguf, gguf[:64])}
    (model,) = server.get("/api/tags").json["models"]
    assert model["size"] == len(shared) + len(gguf) + 64

    wrong = manifest_of(b"{}", [layer("model", gguf), layer("params", b"{}")])
    hub.add_model("library/wrong:latest", wrong, [gguf, b"{}"])
    hub.fault({"garble": True}, times=-1, target="/blobs/", origin="hub")
    hub.fault({"garble": True}, times=-1, origin="cdn")
    answer = server.pull("wrong", stream=False)
    assert answer.status == 500 and "digest mismatch" in answer.json["error"]
    assert len(server.get("/api/tags").json["models"]) == 1


def test_manifests_that_are_none(serve, hub):
    """Each is an error with words, nothing is stored, and the server goes on."""
    gguf = models.gguf(tensor_bytes=1 << 12)
    good = json.loads(manifest_of(b"{}", [layer("model", gguf)]))

    def changed(change):
        text = json.loads(json.dumps(good))
        change(text)
        return json.dumps(text).encode()

    bad = [b"", b"{", b"[]", b"null", b"<html>sign in</html>", b'{"layers":' + b"[" * 100,
           changed(lambda m: m["layers"][0].update(digest="sha256:../../../../etc/passwd")),
           changed(lambda m: m["layers"][0].update(digest=m["layers"][0]["digest"].upper())),
           changed(lambda m: m["layers"][0].update(size=-1)), changed(lambda m: m["layers"][0].update(size=1e99)),
           changed(lambda m: m["layers"][0].pop("size")), changed(lambda m: m.pop("config")),
           changed(lambda m: m.update(layers=m["layers"] * 10_001))]
    for number, text in enumerate(bad):
        hub.add_model(f"library/bad{number}:latest", text, [gguf, b"{}"])
    server = serve()
    for number, text in enumerate(bad):
        answer = server.pull(f"bad{number}", stream=number % 2 == 0)
        assert answer.status == 500 and answer.json["error"].startswith("pull model manifest: "), text[:80]
    assert server.get("/api/tags").json == {"models": []}
    assert server.get("/healthz").status == 200


def test_a_tag_that_moves(serve, hub):
    """The listing has the new manifest at once; what only the old one had goes at the next gc."""
    first = models.registry_model(models.gguf(tensor_bytes=1 << 16, seed=1))
    second = models.registry_model(models.gguf(tensor_bytes=1 << 16, seed=2))
    server = serve()
    for manifest, blobs in (first, second):
        hub.add_model("library/moves:latest", manifest, blobs)
        assert server.pull("moves").lines[-1] == {"status": "success"}
        (model,) = server.get("/api/tags").json["models"]
        assert model["digest"] == hashlib.sha256(manifest).hexdigest()
        shown = server.ask("POST", "/api/show", {"model": "moves"})
        assert shown.status == 200 and shown.json["details"]["family"] == "llama"
