"""What goes wrong at the origin: one clear line, the right status, nothing written elsewhere."""

import json
import os
import socket

import pytest

import checks
import harness
import models
from hub import Synthetic

MIB = 1 << 20
TOKEN = "hf_testTokenOfTheErrors"
OID = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(autouse=True)
def nothing_outside(castool, request):
    """Whatever the test pulls, no file around the store appears, changes or goes."""
    (castool.folder / "beside").mkdir()
    (castool.folder / "beside" / "x").write_text("canary")
    (castool.folder / "x").write_text("canary")
    before = checks.snapshot(castool.folder.parent, leave_out=[castool.store])
    yield
    castool.end_all()
    after = checks.snapshot(castool.folder.parent, leave_out=[castool.store])
    # The store itself is a new entry of its parent.
    parent = os.path.join(castool.folder, ".")
    before.pop(parent), after.pop(parent)
    assert after == before


def nothing_published(castool):
    assert castool.run("ls", "--json").out == ""
    return True


def fail(castool, source, status, word, *said, env=None, words=()):
    outcome = castool.run("pull", "--json", *words, source, env=env, status=None, timeout=60)
    line = checks.assert_error(outcome, status, word, *said)
    assert line.startswith("castool: pull ")
    assert nothing_published(castool)
    return outcome.json[-1]["error"]


def tree(*paths, **changes):
    """A tree answer of the Hub with one small regular file per path."""
    return json.dumps([{"type": "file", "oid": OID, "size": 3, "path": path} | changes
                       for path in paths])


# What the Hub says

HUB_REFUSALS = {
    "unknown, anonymous": ("acme/none", None, {}, 66, "not_found", "HF_TOKEN"),
    "unknown, with a token": ("acme/none", TOKEN, {}, 66, "not_found", "acme/none"),
    "private, anonymous": ("acme/m", None, {"private": True, "tokens": [TOKEN]}, 66, "not_found",
                           "HF_TOKEN"),
    "private, without access": ("acme/m", TOKEN, {"private": True, "tokens": ["x"]}, 66,
                                "not_found", "acme/m"),
    "bad token": ("acme/m", "hf_wrong", {}, 77, "unauthorized", "HF_TOKEN"),
    "gated, anonymous": ("acme/m", None, {"gated": "auto"}, 77, "gated", "HF_TOKEN"),
    "gated, without access": ("acme/m", TOKEN, {"gated": "manual", "tokens": ["x"]}, 77, "gated",
                              "acme/m"),
    "disabled": ("acme/m", None, {"disabled": True}, 77, "unauthorized", "disabled"),
    "no such branch": ("acme/m@nope", None, {}, 66, "not_found", "nope"),
    "no such commit": ("acme/m@" + "0" * 40, None, {}, 66, "not_found", "0" * 40),
    "no such pull request": ("acme/m@refs/pr/9", None, {}, 66, "not_found", "refs/pr/9"),
}


@pytest.mark.parametrize("case", HUB_REFUSALS)
def test_the_hub_refuses(hub, castool, case):
    source, token, circumstances, status, word, said = HUB_REFUSALS[case]
    hub.settings(tokens=[TOKEN, "x"])
    hub.add_repository("acme/m", models.small_repository(), **circumstances)
    env = {"HF_TOKEN": token} if token else {}
    fail(castool, source, status, word, said, env=env)
    assert not [entry for entry in hub.log(origin="cdn") if entry["bytes_sent"] > 1000]


def test_a_gated_model_with_access(hub, castool):
    hub.settings(tokens=[TOKEN])
    hub.add_repository("acme/m", models.small_repository(), gated="auto", tokens=[TOKEN])
    castool.run("pull", "acme/m", env={"HF_TOKEN": TOKEN})
    # What one caller may have is not given to another, though the bytes are here.
    outcome = castool.run("pull", "--json", "--name", "mine", "acme/m", status=None)
    checks.assert_error(outcome, 77, "gated")


@pytest.mark.parametrize("status,exit_status,word", [
    (403, 77, "unauthorized"), (404, 66, "not_found"), (410, 66, "not_found"),
    (451, 77, "unauthorized"), (500, 69, "unavailable"), (503, 69, "unavailable"),
    (418, 69, "unavailable")])
