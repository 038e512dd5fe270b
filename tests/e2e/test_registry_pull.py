"""Pulls from Ollama registries: the test hub's, with signed tokens, and Debian's docker-registry."""

import json
import os
import subprocess

import pytest

import checks
import models
from hub import Synthetic

MIB = 1 << 20
MODEL = "application/vnd.ollama.image.model"
TEMPLATE = "application/vnd.ollama.image.template"


def pull(castool, *words, **options):
    """The last object of `pull --json`."""
    return castool.run("pull", "--json", *words, **options).json[-1]


def layer_digests(manifest):
    parsed = json.loads(manifest)
    return [parsed["config"]["digest"], *(layer["digest"] for layer in parsed["layers"])]


@pytest.fixture
def signing_key(castool):
    """An Ollama key in castool's home directory; its private lines."""
    folder = castool.folder / "home" / ".ollama"
    folder.mkdir()
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test",
                    "-f", str(folder / "id_ed25519")], check=True, stdin=subprocess.DEVNULL)
    return (folder / "id_ed25519").read_text().splitlines()[1:-1]


def test_from_a_real_registry(docker_registry, castool, mountpoint):
    layers = [(MODEL, models.gguf(tensor_bytes=24 * MIB)), (TEMPLATE, b"{{ .Prompt }}")]
    text = docker_registry.push_model("library/real", "v1", layers, config=b'{"a":1}')
    outcome = pull(castool, f"{docker_registry.url}/library/real:v1")
    name = f"{docker_registry.host}/library/real:v1"
    assert (outcome["name"], outcome["files"]) == (name, 3)
    assert outcome["manifest"] == checks.digest_of(text)
    assert outcome["bytes"] == outcome["bytes_fetched"] == sum(len(b) for _, b in layers) + 7

    castool.run("mount", "--layout", "ollama", mountpoint)
    place = mountpoint / "manifests" / docker_registry.host / "library/real/v1"
    assert place.read_bytes() == text.encode()
    files = {"sha256-" + checks.digest_of(content)[7:]: content
             for content in [b'{"a":1}', *(content for _, content in layers)]}
    checks.assert_same_tree(mountpoint / "blobs", files)

    again = pull(castool, f"{docker_registry.url}/library/real:v1")
    assert (again["bytes_fetched"], again["manifest"]) == (0, outcome["manifest"])


def test_the_manifest_is_kept_to_the_byte(hub, castool, mountpoint):
    tight, blobs = models.registry_model()
    # Other spacing, order and members than ours: what counts is what the registry said.
    loose = b"\n " + json.dumps({"annotations": {"x": "\u00e9"}} | json.loads(tight),
                                indent=3).encode() + b"\n\n"
    digest = hub.add_model("acme/loose:q4", loose, blobs)
    outcome = pull(castool, "acme/loose:q4")
    assert (outcome["name"], outcome["manifest"]) == ("acme/loose:q4", digest)
    castool.run("mount", "--layout", "ollama", mountpoint)
    place = mountpoint / "manifests/registry.ollama.ai/acme/loose/q4"
    assert place.read_bytes() == loose
    assert checks.blob_path(castool.store, digest).read_bytes() == loose


@pytest.mark.parametrize("source,model,name", [
    ("tiny", "library/tiny:latest", "tiny:latest"),
    ("tiny:v2", "library/tiny:v2", "tiny:v2"),
    ("library/tiny:v2", "library/tiny:v2", "tiny:v2"),
    ("acme/tiny:v2", "acme/tiny:v2", "acme/tiny:v2"),
    ("ollama://acme/tiny", "acme/tiny:latest", "acme/tiny:latest"),
    ("registry.ollama.ai/acme/tiny:v2", "acme/tiny:v2", "acme/tiny:v2"),
    ("hf.co/acme/tiny:Q4_K_M", "acme/tiny:Q4_K_M", "hf.co/acme/tiny:Q4_K_M"),
])
def test_names(hub, castool, source, model, name):
    digest = hub.add_model(model, *models.registry_model())
    outcome = pull(castool, source)
    assert (outcome["name"], outcome["manifest"]) == (name, digest)
    assert castool.run("show", "--json", name).json[0]["manifest"] == digest


