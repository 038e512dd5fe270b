"""A blob that does not hash to its name: which chunks are bad is found out, and only they change."""

import pytest

import checks
import models
from hub import Synthetic
from running_pull import RunningPull, finish_all

MIB = 1 << 20
SIZE = 12 * MIB + 345


@pytest.fixture(params=["hub", "registry"])
def model(request, hub, castool):
    """(name, file, digest) of a model whose large file comes from the CDN."""
    # Not less: a machine that stands still for a moment would be taken for an origin that does.
    castool.environment["CASTOOL_TIME_SCALE"] = "0.2"
    source = Synthetic(SIZE, 8)
    hub.add_repository("acme/m", {"weights.bin": source})
    digest = checks.digest_of(source, hub)
    if request.param == "hub":
        return "acme/m", source, digest
    hub.add_model("library/m:latest", *models.registry_model(source, model_digest=digest))
    return "m", source, digest


def asked_for(hub):
    """(first byte, last byte) of each range that the CDN was asked for, but the registry's look at
    one byte."""
    found = []
    for entry in hub.log(origin="cdn", method="GET"):
        if entry["range"]:
            first, last = entry["range"].removeprefix("bytes=").split("-")
            if first != last:
                found.append((int(first), int(last)))
    return found


def times_asked(hub, offset):
    return sum(first <= offset <= last for first, last in asked_for(hub))


def assert_pulled(hub, castool, model, *words):
    name, source, digest = model
    outcome = castool.run("pull", "--json", *words, name).json[-1]
    checks.assert_same_file(checks.blob_path(castool.store, digest), source, hub)
    checks.assert_blobs_are_right(castool.store)
    assert list((castool.store / "partials").iterdir()) == []
    return outcome


@pytest.mark.parametrize("connections", [1, 16])
@pytest.mark.parametrize("offsets", [[3], [5 * MIB + 3], [SIZE - 1], [1, 11 * MIB]])
def test_flipped_once(hub, castool, model, connections, offsets):
    for offset in offsets:
        hub.fault({"flip_at": offset}, origin="cdn", ranged=True)
    assert_pulled(hub, castool, model, "--connections", connections)
    assert hub.fault_hits() == [1] * len(offsets)
    # The second copy that shows which chunks are bad is what they are mended with.
    assert hub.bytes_sent(origin="cdn") <= 2 * SIZE + 64 * 1024
    assert all(times_asked(hub, offset) == 2 for offset in range(0, SIZE, MIB // 2))


def test_flipped_in_both_copies(hub, castool, model):
    bad = [2 * MIB + 7, 9 * MIB]
    hub.fault({"flip_at": bad[0]}, origin="cdn", ranged=True, covers=bad[0])
    hub.fault({"flip_at": bad[1]}, origin="cdn", ranged=True, covers=bad[1], after=1)
    assert_pulled(hub, castool, model)
    assert hub.fault_hits() == [1, 1]
    # Of the two chunks that the copies disagree about, and of no other, there was a third.
    for chunk in range(0, SIZE, MIB):
        disputed = any(chunk <= offset < chunk + MIB for offset in bad)
        assert times_asked(hub, chunk) == (3 if disputed else 2), chunk
    assert hub.bytes_sent(origin="cdn") <= 2 * SIZE + 2 * MIB + 64 * 1024


@pytest.mark.parametrize("connections", [1, 16])
def test_wrong_for_ever(hub, castool, model, connections):
    name, _, digest = model
    hub.fault({"flip_at": 5 * MIB}, times=-1, origin="cdn", ranged=True)
    outcome = castool.run("pull", "-q", "--json", "--connections", connections, name, status=None)
    line = checks.assert_error(outcome, 65, "digest_mismatch", digest, "127.0.0.1",
                               f"every chunk of 0+{SIZE}", "nothing was published")
    assert "got sha256:" in line
    assert outcome.json[-1]["error"]["digest"] == digest
    assert castool.run("ls", "--json").out == ""
    assert not checks.blob_path(castool.store, digest).exists()
    # One more download tells that it is the origin, and no further one.
    assert hub.bytes_sent(origin="cdn") <= 2 * SIZE + 64 * 1024
    assert all(times_asked(hub, offset) == 2 for offset in range(0, SIZE, MIB // 2))
    # Nothing of it is believed later.
    hub.clear_faults()
    outcome = assert_pulled(hub, castool, model)
    assert outcome["bytes_fetched"] >= SIZE


def test_another_garbage_every_time(hub, castool, model):
    name, _, digest = model
    hub.fault({"flip_at": [i * MIB + 1 for i in range(12)]}, origin="cdn", ranged=True, covers=0)
    hub.fault({"flip_at": [i * MIB + 2 for i in range(12)]}, times=-1, origin="cdn", ranged=True)
    words = ["pull", "-q", "--json", "--connections", "1", name]
    outcome = castool.run(*words, status=None)
    checks.assert_error(outcome, 65, "digest_mismatch", digest, "127.0.0.1",
                        "two copies differ in the chunks 0+1048576")
    assert not checks.blob_path(castool.store, digest).exists()
    assert hub.bytes_sent(origin="cdn") <= 3 * SIZE
    hub.clear_faults()
    assert_pulled(hub, castool, model)


def test_several_processes_mend_one_blob(hub, castool, model):
    name, source, digest = model
    hub.settings(bytes_per_second=MIB)
    castool.environment["CASTOOL_TIME_SCALE"] = "0.2"  # of how long one waits for another
    hub.fault({"flip_at": 5 * MIB + 3}, origin="cdn", ranged=True)
    finish_all([RunningPull(castool, "--connections", 4, name) for _ in range(3)])
    checks.assert_same_file(checks.blob_path(castool.store, digest), source, hub)
    assert hub.fault_hits() == [1]
    assert hub.bytes_sent(origin="cdn") <= 2.05 * SIZE
