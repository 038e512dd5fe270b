"""serve --registry: other hosts, here another castool and curl, pull from what this store has."""

import hashlib
import json
import subprocess

import checks
import models

MIB = 1 << 20


def curl(*words):
    done = subprocess.run(["curl", "-sS", "--max-time", "60", *words], check=True, capture_output=True)
    return done.stdout


def filled(serve, hub, *words):
    """A server that has a model of a registry and a repository; its manifest and files."""
    manifest, blobs = models.registry_model(models.gguf(tensor_bytes=3 * MIB))
    hub.add_model("library/tiny:latest", manifest, blobs)
    files = models.small_repository()
    files["weights/big.safetensors"] = models.noise(3 * MIB)
    hub.add_repository("acme/pets", files)
    server = serve("--registry", *words)
    assert server.pull("tiny").lines[-1] == {"status": "success"}
    assert server.pull("hf://acme/pets").lines[-1] == {"status": "success"}
    return server, manifest, files


def test_registry_protocol(serve, hub):
    server, manifest, _ = filled(serve, hub)
    base = f"{server.url}/v2/library/tiny"
    assert curl(f"{server.url}/v2/") == b"{}"
    assert curl(f"{base}/manifests/latest") == manifest
    digest = "sha256:" + hashlib.sha256(manifest).hexdigest()
    assert curl(f"{base}/manifests/{digest}") == manifest
    answer = server.ask("HEAD", "/v2/library/tiny/manifests/latest")
    assert answer.headers["docker-content-digest"] == digest
    assert answer.headers["content-length"] == str(len(manifest))
    assert answer.headers["content-type"] == "application/vnd.docker.distribution.manifest.v2+json"

    layer = json.loads(manifest)["layers"][0]
    target = f"/v2/library/tiny/blobs/{layer['digest']}"
    head = server.ask("HEAD", target)
    assert (head.status, head.headers["content-length"]) == (200, str(layer["size"]))
    whole = server.get(target)
    # What Ollama's own client needs of a 200, or it says "no Location header in response".
    assert whole.headers["location"] == target
    assert "sha256:" + hashlib.sha256(whole.body).hexdigest() == layer["digest"]
    for asked, first, last in [("bytes=0-0", 0, 0), ("bytes=100-199", 100, 199),
                               ("bytes=-5", layer["size"] - 5, layer["size"] - 1)]:
        part = server.get(target, Range=asked)
        assert (part.status, part.body) == (206, whole.body[first:last + 1])
        assert part.headers["content-range"] == f"bytes {first}-{last}/{layer['size']}"
    beyond = server.get(target, Range=f"bytes={layer['size']}-")
    assert (beyond.status, beyond.headers["content-range"]) == (416, f"bytes */{layer['size']}")

    for path, status in [("/v2/library/other/manifests/latest", 404), ("/v2/library/tiny/manifests/v9", 404),
                         (f"/v2/library/tiny/blobs/sha256:{'0' * 64}", 404),
                         ("/v2/library/tiny/blobs/sha256:..%2F..%2Fformat", 400),
                         ("/v2/library/tiny/blobs/../../format", 400), ("/v2/x", 404)]:
        answer = server.get(path)
        assert answer.status == status and answer.json["errors"][0]["message"], path
    assert server.ask("POST", "/v2/library/tiny/blobs/uploads/", "").status == 404


def test_the_same_rules_hold(serve, hub, castool):
    file = castool.folder / "token"
    file.write_text("origin-token")
    file.chmod(0o600)
    server = serve("--registry", "--auth-token-file", file)
    assert server.get("/v2/").status == 401
    assert server.get("/v2/", Authorization="Bearer origin-token").status == 200
    assert server.get("/v2/", Authorization="Bearer origin-token", Host="evil.example").status == 403
    plain = serve()
    assert plain.get("/v2/").status == 404  # only where it is asked for
    assert plain.get("/api/models/acme/pets").status == 404


