"""serve --registry: other hosts, here another castool and curl, pull from what this store has."""

import hashlib
import json
import subprocess

import pytest

import checks
import clients
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
    shown = castool.run("show", "--json", "acme/pets", env=there).json[0]
    assert {entry["path"]: entry["digest"] for entry in shown["files"]} == {
        path: checks.digest_of(content) for path, content in files.items()}
    assert len(hub.log()) == requests  # nothing came from the first origin
    assert castool.run("pull", "acme/none", env=there, status=66).out == ""


def test_what_is_unfinished(serve, hub, castool):
    """It is completed for who asks, unless nothing may be asked of its origin."""
    files = {"config.json": "{}", "big.safetensors": models.noise(3 * MIB)}
    hub.add_repository("acme/lazy", files)
    castool.run("pull", "--lazy", "acme/lazy")
    castool.environment["HF_HUB_OFFLINE"] = "1"
    offline = serve("--registry")
    assert offline.get("/api/models/acme/lazy").status == 404
    assert offline.get("/acme/lazy/resolve/main/config.json").status == 404
    del castool.environment["HF_HUB_OFFLINE"]
    server = serve("--registry")
    assert server.get("/acme/lazy/resolve/main/config.json").body == b"{}"
    assert server.get("/acme/lazy/resolve/main/big.safetensors").body == files["big.safetensors"]


def test_pages_of_a_tree(serve, hub, castool, tmp_path):
    files = {f"d{i // 100}/f{i}.txt": f"{i}\n" for i in range(1100)}
    hub.add_repository("acme/many", files)
    server = serve("--registry")
    assert server.pull("hf://acme/many").lines[-1] == {"status": "success"}

    def pages(target):
        found, count = [], 0
        while target:
            answer = server.get(target)
            assert answer.status == 200
            found += answer.json
            count += 1
            link = answer.headers.get("link", "")
            assert link == "" or (link.startswith(f"<{server.url}/") and link.endswith('>; rel="next"'))
            target = link[1 + len(server.url):link.index(">")] if link else ""
        return found, count

    found, count = pages("/api/models/acme/many/tree/main?recursive=true")
    assert count == 2
    assert sorted(entry["path"] for entry in found if entry["type"] == "file") == sorted(files)
    assert sum(entry["type"] == "directory" for entry in found) == 11
    found, count = pages("/api/models/acme/many/tree/main/d3?limit=30")
    assert count == 4 and len(found) == 100 and all(entry["path"].startswith("d3/") for entry in found)
    assert len(pages("/api/models/acme/many/tree/main")[0]) == 11
    assert server.get("/api/models/acme/many/tree/main/none").status == 404
    there = {"HF_ENDPOINT": server.url, "CASTOOL_STORE": str(tmp_path / "second")}
    assert castool.run("pull", "--json", "acme/many", env=there).json[-1]["files"] == 1100


def test_revisions(serve, hub):
    """What was pulled at a revision is not passed off as another one."""
    hub.add_repository("acme/pets", {"a.txt": "one"})
    commit = hub.add_repository("acme/pets", {"a.txt": "two"}, revision="refs/pr/1")
    server = serve("--registry")
    assert server.pull("hf://acme/pets@refs/pr/1").lines[-1] == {"status": "success"}
    for name in ("refs%2Fpr%2F1", commit):
        assert server.get(f"/acme/pets/resolve/{name}/a.txt").body == b"two"
        assert server.get(f"/api/models/acme/pets/revision/{name}").json["sha"] == commit
    for path in ("/acme/pets/resolve/main/a.txt", "/api/models/acme/pets/revision/main",
                 "/api/models/acme/pets/tree/main"):
        assert server.get(path).headers["x-error-code"] == "RevisionNotFound", path


PROGRAM = """
import hashlib, json, os, sys
import huggingface_hub as hub
from huggingface_hub.hf_api import RepoFile
api = hub.HfApi()
info = api.model_info("acme/pets", files_metadata=True)
tree = list(api.list_repo_tree("acme/pets", recursive=True))
many = sum(isinstance(entry, RepoFile) for entry in
           api.list_repo_tree("acme/many", recursive=True))
folder = hub.snapshot_download("acme/pets")
files = {}
for place, _, names in os.walk(folder):
    for one in names:
        path = os.path.join(place, one)
        files[os.path.relpath(path, folder)] = hashlib.sha256(open(path, "rb").read()).hexdigest()
single = open(hub.hf_hub_download("acme/pets", "config.json", revision=info.sha)).read()
errors = []
for ask in (lambda: hub.hf_hub_download("acme/pets", "none.txt"), lambda: api.model_info("acme/none"),
            lambda: hub.hf_hub_download("acme/pets", "config.json", revision="v9")):
    try:
        ask()
    except Exception as error:
        errors.append(type(error).__name__)
print(json.dumps({"sha": info.sha, "siblings": {s.rfilename: s.size for s in info.siblings}, "many": many,
                  "tree": sorted(e.path for e in tree if isinstance(e, RepoFile)),
                  "files": files, "single": single, "errors": errors}))
"""


@pytest.mark.parametrize("here", [True, False])
def test_huggingface_hub(serve, hub, tmp_path, here):
    """The real client, of what is here and of what is fetched for it."""
    clients.need("huggingface_hub")
    files = models.small_repository()
    files["weights/big.safetensors"] = models.noise(3 * MIB)
    commit = hub.add_repository("acme/pets", files)
    hub.add_repository("acme/many", {f"f{i}.txt": f"{i}\n" for i in range(1100)})
    server = serve("--registry")
    if here:
        for name in ("hf://acme/pets", "hf://acme/many"):
            assert server.pull(name).lines[-1] == {"status": "success"}
    said = json.loads(clients.run("-c", PROGRAM, HF_ENDPOINT=server.url, HF_HOME=str(tmp_path / "home"),
                                  HF_HUB_DISABLE_XET="1", HF_HUB_DISABLE_TELEMETRY="1",
                                  NO_PROXY="127.0.0.1", no_proxy="127.0.0.1"))
    contents = {path: checks.content(source) for path, source in files.items()}
    assert said["sha"] == commit and said["many"] == 1100 and said["single"] == files["config.json"]
    assert said["siblings"] == {path: len(content) for path, content in contents.items()}
    assert said["tree"] == sorted(files)
    assert said["files"] == {path: hashlib.sha256(content).hexdigest() for path, content in contents.items()}
    assert said["errors"] == ["RemoteEntryNotFoundError", "RepositoryNotFoundError", "RevisionNotFoundError"]
