"""Rows 1 to 8: answers to a request for a range that are not that range."""

import pytest

from rows import MIB


def most_sent(case):
    """The bytes that a pull may cost when one answer is thrown away and one is cut short."""
    return 2 * case.large.size + 2 * MIB * case.connections


def test_row_01_ranges_are_ignored(case):
    case.always({"ignore_range": True})
    outcome = case.succeeds()
    wholes = case.hub.log(origin="cdn", status=200, target=path_of(case))
    # Found out by the first requests, which end at their heads; then one connection takes it all.
    assert all(entry["range"] for entry in wholes[:-1]) and not wholes[-1]["range"]
    assert wholes[-1]["bytes_sent"] == case.large.size
    assert outcome["bytes_fetched"] <= most_sent(case)


def path_of(case):
    return case.ranges()[0]["target"].split("?")[0]


def test_row_01_range_is_ignored_once(case):
    case.fault({"ignore_range": True})
    case.succeeds()
    assert case.hub.fault_hits() == [1]
    assert case.hub.bytes_sent(origin="cdn") <= most_sent(case)


def test_row_01_the_whole_answer_is_cut(case):
    # The pass over the whole breaks off twice: what came is passed over, not written again.
    case.always({"ignore_range": True})
    case.fault({"cut_after": 4 * MIB}, 2, ranged=False, **case.data)
    outcome = case.succeeds()
    assert case.hub.fault_hits()[1] == 2
    assert outcome["bytes_fetched"] <= outcome["bytes"] + 2 * MIB


@pytest.mark.parametrize("shift", [{"start": 1, "end": 1}, {"start": -1}, {"end": 1}],
                         ids=["moved", "earlier", "later end"])
def test_row_02_another_range_once(case, shift):
    # Not the first chunk, so that the range can begin earlier.
    case.fault({"content_range": shift}, covers=3 * MIB, ranged=True)
    case.succeeds()
    assert case.hub.fault_hits() == [1]
    assert len(case.addresses()) == 2  # another address was asked for


def test_row_02_another_range_twice(case):
    case.always({"content_range": {"start": 1, "end": 1}})
    case.fails(69, "unavailable", "range")
    assert len(case.addresses_before_failure()) == 2
    assert len(case.ranges_before_failure()) >= 2


def test_row_03_another_total_once(case):
    case.fault({"content_range": {"total": 1}})
    case.succeeds()
    assert case.hub.fault_hits() == [1]
    assert len(case.addresses()) == 2


def test_row_03_another_total_for_ever(case):
    case.always({"content_range": {"total": 5}})
    error = case.fails(65, "digest_mismatch", "size")
    assert error["digest"] == case.digest
    assert len(case.addresses_before_failure()) == 2


@pytest.mark.parametrize("times", [1, -1], ids=["once", "always"])
def test_row_04_no_content_range(case, times):
    case.fault({"remove_headers": ["Content-Range"]}, times)
    case.succeeds()
    assert case.hub.fault_hits()[0] <= case.connections
    # As row 1: the rest comes without ranges, over one connection.
    assert not [entry for entry in case.hub.log(origin="cdn", target=path_of(case))][-1]["range"]
    assert case.hub.bytes_sent(origin="cdn") <= most_sent(case)


def test_row_05_shorter_than_asked(case):
    case.fault({"shorten": 300_000}, 3)
    case.succeeds()
    assert case.hub.fault_hits() == [3]
    # What came was kept; only the rest was asked for.
    assert case.hub.bytes_sent(origin="cdn") <= case.large.size + 100_000


def test_row_06_longer_than_asked(case):
    case.fault({"extra_bytes": 5000, "chunked": True}, 3)
    case.succeeds()
    assert case.hub.fault_hits() == [3]
    for entry in case.faulted():  # such a connection is not trusted again
        later = [other for other in case.hub.log(origin="cdn", connection=entry["connection"])
                 if other["seq"] > entry["seq"]]
        assert later == []
    assert case.hub.bytes_sent(origin="cdn") <= case.large.size + 3 * 5000 + 100_000


def test_row_06_longer_without_a_length(case):
    case.fault({"extra_bytes": 3 * MIB, "no_length": True}, 2)
    case.succeeds()
    assert case.hub.fault_hits() == [2]


def test_row_06_longer_than_its_own_length(case):
    """The rest is in the way of the next answer on that connection."""
    case.fault({"extra_bytes": 5000}, 3)
    case.succeeds()
    assert case.hub.fault_hits() == [3]


def test_row_07_multipart_once(case):
    case.fault({"multipart": True})
    case.succeeds()
    assert case.hub.fault_hits() == [1]
    assert all(entry["range"].count("-") == 1 for entry in case.ranges())  # never several


def test_row_07_multipart_for_ever(case):
    case.always({"multipart": True})
    case.fails(69, "unavailable")
    assert len(case.addresses_before_failure()) == 2


def test_row_08_416_once(case):
    case.fault({"status": 416})
    case.succeeds()
    assert case.hub.fault_hits() == [1]
    assert len(case.addresses()) == 2  # the size was asked for again


def test_row_08_416_for_ever(case):
    case.always({"status": 416})
    error = case.fails(65, "digest_mismatch")
    assert error["digest"] == case.digest
    assert len(case.addresses_before_failure()) == 2
