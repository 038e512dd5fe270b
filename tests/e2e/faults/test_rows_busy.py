"""Rows 18 to 20 and 60: an origin that asks to be left alone for a while."""

import contextlib

import pytest

import harness
import models
import rows
from hub import Synthetic
from rows import MIB

# Another large blob, so that other workers have something to ask for.
SECOND = Synthetic(5 * MIB + 3, 9)
BUSY = [408, 500, 502, 503, 504]


def began_after(entries, moment):
    return [entry["began_ms"] for entry in entries if entry["began_ms"] > moment]


@pytest.mark.parametrize("status", BUSY)
def test_row_18_burst_at_the_cdn(case, status):
    case.fault({"status": status}, 4)
    case.succeeds()
    assert case.hub.fault_hits() == [4]
    # Each wait is longer than the one before, and nobody asks the host meanwhile.
    assert case.hub.bytes_sent(origin="cdn") <= case.large.size + 100_000


@pytest.mark.parametrize("status", BUSY)
def test_row_18_burst_at_the_origin(case, status):
    case.fault({"status": status}, 3, target=case.metadata)
    case.succeeds()
    assert case.hub.fault_hits() == [3]


def test_row_18_retry_after_is_honoured(case):
    case.fault({"status": 503, "retry_after": 50}, 1)
    case.succeeds()
    [hit] = case.faulted()
    again = [entry for entry in case.ranges()
             if entry["range"] == hit["range"] and entry["seq"] > hit["seq"]]
    waited = again[0]["began_ms"] - hit["ended_ms"]
    assert 49_000 * case.scale <= waited <= 50_000 * case.scale + 3_000


def test_row_18_a_host_in_trouble_is_left_alone_by_all(case):
    case.put(case.large, SECOND)
    case.scale = 1
    case.hub.settings(bytes_per_second=6 * MIB)  # so that something is left to ask for
    case.fault({"status": 503}, 1, origin="cdn", ranged=True, range_from=2 * MIB)
    case.succeeds(within=30)
    [hit] = case.faulted()
    # The first wait is half a second at least. A request that was being made may still arrive.
    quiet = [began for began in began_after(case.ranges(), hit["ended_ms"] + 200)
             if began < hit["ended_ms"] + 500]
    assert quiet == []


@pytest.mark.parametrize("status", [500, 503])
def test_row_18_for_ever(case, status):
    case.scale = 0.005
    case.always({"status": status})
    case.fails(69, "unavailable", words=["--timeout", "2m"], within=900 * case.scale + 15)
    ranges = case.ranges_before_failure()
    assert len(ranges) <= 200 + case.connections


HINTS = {
    "seconds": {"retry_after": 60},
    "date": {"retry_after_date": 60},
    "RateLimit": {"headers": {"RateLimit": '"resolvers";r=0;t=60'}},
}


@pytest.mark.parametrize("hint", HINTS)
def test_row_19_waits_as_long_as_told_with_all_workers(case, hint):
    case.put(case.large, SECOND)
    case.hub.settings(bytes_per_second=6 * MIB)
    case.fault({"status": 429, **HINTS[hint]}, 1, origin="cdn", ranged=True, range_from=MIB)
    case.succeeds(within=30)
    [hit] = case.faulted()
    told = 60_000 * case.scale
    if hint == "date":
        told -= 1_000 * case.scale  # dates have no fractions
    # Those that were on their way then may come later.
    after = began_after(case.ranges(), hit["ended_ms"] + 500)
    assert after and hit["ended_ms"] + told - 20 <= min(after) <= hit["ended_ms"] + told + 3_000


@pytest.mark.parametrize("hint", HINTS)
def test_row_19_at_the_origin(case, hint):
    case.fault({"status": 429, **HINTS[hint]}, 1, target=case.metadata)
    case.succeeds()
    entries = case.hub.log(target=case.metadata)
    [hit] = [entry for entry in entries if entry["faulted"]]
    waited = min(began_after(entries, hit["ended_ms"])) - hit["ended_ms"]
    assert 58_500 * case.scale <= waited <= 61_000 * case.scale + 3_000