def test_from_ollama_decides_for_a_name_with_a_slash(hub, castool):
    hub.add_model("acme/tiny:latest", *models.registry_model())
    assert pull(castool, "--from", "ollama", "acme/tiny")["name"] == "acme/tiny:latest"


@pytest.mark.parametrize("style", ["redirect", "found", "direct", "location"])
def test_every_way_to_hand_out_a_blob(hub, castool, style):
    gguf = models.gguf(tensor_bytes=12 * MIB)
    hub.settings(blob_style=style)
    manifest, blobs = models.registry_model(gguf)
    hub.add_model("library/tiny:latest", manifest, blobs)
    castool.run("pull", "tiny")
    for digest, content in zip(layer_digests(manifest), blobs, strict=True):
        assert checks.blob_path(castool.store, digest).read_bytes() == content
    assert bool(hub.log(origin="cdn")) == (style in ("redirect", "found"))
    assert hub.bytes_sent() < len(gguf) + MIB


def test_signed_tokens(hub, castool, signing_key):
    hub.settings(registry_auth=True)
    manifest, blobs = models.registry_model(models.gguf(tensor_bytes=6 * MIB))
    hub.add_model("library/tiny:latest", manifest, blobs)
    outcome = castool.run("pull", "-vv", "tiny")
    # One token does for the manifest and all blobs, and stays with the registry.
    assert [entry["status"] for entry in hub.log(target="/v2/token")] == [200]
    assert hub.log(origin="cdn") and hub.log(origin="cdn", authorization=True) == []
    assert hub.log(target="/blobs/", status=401) == []
    for line in signing_key:
        checks.assert_nowhere(line, outcome.out, outcome.err, folders=[castool.store])
    checks.assert_nowhere("registry-token-", outcome.out, outcome.err, folders=[castool.store])
    checks.assert_blobs_are_right(castool.store)


def test_a_token_that_ends_is_renewed(hub, castool, signing_key):
    hub.settings(registry_auth=True, blob_style="direct")
    gguf = models.gguf(tensor_bytes=32 * MIB)
    manifest, blobs = models.registry_model(gguf)
    hub.add_model("library/tiny:latest", manifest, blobs)
    process = castool.start("pull", "-q", "--limit-rate", "16M", "tiny")
    hub.wait_for_request(target=checks.digest_of(gguf), status=206, count=4)
    hub.revoke_tokens()
    assert process.wait(60) == 0
    assert 2 <= len(hub.log(target="/v2/token", status=200)) <= 4
    assert hub.log(target=checks.digest_of(gguf), status=401)
    assert checks.blob_path(castool.store, checks.digest_of(gguf)).read_bytes() == gguf


def test_without_a_key_a_registry_that_wants_one_refuses(hub, castool):
    hub.settings(registry_auth=True)
    hub.add_model("library/tiny:latest", *models.registry_model())
    checks.assert_error(castool.run("pull", "--json", "tiny", status=None), 77, "unauthorized")


def test_the_signature_goes_to_no_foreign_realm(hub, castool, signing_key):
    hub.settings(registry_auth=True, realm=f"{hub.cdn_url}/v2/token")
    hub.add_model("library/tiny:latest", *models.registry_model())
    checks.assert_error(castool.run("pull", "--json", "tiny", status=None), 77, "unauthorized")
    assert hub.log(origin="cdn") == []


