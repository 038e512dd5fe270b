"""Rows 9 to 14 and 57: bodies and connections that end when they should not, and lengths."""

import pytest

import rows
from hub import Synthetic
from rows import MIB


def test_row_09_reset_in_a_body(case):
    case.fault({"reset_after": 300_000}, 4)
    case.succeeds()
    assert case.hub.fault_hits() == [4]
    # What came before is kept: at most what was still in the sockets comes again.
    assert case.hub.bytes_sent(origin="cdn") <= case.large.size + 4 * 300_000


def test_row_09_reset_before_a_byte(case):
    case.fault({"reset": True}, 2)
    case.succeeds()
    assert case.hub.fault_hits() == [2]


def test_row_10_closed_in_a_body(case):
    case.fault({"cut_after": 300_000}, 4)
    case.succeeds()
    assert case.hub.fault_hits() == [4]
    assert case.hub.bytes_sent(origin="cdn") <= case.large.size + 100_000


def test_row_10_every_body_is_cut(case):
    # Progress each time, so this is slow and not given up.
    case.always({"cut_after": 400_000})
    case.succeeds()
    assert case.hub.bytes_sent(origin="cdn") <= case.large.size + 100_000


@pytest.mark.parametrize("action", [{"close": True}, {"reset": True}], ids=["close", "reset"])
def test_row_10_never_an_answer(case, action):
    case.always(action)
    case.fails(69, "unavailable", words=["--timeout", "1m"])
    ranges = case.ranges_before_failure()
    # No storm: as many ranges as there are connections are tried and one more, each after 1, 2, 4 and
    # then 8 s, half of that random.
    assert len(ranges) <= 20 * (case.connections + 1)


def test_row_11_no_length(case):
    case.always({"no_length": True})
    case.succeeds()
    assert case.hub.bytes_sent(origin="cdn") <= case.large.size + 100_000


def test_row_11_no_length_and_too_short(case):
    case.fault({"no_length": True, "cut_after": 200_000}, 3)
    case.succeeds()
    assert case.hub.fault_hits() == [3]
    assert case.hub.bytes_sent(origin="cdn") <= case.large.size + 100_000


def test_row_12_chunked(case):
    case.always({"chunked": True})
    case.succeeds()


def test_row_12_chunked_without_end(case):
    case.fault({"chunked_no_end": True}, 3)
    case.succeeds()
    assert case.hub.fault_hits() == [3]
    assert case.hub.bytes_sent(origin="cdn") <= case.large.size + 100_000


def test_row_12_chunked_and_cut(case):
    case.fault({"chunked": True, "cut_after": 300_000}, 3)
    case.succeeds()
    assert case.hub.fault_hits() == [3]
    assert case.hub.bytes_sent(origin="cdn") <= case.large.size + 100_000


@pytest.mark.parametrize("action,times", [
    ({"length_delta": -1000}, 2), ({"length_delta": 1000, "close_after": True}, 2),
    ({"declared_length": 0}, 1)], ids=["too small", "too large", "zero"])
def test_row_13_wrong_length(case, action, times):
    case.fault(action, times)
    case.succeeds()
    assert case.hub.fault_hits() == [times]


def test_row_13_wrong_length_of_a_small_file(case):
    case.fault({"length_delta": -5}, 1, **small_file(case))
    case.succeeds()
    assert case.hub.fault_hits() == [1]


def small_file(case):
    if case.at_hub:
        return {"target": "/resolve-cache/"}
    return {"origin": "cdn", "ranged": False}


def test_row_14_no_length_of_the_address(case):
    # Neither a length nor any other word about the size where the address is asked for.
    case.always({"no_length": True,
                 "remove_headers": ["X-Linked-Size", "Content-Range", "Content-Length"]},
                **case.address)
    outcome = case.succeeds()
    assert outcome["bytes"] >= case.large.size


@pytest.mark.parametrize("action", [{"close": True}, {"reset": True}], ids=["close", "reset"])
def test_row_57_a_reused_connection_is_closed(case, action):
    case.scale = 1  # a retry that is not free would wait for half a second at least
    # More ranges than connections, so that one of them has two.
    case.put(Synthetic(4 * case.connections * MIB + 17, 4))
    case.fault(action, 1, origin="cdn", ranged=True, reused=True)
    case.succeeds()
    [hit] = case.faulted()
    again = [entry for entry in case.ranges()
             if entry["range"] == hit["range"] and entry["seq"] > hit["seq"]]
    assert len(again) == 1
    assert again[0]["connection"] != hit["connection"]
    assert again[0]["began_ms"] - hit["ended_ms"] < 400


def test_row_57_every_connection_closes_after_an_answer(case):
    case.scale = 1
    case.always({"close_after": True})
    case.succeeds(within=8)
    assert rows.most_at_once(case.ranges()) <= case.connections
    assert case.hub.bytes_sent(origin="cdn") <= case.large.size + MIB
