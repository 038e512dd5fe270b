"""Rows 61 and 62: heads of answers that are noise, or that can be read in two ways."""

import pytest

NOISE = {
    "100": "HTTP/1.1 100 Continue\r\n\r\n",
    "103": "HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n",
    "many": "HTTP/1.1 103 Early Hints\r\nContent-Length: 7\r\n\r\n" * 20,
}


@pytest.mark.parametrize("noise", NOISE)
def test_row_61_noise_before_an_answer(case, noise):
    case.always({"before": NOISE[noise]}, origin="cdn")
    case.always({"before": NOISE[noise]}, origin="hub", target=case.metadata)
    case.always({"before": NOISE[noise]}, **case.address)
    case.succeeds()
    # Skipped, not retried.
    assert case.hub.bytes_sent(origin="cdn") <= case.large.size + 100_000
    assert len(case.addresses()) == 1


@pytest.mark.parametrize("status", [204, 205])
def test_row_61_no_content(case, status):
    case.always({"status": status, "body": ""})
    case.fails(69, "unavailable", str(status))
    assert len(case.faulted_before_failure()) <= case.connections


@pytest.mark.parametrize("where", ["metadata", "address"])
def test_row_61_no_content_at_the_origin(case, where):
    match = {"target": case.metadata} if where == "metadata" else case.address
    case.always({"status": 204, "body": ""}, **match)
    case.fails(69, "unavailable", "204")
    assert len(case.faulted_before_failure()) == 1


TWO_ENDS = {
    "Content-Length twice": {"add_headers": [["Content-Length", "100"], ["Content-Length", "7"]]},
    "the same Content-Length twice": {"add_headers": [["Content-Length", "9"],
                                                      ["Content-Length", "9"]]},
    "a list of lengths": {"headers": {"Content-Length": "100, 7"}},
    "a folded length": {"headers": {"Content-Length": "1\r\n 00"}},
    "a length that begins on the next line": {"headers": {"Content-Length": "\r\n 100"}},
    "a negative length": {"headers": {"Content-Length": "-5"}},
    "Content-Range twice": {"add_headers": [["Content-Range", "bytes 0-1/2"]]},
    "a folded range": {"headers": {"Content-Range": "bytes\r\n 0-1/2"}},
}


@pytest.mark.parametrize("ends", TWO_ENDS)
def test_row_62_an_end_that_can_be_read_in_two_ways(case, ends):
    case.always(TWO_ENDS[ends])
    case.fails(69, "unavailable")
    # No second try: whoever writes such a head is not one to take a blob from.
    assert len(case.faulted_before_failure()) <= case.connections


def test_row_62_two_lengths_of_metadata(case):
    case.always(TWO_ENDS["Content-Length twice"], target=case.metadata)
    case.fails(69, "unavailable")
    assert len(case.faulted_before_failure()) == 1
