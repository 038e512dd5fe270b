"""serve --registry and what this store has not: fetched from its origin for the other host."""

import hashlib
import json
import threading

import checks
import harness
import models

MIB = 1 << 20
LIMIT = 60
NEVER = {"stall_after": 0, "stall_ms": 3_600_000}


def add_model(hub, name="library/tiny:latest", megabytes=3):
    manifest, blobs = models.registry_model(models.gguf(tensor_bytes=megabytes * MIB))
    hub.add_model(name, manifest, blobs)
    return manifest, json.loads(manifest)["layers"][0]


def second(server, tmp_path):
    """The environment of a castool with a store of its own that knows only the server."""
    return {"HF_ENDPOINT": server.url, "CASTOOL_OLLAMA_REGISTRY": server.url,
            "CASTOOL_STORE": str(tmp_path / "second")}


def state_of(castool, name):
    return castool.run("show", "--json", name).json[0]["state"]


def test_another_castool_pulls_what_is_not_here(serve, hub, castool, tmp_path):
    manifest, layer = add_model(hub)
    files = models.small_repository()
    files["weights/big.safetensors"] = models.noise(3 * MIB)
    hub.add_repository("acme/pets", files)
    server = serve("--registry")
    there = second(server, tmp_path)
    outcome = castool.run("pull", "--json", "tiny", env=there).json[-1]
    assert outcome["manifest"] == "sha256:" + hashlib.sha256(manifest).hexdigest()
    castool.run("pull", "acme/pets", env=there)
    shown = castool.run("show", "--json", "acme/pets", env=there).json[0]
    assert {entry["path"]: entry["digest"] for entry in shown["files"]} == {
        path: checks.digest_of(content) for path, content in files.items()}
    # It has become this store's as well, and from now on comes from here.
    for name in ("tiny", "acme/pets"):
        harness.wait_until(lambda name=name: state_of(castool, name) == "complete", LIMIT, name)
    hub.stop()
    third = there | {"CASTOOL_STORE": str(tmp_path / "third")}
    castool.run("pull", "tiny", env=third)
    castool.run("pull", "acme/pets", env=third)
    hub.start(*hub.ports())


def test_a_blob_goes_out_while_it_comes_in(serve, hub):
    """Its first bytes are not held back for its last ones, and its last one is not sent unverified."""
    _, layer = add_model(hub, megabytes=12)
    server = serve("--registry")
    assert server.get("/v2/library/tiny/manifests/latest").status == 200
    hub.fault(NEVER, times=-1, origin="cdn", covers=9 * MIB)
    target = f"/v2/library/tiny/blobs/{layer['digest']}"
    head = server.ask("HEAD", target)
    assert (head.status, head.headers["content-length"]) == (200, str(layer["size"]))
    connection = server.connection()
    connection.request("GET", target)
    response = connection.getresponse()
    assert (response.status, response.headers["location"]) == (200, target)
    assert int(response.headers["content-length"]) == layer["size"]
    sha256 = hashlib.sha256()
    early = response.read(4 * MIB)
    sha256.update(early)
    part = server.get(target, Range="bytes=100-199")
    assert (part.status, part.body) == (206, early[100:200])
    hub.restart()  # without its faults
    while data := response.read(MIB):
        sha256.update(data)
    connection.close()
    assert "sha256:" + sha256.hexdigest() == layer["digest"]


def test_wrong_bytes_are_never_all_there(serve, hub):
    """An origin that is wrong: a stream that breaks off, for the whole and for a range to the end."""
    _, layer = add_model(hub)
    hub.add_repository("acme/bad", {"config.json": "{}", "big.bin": models.noise(3 * MIB)})
    server = serve("--registry")
    assert server.get("/v2/library/tiny/manifests/latest").status == 200
    assert server.get("/api/models/acme/bad").status == 200
    # From here on: what the lazy pulls brought was right.
    hub.fault({"garble": True}, times=-1, origin="cdn")
    hub.fault({"garble": True}, times=-1, target="/blobs/sha256:" + layer["digest"][7:], origin="hub")
    for target in (f"/v2/library/tiny/blobs/{layer['digest']}", "/acme/bad/resolve/main/big.bin"):
        for headers in ({}, {"Range": f"bytes={2 * MIB}-"}):
            connection = server.connection()
            connection.request("GET", target, headers=headers)
            response = connection.getresponse()
            whole = int(response.headers["content-length"])
            got = 0
            try:
                while data := response.read1(MIB):
                    got += len(data)
            except OSError:
                pass
            connection.close()
            # Once that is known the model is damaged, and nobody is offered it.
            assert response.status >= 400 or got < whole, (target, headers)
    assert server.get("/healthz").status == 200