def test_hub_endpoints(serve, hub):
    server, _, files = filled(serve, hub)
    info = server.get("/api/models/acme/pets").json
    assert info["id"] == "acme/pets" and len(info["sha"]) == 40
    assert {entry["rfilename"] for entry in info["siblings"]} == set(files)
    commit = info["sha"]
    assert server.get(f"/api/models/acme/pets/revision/{commit}").json == info
    assert server.get("/api/models/acme/pets/refs").json["branches"][0]["targetCommit"] == commit
    theirs = {entry["path"]: entry for entry in
              hub.get(f"/api/models/acme/pets/tree/{commit}?recursive=true").json()
              if entry["type"] == "file"}
    ours = {entry["path"]: entry for entry in
            server.get(f"/api/models/acme/pets/tree/{commit}?recursive=true").json
            if entry["type"] == "file"}
    assert set(ours) == set(theirs)
    for path, entry in ours.items():
        assert (entry["size"], entry["oid"]) == (theirs[path]["size"], theirs[path]["oid"])
        assert entry.get("lfs", {}).get("oid") == theirs[path].get("lfs", {}).get("oid")
    top = {entry["path"] for entry in server.get(f"/api/models/acme/pets/tree/{commit}").json}
    assert top == {path.split("/")[0] for path in files}

    target = f"/acme/pets/resolve/{commit}/weights/big.safetensors"
    head = server.ask("HEAD", target)
    assert (head.status, head.headers["x-repo-commit"]) == (200, commit)
    assert head.headers["x-linked-etag"] == f'"{hashlib.sha256(files["weights/big.safetensors"]).hexdigest()}"'
    assert head.headers["content-length"] == head.headers["x-linked-size"] == str(3 * MIB)
    assert server.get(target, Range="bytes=10-19").body == files["weights/big.safetensors"][10:20]
    odd = server.get("/acme/pets/resolve/main/odd/100%25%20%231%3F.txt")
    assert odd.body.decode() == files["odd/100% #1?.txt"]
    assert server.get("/acme/pets/resolve/main/package/__init__.py").body == b""

    for path, code in [("/api/models/acme/none", "RepoNotFound"), ("/acme/none/resolve/main/a", "RepoNotFound"),
                       ("/api/models/acme/pets/revision/v2", "RevisionNotFound"),
                       ("/acme/pets/resolve/v2/a", "RevisionNotFound"),
                       ("/acme/pets/resolve/main/none.txt", "EntryNotFound"),
                       ("/acme/pets/resolve/main/../../../format", "EntryNotFound")]:
        answer = server.get(path)
        assert (answer.status, answer.headers["x-error-code"]) == (404, code), path


def test_castool_pulls_from_castool(serve, hub, castool, tmp_path):
    server, manifest, files = filled(serve, hub)
    requests = len(hub.log())
    there = {"HF_ENDPOINT": server.url, "CASTOOL_OLLAMA_REGISTRY": server.url,
             "CASTOOL_STORE": str(tmp_path / "second")}
    outcome = castool.run("pull", "--json", "tiny", env=there).json[-1]
    assert outcome["manifest"] == "sha256:" + hashlib.sha256(manifest).hexdigest()
    assert outcome["bytes_fetched"] == outcome["bytes"]
    outcome = castool.run("pull", "--json", "acme/pets", env=there).json[-1]
    assert outcome["bytes_fetched"] == outcome["bytes"] > 3 * MIB
    assert castool.run("pull", "acme/none", env=there, status=66).out == ""
    shown = castool.run("show", "--json", "acme/pets", env=there).json[0]
    assert {entry["path"]: entry["digest"] for entry in shown["files"]} == {
        path: checks.digest_of(content) for path, content in files.items()}
    assert len(hub.log()) == requests  # nothing came from the first origin


def test_what_is_unfinished_is_not_offered(serve, hub, castool):
    files = {"config.json": "{}", "big.safetensors": models.noise(3 * MIB)}
    hub.add_repository("acme/lazy", files)
    castool.run("pull", "--lazy", "acme/lazy")
    server = serve("--registry")
    assert server.get("/api/models/acme/lazy").status == 404
    assert server.get("/acme/lazy/resolve/main/config.json").status == 404
    castool.run("pull", "acme/lazy")
    assert server.get("/api/models/acme/lazy").status == 200
