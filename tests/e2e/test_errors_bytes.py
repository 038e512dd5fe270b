"""Bytes that are not what they should be: repaired when they can be, published never."""

import pytest

import checks
import models
from hub import Synthetic

MIB = 1 << 20


@pytest.fixture
def repository(hub, castool):
    """A repository with a file of several chunks, one of a part of a chunk and a regular one."""
    castool.environment["CASTOOL_TIME_SCALE"] = "0.02"
    files = {"large.bin": Synthetic(9 * MIB + 17, 4), "small.bin": models.noise(70_000, 2),
             "config.json": '{"hidden_size": 8}'}
    hub.add_repository("acme/m", files)
    return files


def assert_pulled(hub, castool, files):
    castool.run("pull", "acme/m")
    for source in files.values():
        path = checks.blob_path(castool.store, checks.digest_of(source, hub))
        checks.assert_same_file(path, source, hub)


def assert_mismatch(hub, castool, files, name):
    """Status 65, and the file is in nobody's reach."""
    # Quiet: the search for the bad chunks is worth a warning otherwise.
    outcome = castool.run("pull", "-q", "--json", "acme/m", status=None, timeout=60)
    checks.assert_error(outcome, 65, "digest_mismatch")
    assert castool.run("ls", "--json").out == ""
    assert not checks.blob_path(castool.store, checks.digest_of(files[name], hub)).exists()
    checks.assert_blobs_are_right(castool.store)
    return outcome.json[-1]["error"]


# What the CDN does to one request for a range.
ONCE = {
    "a flipped bit of a large file": {"flip_at": 5 * MIB + 3},
    "the last byte flipped": {"flip_at": 9 * MIB + 16},
    "several flipped": {"flip_at": [1, 2 * MIB, 7 * MIB]},
    "the range ignored": {"ignore_range": True},
    "another range": {"content_range": {"start": 1, "end": 1}},
    "another size": {"content_range": {"total": 1}},
    "shorter than asked": {"shorten": 1000},
    "a length that is too small": {"length_delta": -100},
    "a length that is too large": {"length_delta": 100, "close_after": True},
    "more than asked": {"extra_bytes": 5000},
    "multipart": {"multipart": True},
    "chunked without end": {"chunked_no_end": True},
    "garbled": {"garble": True},
    "compressed": {"headers": {"Content-Encoding": "gzip"}},
    "empty": {"status": 204, "body": ""},
    "no Content-Range": {"remove_headers": ["Content-Range"]},
    "416": {"status": 416},
    "403": {"status": 403},
    "404": {"status": 404},
    "closed": {"close": True},
    "not HTTP": {"raw": "hello\r\n"},
}


@pytest.mark.parametrize("case", ONCE)
def test_wrong_once(hub, castool, repository, case):
    hub.fault(ONCE[case], origin="cdn", ranged=True)
    assert_pulled(hub, castool, repository)
    assert hub.fault_hits() == [1]
    assert hub.bytes_sent(origin="cdn") <= 3.2 * checks.total_size(repository)


@pytest.mark.parametrize("name,target", [("small.bin", "/xet-bridge-us/"),
                                         ("config.json", "/resolve-cache/")])
def test_a_small_file_wrong_once(hub, castool, repository, name, target):
    hub.fault({"flip_at": 5}, target=target, ranged=False)
    assert_pulled(hub, castool, repository)
    assert hub.fault_hits() == [1]


@pytest.mark.parametrize("name,match", [
    ("large.bin", {"ranged": True}), ("small.bin", {"origin": "cdn", "ranged": False}),
    ("config.json", {"target": "/resolve-cache/"})])
def test_wrong_always(hub, castool, repository, name, match):
    flip = 5 * MIB if name == "large.bin" else 7
    hub.fault({"flip_at": flip}, times=-1, **match)
    error = assert_mismatch(hub, castool, repository, name)
    if name != "config.json":  # of a regular file only git's id is known
        assert error["digest"] == checks.digest_of(repository[name], hub)
    assert hub.fault_hits()[0] >= 2  # a second copy was looked at
    hub.clear_faults()
    assert_pulled(hub, castool, repository)


def test_an_origin_that_is_wrong_is_named(hub, castool, repository):
    hub.fault({"flip_at": 5 * MIB}, times=-1, ranged=True)
    error = assert_mismatch(hub, castool, repository, "large.bin")
    assert "127.0.0.1" in error["message"]
    assert error["digest"] in error["message"]


@pytest.mark.parametrize("action", [{"content_range": {"total": 5}}, {"status": 416}])
def test_a_size_that_cannot_be(hub, castool, repository, action):
    hub.fault(action, origin="cdn", ranged=True, times=-1)
    assert_mismatch(hub, castool, repository, "large.bin")


@pytest.mark.parametrize("headers", [{"X-Linked-Size": "5"},
                                     {"X-Linked-Etag": '"' + "ab" * 32 + '"'}])
def test_a_hub_that_contradicts_itself(hub, castool, repository, headers):
    hub.fault({"headers": headers}, method="HEAD", target="/large.bin", times=-1)
    assert_mismatch(hub, castool, repository, "large.bin")


@pytest.mark.parametrize("action,status", [
    ({"status": 404}, 66), ({"status": 500}, 69), ({"close": True}, 69),
    ({"redirect_loop": True}, 69), ({"raw": "hello\r\n"}, 69), ({"multipart": True}, 69)])
def test_an_origin_that_never_gives_the_bytes(hub, castool, repository, action, status):
    hub.fault(action, origin="cdn", ranged=True, times=-1)
    outcome = castool.run("pull", "--json", "acme/m", status=None, timeout=60)
    checks.assert_error(outcome, status, None)
    assert castool.run("ls", "--json").out == ""
    hub.clear_faults()
    assert_pulled(hub, castool, repository)


def test_a_registry_that_sends_other_bytes(hub, castool):
    gguf = models.gguf(tensor_bytes=3 * MIB)
    hub.add_model("library/m:latest", *models.registry_model(gguf))
    hub.fault({"flip_at": 2 * MIB}, origin="cdn", times=-1)
    outcome = castool.run("pull", "-q", "--json", "m", status=None)
    checks.assert_error(outcome, 65, "digest_mismatch")
    assert outcome.json[-1]["error"]["digest"] == checks.digest_of(gguf)
    assert castool.run("ls", "--json").out == ""


def test_an_endless_file_takes_no_room(hub, castool):
    hub.add_repository("acme/m", {"config.json": '{"a": 1}'})
    hub.fault({"body": "x" * MIB, "status": 200}, target="/resolve/", times=-1)
    outcome = castool.run("pull", "--json", "acme/m", status=None)
    checks.assert_error(outcome, 65, "digest_mismatch")
    assert checks.assert_blobs_are_right(castool.store) == 0