def test_what_may_not_be_fetched(serve, hub, castool):
    add_model(hub)
    hub.add_repository("acme/gated", {"config.json": "{}"}, gated="auto", tokens=["someone"])
    hub.add_repository("acme/pets", models.small_repository())
    castool.environment["HF_HUB_OFFLINE"] = "1"
    offline = serve("--registry")
    for path in ("/v2/library/tiny/manifests/latest", "/api/models/acme/pets",
                 "/acme/pets/resolve/main/config.json"):
        assert offline.get(path).status == 404, path
    assert hub.log() == []
    del castool.environment["HF_HUB_OFFLINE"]
    server = serve("--registry")
    for path, status, code in [
            ("/api/models/acme/none", 404, "RepoNotFound"), ("/acme/none/resolve/main/a", 404, "RepoNotFound"),
            ("/api/models/acme/gated", 403, "GatedRepo"), ("/api/models/..%2Fx/y", 404, "RepoNotFound"),
            ("/api/models/acme/pets/revision/v9", 404, "RevisionNotFound")]:
        answer = server.get(path)
        assert (answer.status, answer.headers["x-error-code"]) == (status, code), path
    for path in ("/v2/library/none/manifests/latest", "/v2/evil.example/x/manifests/latest",
                 f"/v2/library/tiny/manifests/sha256:{'1' * 64}"):
        assert server.get(path).status == 404, path
    # Misses are remembered: asking again asks nobody.
    requests = len(hub.log())
    assert server.get("/v2/library/none/manifests/latest").status == 404
    assert len(hub.log()) == requests
    # Nobody answering is not the same as not being there.
    hub.stop()
    castool.environment["CASTOOL_TIME_SCALE"] = "0.1"
    impatient = serve("--registry")
    for path in ("/v2/library/tiny/manifests/latest", "/api/models/acme/pets"):
        assert impatient.get(path).status == 502, path
    hub.start(*hub.ports())


def test_many_ask_at_once(serve, hub):
    """Forty clients of one model that is not here: its origin is asked once."""
    _, layer = add_model(hub)
    server = serve("--registry")
    got = []

    def fetch():
        assert server.get("/v2/library/tiny/manifests/latest").status == 200
        got.append(hashlib.sha256(server.get(f"/v2/library/tiny/blobs/{layer['digest']}").body).hexdigest())

    threads = [threading.Thread(target=fetch) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT)
    assert got == [layer["digest"][7:]] * 40
    assert len(hub.log(target="/manifests/")) == 1
    assert hub.bytes_sent(origin="cdn") < 1.5 * layer["size"]


def test_a_real_registry_behind_it(serve, docker_registry, castool, tmp_path):
    """Debian's docker-registry as the origin."""
    content = models.gguf(tensor_bytes=2 * MIB)
    digest = docker_registry.push_blob("library/tiny", content)
    config = docker_registry.push_blob("library/tiny", b"{}")
    text = json.dumps({
        "schemaVersion": 2, "mediaType": docker_registry.MANIFEST_TYPE,
        "config": {"mediaType": "application/vnd.docker.container.image.v1+json", "digest": config, "size": 2},
        "layers": [{"mediaType": "application/vnd.ollama.image.model", "digest": digest,
                    "size": len(content)}]})
    docker_registry.push_manifest("library/tiny", "latest", text)
    castool.environment["CASTOOL_OLLAMA_REGISTRY"] = docker_registry.url
    server = serve("--registry")
    outcome = castool.run("pull", "--json", "tiny", env=second(server, tmp_path)).json[-1]
    assert outcome["manifest"] == "sha256:" + hashlib.sha256(text.encode()).hexdigest()
    assert outcome["bytes_fetched"] == len(content) + 2