@pytest.mark.parametrize("target", ["/api/models/acme/m/revision", "/tree/", "/resolve/"])
def test_status_of_the_hub(hub, castool, target, status, exit_status, word):
    castool.environment["CASTOOL_TIME_SCALE"] = "0.01"
    hub.add_repository("acme/m", models.small_repository())
    hub.fault({"status": status}, target=target, times=-1)
    fail(castool, "acme/m", exit_status, word)
    assert len(hub.log(target=target)) <= 100  # gives up: 16 at once, a few times each


# Answers that are none; cut ones and other people's are rows 40 and 41 in faults/

@pytest.mark.parametrize("target", ["/api/models/acme/m/revision", "/tree/", "/manifests/"])
def test_json_deeper_than_anybody_means_it(hub, castool, target):
    hub.add_repository("acme/m", models.small_repository())
    hub.add_model("library/m:latest", *models.registry_model())
    hub.fault({"body": "[" * 100_000, "status": 200}, target=target, times=-1)
    fail(castool, "m" if target == "/manifests/" else "acme/m", 65, "bad_manifest")


@pytest.mark.parametrize("times", [1, -1], ids=["once", "always"])
def test_data_that_are_not_http(hub, castool, times):
    castool.environment["CASTOOL_TIME_SCALE"] = "0.01"
    hub.add_repository("acme/m", {"w.bin": Synthetic(4 * MIB, 1)})
    hub.fault({"raw": "hello\r\n"}, origin="cdn", times=times)
    if times == 1:
        castool.run("pull", "acme/m")
        assert hub.fault_hits() == [1]
    else:
        fail(castool, "acme/m", 69, "unavailable")
    checks.assert_blobs_are_right(castool.store)


def test_an_endless_file_takes_no_room(hub, castool):
    hub.add_repository("acme/m", {"config.json": '{"a": 1}'})
    hub.fault({"body": "x" * MIB, "status": 200}, target="/resolve/", times=-1)
    fail(castool, "acme/m", 65, "digest_mismatch")
    assert checks.assert_blobs_are_right(castool.store) == 0


@pytest.mark.parametrize("words", [
    {"sha": "main"}, {"sha": "../../etc"}, {"sha": 7}, {"id": "acme/../m"}, {"id": "/etc/passwd"},
    {"gated": 3}])
def test_wrong_words_about_a_repository(hub, castool, words):
    hub.add_repository("acme/m", models.small_repository())
    good = {"id": "acme/m", "sha": OID, "private": False, "gated": False}
    hub.fault({"body": json.dumps(good | words)}, target="/revision/", times=-1)
    fail(castool, "acme/m", 65, "bad_manifest")


# Names that would lead elsewhere

PATHS = ["../x", "beside/../../x", "/etc/castool", "/x", ".git/config", "a/.GIT/hooks/post-checkout",
         "a\\b", "..\\x", "nul\u0000byte", "line\nbreak", "tab\there", "", ".", "a/./b", "a//b", "a/",
         "x" * 256, "/".join("d" * 70), "y/" * 2100 + "z", "bell\u0007", "\u009b31m"]


@pytest.mark.parametrize("path", PATHS, ids=[repr(path[:20]) for path in PATHS])
def test_path_tricks(hub, castool, path):
    hub.add_repository("acme/m", models.small_repository())
    hub.fault({"body": tree("fine.txt", path)}, target="/tree/", times=-1)
    fail(castool, "acme/m", 65, "bad_manifest")
    assert hub.log(target="/resolve/") == []


@pytest.mark.parametrize("paths", [["a", "b", "a"], ["a", "a/b"], ["a/b/c", "a/b"]])
def test_paths_that_contradict_each_other(hub, castool, paths):
    hub.add_repository("acme/m", models.small_repository())
    hub.fault({"body": tree(*paths)}, target="/tree/", times=-1)
    fail(castool, "acme/m", 65, "bad_manifest")


@pytest.mark.parametrize("changes", [
    {"size": -1}, {"size": 2**64}, {"size": "3"}, {"oid": "../x"},
    {"oid": OID.upper()}, {"oid": OID[:-1]}, {"size": 3.5},
    {"lfs": {"oid": "../../x", "size": 3}}, {"lfs": {"oid": "A" * 64, "size": 3}},
    {"lfs": {"oid": "a" * 63, "size": 3}}, {"lfs": {"oid": "a" * 64, "size": 4}}])
def test_wrong_words_about_a_file(hub, castool, changes):
    hub.add_repository("acme/m", models.small_repository())
    hub.fault({"body": tree("x", **changes)}, target="/tree/", times=-1)
    fail(castool, "acme/m", 65, "bad_manifest")


