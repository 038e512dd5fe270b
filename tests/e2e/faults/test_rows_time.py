"""Rows 15 to 17 and 59: connections and links on which nothing, or too little, arrives."""

import time

import pytest

import harness
from hub import Synthetic
from rows import MIB, SLACK
from running_pull import RunningPull


@pytest.mark.parametrize("after", [0, 300_000])
def test_row_15_stall(case, after):
    case.fault({"stall_after": after, "stall_ms": 60_000}, 2)
    case.succeeds(within=15)
    assert case.hub.fault_hits() == [2]
    for hit in case.faulted():
        # 30 s after the last byte, and not minutes.
        assert 29_000 * case.scale <= hit["ended_ms"] - hit["began_ms"] <= 30_000 * case.scale + 4_000
        # The hub may see its connection go later than the next one come.
        later = [entry for entry in case.ranges()
                 if entry["began_ms"] >= hit["began_ms"] + 29_000 * case.scale]
        assert later and all(entry["connection"] != hit["connection"] for entry in later)
    # What came before the stall was kept.
    assert case.hub.bytes_sent(origin="cdn") <= case.large.size + 2 * 100_000


def test_row_15_stall_for_ever(case):
    case.always({"stall_after": 0, "stall_ms": 60_000})
    case.fails(69, "unavailable", words=["--timeout", "2m"], within=120 * case.scale + 8)
    assert case.seconds < 10 * SLACK


def test_row_15_metadata_stalls(case):
    case.fault({"stall_after": 0, "stall_ms": 60_000}, 1, target=case.metadata)
    case.succeeds(within=15)
    assert case.hub.fault_hits() == [1]


def test_row_16_one_slow_connection_among_many(case):
    # Its peers have 1 MiB/s and more; this one would take hours.
    case.put(Synthetic(24 * MIB + 17, 4))
    case.fault({"trickle_bytes": 1, "trickle_ms": 200}, 1, origin="cdn", covers=2 * MIB)
    if case.connections == 1:
        # Nothing to compare it with but the link itself: see the next test.
        case.words = ["--connections", 2]
    case.succeeds(within=90 * case.scale + 15)
    assert case.hub.fault_hits() == [1]
    assert case.hub.bytes_sent(origin="cdn") <= case.large.size + 9 * MIB


def test_row_16_the_only_slow_link_is_not_killed(case):
    # Slower than any minimum would be, for far longer than the minute of the rule.
    case.put(Synthetic(MIB + 200_000, 4))
    rate = case.large.size / (160 * case.scale)
    case.hub.settings(bytes_per_second=int(rate) // min(case.connections, 2))
    case.succeeds(within=40)
    assert case.seconds > 120 * case.scale
    cut = [entry for entry in case.ranges() if entry["status"] == 206]
    # Nothing that arrived was given up and fetched again.
    assert sum(entry["bytes_sent"] for entry in cut) <= case.large.size + 200_000


def test_row_17_header_trickles(case):
    case.fault({"header_trickle_ms": 100}, 2)
    case.succeeds(within=15)
    assert case.hub.fault_hits() == [2]
    for hit in case.faulted():
        assert hit["ended_ms"] - hit["began_ms"] < 30_000 * case.scale + 3_000


def test_row_17_metadata_header_trickles(case):
    case.fault({"header_trickle_ms": 100}, 1, target=case.metadata)
    case.succeeds(within=15)


def test_row_17_headers_trickle_for_ever(case):
    case.always({"header_trickle_ms": 100})
    case.fails(69, "unavailable", words=["--timeout", "2m"], within=120 * case.scale + 8)


def go_on_slowly(case, *words):
    """A running pull that has the first of its bytes and cannot end before the hub starts again."""
    case.put(Synthetic(24 * MIB + 17, 4))
    case.hub.settings(bytes_per_second=MIB // 2)
    case.always({"stall_after": 0, "stall_ms": 60_000}, origin="cdn", ranged=True,
                covers=case.large.size - 1)
    case.castool.environment["CASTOOL_TIME_SCALE"] = str(case.scale)
    pull = RunningPull(case.castool, *case.words, *words, case.source)
    pull.read_until(case.digest, MIB // 4)
    return pull


def test_row_59_link_down_for_ten_minutes(case):
    pull = go_on_slowly(case, "--timeout", "15m")
    ports = case.hub.ports()
    case.hub.stop()
    down_since = time.monotonic()
    # Nothing tells when the link would have come back, but time.
    harness.wait_until(lambda: time.monotonic() - down_since >= 600 * case.scale,
                       600 * case.scale + 20, "the end of the outage")
    assert pull.process.poll() is None, pull.process.stderr.read()
    case.hub.start(*ports)
    if not case.at_hub:
        case.hub.settings(registry_auth=True)
    outcome = pull.finish()
    case.outputs.append(pull.err)
    case.check_right()
    # The same process, and it kept what it had.
    assert outcome["bytes_fetched"] <= outcome["bytes"] + MIB
    assert case.hub.bytes_sent(origin="cdn") < case.large.size


def test_row_59_link_down_for_longer_than_the_timeout(case):
    pull = go_on_slowly(case)
    ports = case.hub.ports()
    case.hub.stop()
    began = time.monotonic()
    assert pull.wait() == 69
    assert 240 * case.scale < time.monotonic() - began < 300 * case.scale + 10
    case.hub.start(*ports)
    if not case.at_hub:
        case.hub.settings(registry_auth=True)
    case.check_unpublished()
    case.succeeds()  # and the next one goes on where it was
    assert case.hub.bytes_sent(origin="cdn") < case.large.size
