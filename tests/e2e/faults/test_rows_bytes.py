"""Rows 35 to 37: bytes that are not the blob's."""

import pytest

import checks
from rows import MIB


def test_row_35_compressed_once(case):
    case.fault({"headers": {"Content-Encoding": "gzip"}})
    case.succeeds()
    assert case.hub.fault_hits() == [1]
    assert len(case.addresses()) == 2  # another host may be named
    assert {entry["headers"].get("Accept-Encoding") for entry in case.hub.log()} == {"identity"}


@pytest.mark.parametrize("coding", ["gzip", "br", "x-unheard-of"])
def test_row_35_compressed_for_ever(case, coding):
    case.always({"headers": {"Content-Encoding": coding}})
    case.fails(69, "unavailable", "compressed")


def test_row_35_compressed_listing(case):
    case.fault({"headers": {"Content-Encoding": "gzip"}}, 1, target=case.listing)
    case.succeeds()
    assert case.hub.fault_hits() == [1]


@pytest.mark.parametrize("at", [3, 2 * MIB + 5, 6 * MIB + 16], ids=["first", "middle", "last"])
def test_row_36_one_bit_once(case, at):
    case.fault({"flip_at": at})
    case.succeeds()
    assert case.hub.fault_hits() == [1]
    # At most one more copy for the search, and then only the chunk that differs.
    assert case.hub.bytes_sent(origin="cdn") <= 2 * case.large.size + MIB + 200_000


def test_row_36_several_bits_in_several_chunks(case):
    for at in (5, MIB + 1, 4 * MIB):
        case.fault({"flip_at": at})
    case.succeeds()
    assert case.hub.fault_hits() == [1, 1, 1]
    assert case.hub.bytes_sent(origin="cdn") <= 2 * case.large.size + 3 * MIB + 200_000


def test_row_36_a_garbled_range(case):
    case.fault({"garble": True})
    case.succeeds()
    assert case.hub.bytes_sent(origin="cdn") <= 3 * case.large.size + MIB


def test_row_36_a_small_file(case):
    small = {"target": "/resolve-cache/"} if case.at_hub else {"origin": "cdn", "ranged": False}
    case.fault({"flip_at": 3}, 1, **small)
    case.succeeds()
    assert case.hub.fault_hits() == [1]


@pytest.mark.parametrize("action", [{"flip_at": 2 * MIB + 5}, {"garble": True}],
                         ids=["one bit", "all"])
def test_row_37_the_origin_is_wrong(case, action):
    case.always(action)
    error = case.fails(65, "digest_mismatch", "want " + case.digest, "got sha256:", "127.0.0.1",
                       within=30)
    assert error["digest"] == case.digest
    sent = sum(entry["bytes_sent"] for entry in case.log_of_failure if entry["origin"] == "cdn")
    assert sent <= 2 * case.large.size + 2 * MIB  # one more copy, and no endless loop


def test_row_37_another_wrong_byte_each_time(case):
    """Copies differ and none is right: the chunks are named."""
    for times in range(3):
        case.fault({"flip_at": 3 * MIB + times}, 1)
    case.always({"flip_at": 3 * MIB + 9})
    error = case.fails(65, "digest_mismatch", f"{3 * MIB}+{MIB}", "127.0.0.1", within=30)
    assert error["digest"] == case.digest


def test_row_37_a_small_file(case):
    small = {"target": "/resolve-cache/"} if case.at_hub else {"origin": "cdn", "ranged": False}
    case.always({"flip_at": 3}, **small)
    case.fails(65, "digest_mismatch")
    assert len(case.faulted_before_failure()) <= 8


def test_row_37_nothing_of_it_is_reused(case):
    case.always({"flip_at": 2 * MIB + 5})
    case.fails(65, "digest_mismatch", then="nothing", within=30)
    case.hub.clear_faults()
    case.hub.clear_log()
    case.succeeds()
    assert case.hub.bytes_sent(origin="cdn") >= case.large.size
    assert checks.files_below(case.castool.store / "partials") == set()