def test_a_listing_that_never_ends(hub, castool):
    hub.add_repository("acme/m", models.small_repository())
    link = f'<{hub.url}/api/models/acme/m/tree/main?cursor=1>; rel="next"'
    hub.fault({"body": "[]", "headers": {"Link": link}}, target="/tree/", times=-1)
    fail(castool, "acme/m", 65, "bad_manifest")
    assert len(hub.log(target="/tree/")) <= 3


def test_the_next_page_is_asked_of_nobody_else(hub, castool):
    hub.settings(page_size=3, link_base=hub.cdn_url, tokens=[TOKEN])
    hub.add_repository("acme/m", models.small_repository())
    outcome = castool.run("pull", "--json", "acme/m", env={"HF_TOKEN": TOKEN}, status=None)
    assert outcome.status != 0
    assert hub.log(origin="cdn") == []


# Registry manifests

def manifest_with(**member):
    manifest, blobs = models.registry_model()
    parsed = json.loads(manifest)
    parsed["layers"][0] |= member
    return json.dumps(parsed).encode(), blobs


HEX = "0123456789abcdef" * 4
DIGESTS = ["sha256:../../../../x", "sha256:" + HEX[:-1], "sha256:" + HEX + "0",
           "sha256:" + HEX.upper(), "sha256-" + HEX, HEX, "", "sha256:" + HEX[:-1] + "\u0000",
           "sha256:%2e%2e" + HEX[:58], "SHA256:" + HEX, "../" + HEX, "md5:" + HEX[:32]]


@pytest.mark.parametrize("digest", DIGESTS)
def test_digest_tricks(hub, castool, digest):
    hub.add_model("library/m:latest", *manifest_with(digest=digest))
    fail(castool, "m", 65, "bad_manifest")
    assert hub.log(target="/blobs/") == []


@pytest.mark.parametrize("member,status,word", [
    ({"size": -5}, 65, "bad_manifest"), ({"size": 2**63}, 65, "bad_manifest"),
    ({"size": "7"}, 65, "bad_manifest")])
def test_wrong_words_about_a_layer(hub, castool, member, status, word):
    hub.add_model("library/m:latest", *manifest_with(**member))
    fail(castool, "m", status, word)


@pytest.mark.parametrize("changes,status,word", [
    ({"layers": 7}, 65, "bad_manifest"), ({"config": None}, 65, "bad_manifest"),
    ({"manifests": []}, 65, "bad_manifest"),
    ({"annotations": "x" * (4 << 20)}, 65, "bad_manifest")])
def test_manifests_that_are_none(hub, castool, changes, status, word):
    hub.add_model("library/m:latest", *models.registry_model(**changes))
    fail(castool, "m", status, word)


def test_a_digest_with_two_sizes(hub, castool):
    manifest, blobs = models.registry_model()
    parsed = json.loads(manifest)
    parsed["layers"].append(parsed["layers"][0] | {"size": 5})
    hub.add_model("library/m:latest", json.dumps(parsed).encode(), blobs)
    fail(castool, "m", 65, "bad_manifest")


@pytest.mark.parametrize("source", ["none", "m:none", "acme/none:v1"])
def test_no_such_model_or_tag(hub, castool, source):
    hub.add_model("library/m:latest", *models.registry_model())
    fail(castool, source, 66, "not_found", "file does not exist")


def test_a_blob_that_the_registry_lost(hub, castool):
    manifest, blobs = models.registry_model()
    hub.add_model("library/m:latest", manifest, blobs[1:])
    error = fail(castool, "m", 66, "not_found")
    assert error["digest"] == checks.digest_of(blobs[0])


# No origin at all

@pytest.mark.parametrize("source", ["acme/m", "m"])
@pytest.mark.parametrize("address", ["refused", "http://no-such-host.invalid", "not http"])
def test_nobody_answers(castool, source, address):
    castool.environment["CASTOOL_TIME_SCALE"] = "0.01"
    listener = socket.create_server(("127.0.0.1", 0))
    if address == "refused":
        address = f"http://127.0.0.1:{harness.free_port()}"
    elif address == "not http":
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"  # accepts and says nothing
    env = {"HF_ENDPOINT": address, "CASTOOL_OLLAMA_REGISTRY": address}
    try:
        error = fail(castool, source, 69, "unavailable", env=env)
        assert error["url"].startswith(address)
    finally:
        listener.close()
