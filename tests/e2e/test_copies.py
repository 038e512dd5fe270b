"""One copy of a blob at a time, ranges that are allowed, connections that move (rows 16, 26, 33)."""

import pytest

import checks
import models
from hub import Synthetic

MIB = 1 << 20
SIZE = 24 * MIB + 5


@pytest.fixture
def weights(hub):
    source = Synthetic(SIZE, 11)
    hub.add_repository("acme/m", {"weights.bin": source})
    hub.reset()
    return source


def assert_right(castool, hub, source):
    checks.assert_same_file(checks.blob_path(castool.store, checks.digest_of(source, hub)), source,
                            hub)


def test_a_trickle_is_replaced(hub, castool, weights):
    hub.fault({"trickle_bytes": 1000, "trickle_ms": 200}, origin="cdn", covers=SIZE // 2)
    # A connection is watched for 3 s.
    outcome = castool.run("pull", "--json", "acme/m",
                          env={"CASTOOL_TIME_SCALE": "0.05"}, timeout=60).json[-1]
    assert_right(castool, hub, weights)
    # At its rate the trickle would have taken minutes; what it gave is kept.
    assert outcome["seconds"] < 20
    assert outcome["bytes_fetched"] == SIZE
    [slow] = [entry for entry in hub.log(origin="cdn") if entry["faulted"]]
    first, last = map(int, slow["range"].removeprefix("bytes=").split("-"))
    again = [int(entry["range"].removeprefix("bytes=").split("-")[0])
             for entry in hub.log(origin="cdn") if not entry["faulted"]]
    assert any(first < offset <= last for offset in again)


def test_the_only_slow_link_is_not_replaced(hub, castool):
    source = models.noise(1 * MIB + 1)
    hub.add_repository("acme/m", {"weights.bin": source})
    hub.settings(bytes_per_second=200 * 1024)
    hub.reset()
    castool.run("pull", "--connections", "1", "acme/m", env={"CASTOOL_TIME_SCALE": "0.02"})
    assert_right(castool, hub, source)
    assert hub.bytes_sent(origin="cdn") == len(source)


def test_a_signature_that_covers_no_range(hub, castool, weights):
    hub.fault({"status": 403, "body": "<Code>InvalidRange</Code>"}, times=-1, origin="cdn",
              ranged=True)
    castool.run("pull", "acme/m", env={"CASTOOL_TIME_SCALE": "0.05"})
    assert_right(castool, hub, weights)
    [whole] = hub.log(origin="cdn", status=200)
    assert whole["bytes_sent"] == SIZE


def test_a_signature_that_is_good_for_nothing(hub, castool, weights):
    hub.fault({"status": 403, "body": "<Code>AccessDenied</Code>"}, times=-1, origin="cdn")
    outcome = castool.run("pull", "--json", "acme/m", status=None)
    checks.assert_error(outcome, 77, "unauthorized")
    # New addresses, a smaller range and the whole were tried before that.
    asked = [entry["range"] for entry in hub.log(origin="cdn")]
    assert asked[-1] in (None, "")
    assert len(hub.log(origin="hub", method="HEAD")) == 4
    assert castool.run("ls", "--json").out == ""
    hub.clear_faults()
    castool.run("pull", "acme/m")
    assert_right(castool, hub, weights)


@pytest.mark.parametrize("connections", [1, 16])
def test_the_version_changes_between_ranges(hub, castool, weights, connections):
    hub.fault({"etag": '"another"'}, origin="cdn", after=3, times=-1)
    castool.run("pull", "--connections", connections, "acme/m",
                env={"CASTOOL_TIME_SCALE": "0.05"})
    assert_right(castool, hub, weights)
    # What came of the first version was dropped, once; so was what was on its way when that was seen.
    assert SIZE < hub.bytes_sent(origin="cdn") <= 2 * SIZE + connections * MIB
    assert len(hub.log(origin="hub", method="HEAD")) == 2
    assert any("if-range" in {name.lower() for name in entry["headers"]}
               for entry in hub.log(origin="cdn"))