@pytest.mark.parametrize("first,second", [("acme/gguf", "tiny"), ("tiny", "acme/gguf")])
def test_a_blob_of_two_sources_comes_once(hub, castool, first, second):
    gguf = models.gguf(tensor_bytes=16 * MIB)
    hub.add_repository("acme/gguf", {"README.md": "r", "tiny-F32.gguf": gguf})
    hub.add_model("library/tiny:latest", *models.registry_model(gguf))
    one = pull(castool, first)
    assert one["bytes_reused"] == 0
    hub.clear_log()
    two = pull(castool, second)
    assert two["bytes_reused"] == len(gguf)
    assert two["bytes_fetched"] == two["bytes"] - len(gguf)
    # Whoever lets an origin prove that it has the blob may ask for a little of it.
    assert hub.bytes_sent() < len(gguf) // 20
    assert [ref["state"] for ref in castool.run("ls", "--json").json] == ["complete"] * 2
    usage = castool.run("df", "--json").json[0]
    assert usage["saved_bytes"] > 0.99 * len(gguf) - 10_000


def test_a_moved_tag_costs_what_changed(hub, castool):
    gguf = models.gguf(tensor_bytes=4 * MIB)
    manifest, blobs = models.registry_model(gguf)
    hub.add_model("library/tiny:latest", manifest, blobs)
    pull(castool, "tiny")
    template = b"another {{ .Prompt }}"
    changed = json.loads(manifest)
    changed["layers"][1] |= {"digest": checks.digest_of(template), "size": len(template)}
    text = json.dumps(changed).encode()
    hub.add_model("library/tiny:latest", text, [*blobs[:2], template, *blobs[3:]])
    hub.clear_log()
    outcome = pull(castool, "tiny")
    assert outcome["manifest"] == checks.digest_of(text)
    assert outcome["bytes_fetched"] == len(template)
    assert hub.bytes_sent(target=checks.digest_of(gguf)[7:]) == 0


def test_two_models_share_their_layers(hub, castool):
    gguf = models.gguf(tensor_bytes=4 * MIB)
    manifest, blobs = models.registry_model(gguf)
    for tag in ("one", "two"):
        hub.add_model(f"library/tiny:{tag}", manifest, blobs)
    pull(castool, "tiny:one")
    assert pull(castool, "tiny:two")["bytes_fetched"] == 0
    usage = castool.run("df", "--json").json[0]
    assert usage["refs"] == 2
    assert usage["saved_bytes"] >= len(gguf) - len(manifest)  # manifests are stored as well


def test_a_layer_listed_twice_comes_once(hub, castool):
    gguf = models.gguf(tensor_bytes=2 * MIB)
    manifest, blobs = models.registry_model(gguf)
    parsed = json.loads(manifest)
    parsed["layers"].append(parsed["layers"][0])
    hub.add_model("library/tiny:latest", json.dumps(parsed).encode(), blobs)
    pull(castool, "tiny")
    assert hub.bytes_sent(origin="cdn") < len(gguf) + MIB
    assert checks.blob_path(castool.store, checks.digest_of(gguf)).read_bytes() == gguf


def test_an_empty_layer_is_not_asked_for(hub, castool):
    manifest, blobs = models.registry_model()
    parsed = json.loads(manifest)
    empty = checks.digest_of(b"")
    parsed["layers"][3] |= {"digest": empty, "size": 0}
    hub.add_model("library/tiny:latest", json.dumps(parsed).encode(), blobs[:4])
    pull(castool, "tiny")
    assert hub.log(target=empty[7:]) == []
    assert checks.blob_path(castool.store, empty).read_bytes() == b""


def test_two_hundred_megabytes(hub, castool, mountpoint):
    model = Synthetic(checks.scaled(200 * MIB), 9)
    hub.add_repository("acme/anything", {"weights.bin": model})  # makes the hub tell the digest
    digest = checks.digest_of(model, hub)
    manifest, blobs = models.registry_model(model, model_digest=digest)
    hub.add_model("library/large:latest", manifest, blobs)
    castool.run("pull", "large")
    castool.run("mount", mountpoint)
    checks.assert_same_file(mountpoint / "library/large:latest/large-latest.gguf", model, hub)
    assert os.getxattr(mountpoint / "library/large:latest/large-latest.gguf",
                       "user.castool.sha256").decode() == digest[7:]
