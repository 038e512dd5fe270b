"""The installed binary runs, and the servers that other tests lean on work."""

import json
import urllib.request

import harness


def test_castool_says_what_it_is(castool):
    assert castool.run("--version").out.startswith("castool ")
    assert "pull" in castool.run("--help").out


def test_a_wrong_word_is_a_usage_error(castool):
    outcome = castool.run("no-such-command", status=64)
    assert outcome.out == ""
    assert outcome.err.startswith("castool: ")


def test_nginx_serves_ranges(nginx, tmp_path):
    (tmp_path / "www").mkdir()
    (tmp_path / "www" / "file").write_bytes(b"0123456789")
    server = nginx(tmp_path / "www")
    request = urllib.request.Request(f"{server.url}/file", headers={"Range": "bytes=2-4"})
    with urllib.request.urlopen(request) as answer:
        assert (answer.status, answer.read()) == (206, b"234")
    harness.wait_until(lambda: server.requests(), what="line of the access log")


def test_docker_registry_keeps_what_was_pushed(docker_registry):
    text = docker_registry.push_model("library/tiny", "latest",
                                      [("application/vnd.ollama.image.model", b"GGUF")])
    _, body = docker_registry.ask(
        "GET", f"{docker_registry.url}/v2/library/tiny/manifests/latest",
        headers={"Accept": docker_registry.MANIFEST_TYPE})
    assert body.decode() == text
    digest = json.loads(text)["layers"][0]["digest"]
    _, body = docker_registry.ask("GET", f"{docker_registry.url}/v2/library/tiny/blobs/{digest}")
    assert body == b"GGUF"


def test_the_hub_serves_a_repository(hub, castool):
    hub.add_repository("acme/tiny", {"config.json": b"{}"})
    address = f"{castool.environment['HF_ENDPOINT']}/api/models/acme/tiny"
    with urllib.request.urlopen(address) as answer:
        assert json.load(answer)["id"] == "acme/tiny"