@pytest.mark.only("hub")
def test_row_19_small_files(case):
    """One of many small files is told to wait, and so are the others."""
    case.put(case.large, **models.many_files(60))
    case.hub.settings(latency_ms=20)
    case.fault({"status": 429, "retry_after": 60}, 1, target="/resolve/", method="GET")
    case.succeeds()
    entries = case.hub.log(origin="hub", target="/resolve/")
    [hit] = [entry for entry in entries if entry["faulted"]]
    # Those that were on their way then may come later.
    after = began_after(entries, hit["ended_ms"] + 500)
    assert after and hit["ended_ms"] + 60_000 * case.scale - 20 <= min(after)


@pytest.mark.parametrize("hint", [
    {"retry_after": 901}, {"retry_after_date": 1000},
    {"headers": {"RateLimit": '"resolvers";r=0;t=4000'}}], ids=HINTS)
@pytest.mark.parametrize("where", ["data", "metadata"])
def test_row_19_more_than_a_quarter_of_an_hour(case, hint, where):
    match = {"target": case.metadata} if where == "metadata" else {"origin": "cdn", "ranged": True}
    case.always({"status": 429, **hint}, **match)
    case.fails(69, "rate_limited")
    faulted = case.faulted_before_failure()
    assert len(faulted) <= case.connections


def test_row_20_without_a_hint(case):
    case.scale = 0.1
    case.fault({"status": 429}, 4)
    case.succeeds(within=30)
    assert case.hub.fault_hits() == [4]
    if case.connections == 1:
        hits = case.faulted()
        waits = [later["began_ms"] - earlier["ended_ms"] for earlier, later in zip(hits, hits[1:])]
        for number, wait in enumerate(waits):  # between half and all of 1, 2, 4 s
            assert 500 * 2**number * case.scale - 10 <= wait
            assert wait <= 1_000 * 2**number * case.scale + 1_000


def test_row_20_with_half_as_many_connections(case):
    case.put(Synthetic(16 * MIB + 17, 4))
    case.hub.settings(bytes_per_second=4 * MIB)
    case.fault({"status": 429}, 1, origin="cdn", ranged=True, range_from=5 * MIB)
    case.succeeds(within=40)
    [hit] = case.faulted()
    before = rows.most_at_once([entry for entry in case.ranges() if entry["seq"] <= hit["seq"]])
    # The next few requests, before the window may grow again.
    after = [entry for entry in case.ranges() if entry["began_ms"] > hit["ended_ms"] + 100]
    assert after
    # Not all that are allowed may have been under way; it begins with 8.
    before = max(before, min(case.connections, 8))
    assert rows.most_at_once(after[:6]) <= (before + 1) // 2


def test_row_20_for_ever(case):
    case.scale = 0.005
    case.always({"status": 429})
    case.fails(69, "rate_limited", within=900 * case.scale + 15)
    ranges = case.ranges_before_failure()
    assert len(ranges) <= 400


def test_row_20_for_ever_at_the_origin(case):
    case.always({"status": 429}, target=case.metadata)
    case.fails(69, "rate_limited")
    assert len(case.faulted_before_failure()) == 5


@pytest.mark.parametrize("most", [1, 2])
def test_row_60_connections_are_capped(case, most):
    case.put(Synthetic(12 * MIB + 17, 4))
    case.hub.reset()
    case.hub.settings(max_connections=most, bytes_per_second=8 * MIB)
    case.succeeds(within=40)
    lift_the_cap(case)
    stats = case.hub.stats()["cdn"]
    assert stats["peak"] <= most
    # It learns how many it may have, and does not knock again for each range.
    assert stats["refused"] <= 3 * case.connections


def test_row_60_small_files_are_capped(case):
    if case.at_hub:
        case.put(case.large, **models.many_files(40))
    case.hub.settings(max_connections=2)
    case.succeeds(within=40)
    lift_the_cap(case)


def lift_the_cap(case):
    """It holds for the test's own questions too, and castool's connections end a moment later."""
    def lifted():
        with contextlib.suppress(ConnectionError):
            return case.hub.settings(max_connections=0)
    harness.wait_until(lifted)
