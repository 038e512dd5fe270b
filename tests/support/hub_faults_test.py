"""Every fault does on the wire what it is called."""

from __future__ import annotations

import http.client
import re
import time
import urllib.parse

import pytest
from hub import Synthetic
from hub_testing import DATA_100, FIRST_100, REPOSITORY, body_of, on_the_wire


def test_cut_and_reset(hub, address):
    for action, end in (({"cut_after": 40}, "closed"), ({"reset_after": 40}, "reset")):
        hub.fault(action, origin="cdn")
        received, how = on_the_wire(address, FIRST_100)
        assert (body_of(received), how) == (DATA_100[:40], end)
        assert b"Content-Length: 100\r\n" in received
    for action, end in (({"close": True}, "closed"), ({"reset": True}, "reset")):
        hub.fault(action, origin="cdn")
        assert on_the_wire(address) == (b"", end)
    hub.fault({"reset_after": 2_000_000}, origin="cdn")
    assert len(body_of(on_the_wire(address)[0])) == 2_000_000
    assert body_of(on_the_wire(address, FIRST_100)[0]) == DATA_100


def test_wrong_ranges(hub, address):
    hub.fault({"ignore_range": True}, origin="cdn")
    received, _ = on_the_wire(address, "Range: bytes=7-9\r\n")
    assert received.startswith(b"HTTP/1.1 200 ") and len(body_of(received)) == 3_000_000
    hub.fault({"content_range": {"start": 1, "end": 2, "total": -3}}, origin="cdn")
    assert hub.get(address, {"Range": "bytes=7-9"}).headers["content-range"] == "bytes 8-11/2999997"
    hub.fault({"remove_headers": ["Content-Range"]}, origin="cdn")
    answer = hub.get(address, {"Range": "bytes=7-9"})
    assert answer.status == 206 and "content-range" not in answer.headers
    hub.fault({"shorten": 60}, origin="cdn")
    answer = hub.get(address, {"Range": "bytes=0-99"})
    assert (answer.headers["content-range"], answer.body) == ("bytes 0-39/3000000", DATA_100[:40])
    hub.fault({"multipart": True}, origin="cdn")
    answer = hub.get(address, {"Range": "bytes=0-99"})
    assert answer.headers["content-type"].startswith("multipart/byteranges")
    assert DATA_100 in answer.body and len(answer.body) > 100


def test_wrong_lengths_and_framings(hub, address):
    hub.fault({"extra_bytes": 5}, origin="cdn")
    received, _ = on_the_wire(address, FIRST_100)
    assert b"Content-Length: 100\r\n" in received and body_of(received) == DATA_100 + b"+" * 5
    hub.fault({"length_delta": 50}, origin="cdn")
    received, how = on_the_wire(address, FIRST_100)
    assert b"Content-Length: 150\r\n" in received
    assert (body_of(received), how) == (DATA_100, "closed")
    hub.fault({"no_length": True}, origin="cdn")
    received, _ = on_the_wire(address, FIRST_100)
    assert b"Content-Length" not in received and body_of(received) == DATA_100
    hub.fault({"chunked": True}, origin="cdn")
    answer = hub.get(address, {"Range": "bytes=0-99"})
    assert "content-length" not in answer.headers and answer.body == DATA_100
    hub.fault({"chunked_no_end": True}, origin="cdn")
    received, _ = on_the_wire(address, FIRST_100)
    assert body_of(received) == b"64\r\n" + DATA_100 + b"\r\n"
    hub.fault({"add_headers": [["Content-Length", "100"], ["Content-Length", "7"]]}, origin="cdn")
    assert on_the_wire(address, FIRST_100)[0].count(b"Content-Length: ") == 2


def test_wrong_bytes(hub, address):
    hub.fault({"flip_at": 1_500_000}, origin="cdn")
    assert hub.get(address, {"Range": "bytes=0-99"}).body == DATA_100
    good = Synthetic(3_000_000, 5).read(1_499_999, 3)
    flipped = hub.get(address, {"Range": "bytes=1499999-1500001"}).body
    assert flipped == bytes([good[0], good[1] ^ 1, good[2]])
    assert hub.get(address, {"Range": "bytes=1499999-1500001"}).body == good
    assert hub.fault_hits() == [1]
    hub.fault({"garble": True}, origin="cdn")
    garbled = hub.get(address, {"Range": "bytes=0-99"}).body
    assert len(garbled) == 100 and not any(a == b for a, b in zip(garbled, DATA_100))


def test_slow_answers(hub, address):
    def seconds(action):
        hub.fault(action, origin="cdn")
        start = time.monotonic()
        assert hub.get(address, {"Range": "bytes=0-99"}).body == DATA_100
        return time.monotonic() - start

    assert seconds({}) < 0.15
    assert seconds({"delay_ms": 200}) >= 0.2
    assert seconds({"stall_after": 0, "stall_ms": 200}) >= 0.2
    assert seconds({"stall_after": 50, "stall_ms": 200}) >= 0.2
    assert seconds({"trickle_bytes": 10, "trickle_ms": 20}) >= 0.17
    assert seconds({"header_trickle_ms": 1}) >= 0.15
    hub.settings(bytes_per_second=400)
    assert 0.2 <= seconds({}) < 2
    hub.settings(bytes_per_second=0, latency_ms=200)
    assert seconds({}) >= 0.2


def test_stalled_bytes_arrive_before_the_stall(hub, address):
    hub.fault({"stall_after": 40, "stall_ms": 60_000}, origin="cdn")
    parts = urllib.parse.urlsplit(address)
    connection = http.client.HTTPConnection(parts.netloc, timeout=10)
    connection.request("GET", f"{parts.path}?{parts.query}", headers={"Range": "bytes=0-99"})
    assert connection.getresponse().read(40) == DATA_100[:40]
    assert hub.log(origin="cdn")[-1]["ended_ms"] == -1
    connection.close()
    # The stall ends with the client, so the connection's thread is free again.
    hub.wait_for_request(origin="cdn", bytes_sent=40, timeout=10)


def test_a_file_held_from_an_offset(hub, address):
    hub.hold(40)
    assert len(hub.get(address, {"Range": "bytes=0-39"}).body) == 40
    assert len(hub.get(address, {"Range": "bytes=41-99"}).body) == 59
    parts = urllib.parse.urlsplit(address)
    connection = http.client.HTTPConnection(parts.netloc, timeout=10)
    connection.request("GET", f"{parts.path}?{parts.query}", headers={"Range": "bytes=10-99"})
    answer = connection.getresponse()
    assert answer.read(30) == DATA_100[10:40]
    connection.sock.settimeout(0.2)
    with pytest.raises(TimeoutError):
        answer.read(1)
    connection.close()
    hub.clear_faults()
    assert hub.get(address, {"Range": "bytes=10-99"}).body == DATA_100[10:]


def test_statuses_pages_and_headers(hub, address):
    hub.fault({"status": 503, "retry_after": 7}, origin="cdn")
    answer = hub.get(address)
    assert (answer.status, answer.headers["retry-after"], answer.body) == (503, "7", b"")
    hub.fault({"status": 429, "retry_after_date": 60}, target="/api/models/")
    answer = hub.get(f"/api/models/{REPOSITORY}")
    assert answer.status == 429
    assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT", answer.headers["retry-after"])
    hub.fault({"body": "<html>Log in</html>", "headers": {"Content-Type": "text/html"}},
              target="/tree/")
    answer = hub.get(f"/api/models/{REPOSITORY}/tree/main")
    assert (answer.status, answer.headers["content-type"], answer.body) == (
        200, "text/html", b"<html>Log in</html>")
    hub.fault({"headers": {"Content-Encoding": "gzip"}, "etag": '"changed"'}, origin="cdn")
    answer = hub.get(address, {"Range": "bytes=0-1"})
    assert (answer.headers["content-encoding"], answer.headers["etag"]) == ("gzip", '"changed"')
    hub.fault({"location": "http://127.0.0.1:1/x", "status": 307}, origin="cdn")
    answer = hub.get(address)
    assert (answer.status, answer.headers["location"]) == (307, "http://127.0.0.1:1/x")
    hub.fault({"redirect_loop": True}, origin="cdn")
    assert urllib.parse.urljoin(address, hub.get(address).headers["location"]) == address
    hub.fault({"before": "HTTP/1.1 103 Early Hints\r\n\r\n"}, origin="cdn")
    received, _ = on_the_wire(address, FIRST_100)
    assert received.startswith(b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 206 ")
    hub.fault({"raw": "garbage"}, origin="cdn")
    assert on_the_wire(address) == (b"garbage", "closed")


def test_connection_that_closes_after_a_good_answer(hub, address):
    hub.fault({"close_after": True}, origin="cdn")
    parts = urllib.parse.urlsplit(address)
    connection = http.client.HTTPConnection(parts.netloc, timeout=10)
    connection.request("GET", f"{parts.path}?{parts.query}", headers={"Range": "bytes=0-99"})
    response = connection.getresponse()
    assert response.read() == DATA_100 and response.getheader("Connection") is None
    with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
        connection.request("GET", f"{parts.path}?{parts.query}")
        connection.getresponse()


def test_rules_count_and_choose(hub, address):
    hub.faults([
        {"match": {"origin": "cdn", "range_from": 1000}, "times": 2, "after": 1,
         "action": {"status": 500}},
        {"match": {"origin": "cdn", "method": "HEAD"}, "times": -1, "action": {"status": 502}},
        {"match": {"glob": "/api/*/refs"}, "action": {"status": 504}},
        {"match": {"origin": "cdn", "covers": 55}, "action": {"status": 418}},
    ])
    far = [hub.get(address, {"Range": "bytes=1000-1001"}).status for _ in range(4)]
    assert far == [206, 500, 500, 206]
    assert [hub.get(address, method="HEAD").status for _ in range(2)] == [502, 502]
    assert hub.get(f"/api/models/{REPOSITORY}/refs").status == 504
    assert hub.get(address, {"Range": "bytes=0-54"}).status == 206
    assert hub.get(address, {"Range": "bytes=50-60"}).status == 418
    assert hub.fault_hits() == [2, 2, 1, 1]
    hub.clear_faults()
    assert hub.get(address, method="HEAD").status == 200


def test_rules_choose_by_length_and_connection(hub, address):
    hub.faults([
        {"match": {"origin": "cdn", "range_over": 100}, "times": -1, "action": {"status": 403}},
        {"match": {"origin": "cdn", "reused": True}, "times": -1, "action": {"status": 418}},
    ])
    parts = urllib.parse.urlsplit(address)
    connection = http.client.HTTPConnection(parts.netloc, timeout=10)

    def status(headers):
        connection.request("GET", f"{parts.path}?{parts.query}", headers=headers)
        response = connection.getresponse()
        response.read()
        return response.status

    assert status({"Range": "bytes=0-99"}) == 206
    assert status({"Range": "bytes=0-100"}) == 403
    assert status({"Range": "bytes=0-99"}) == 418
    connection.close()
    assert hub.get(address, {"Range": "bytes=0-99"}).status == 206
    assert hub.get(address).status == 403  # all of it is more than 100 bytes
    assert hub.fault_hits() == [2, 1]


@pytest.mark.parametrize("wrong", [
    {"action": {"cut_aftr": 1}}, {"action": {"cut_after": "1"}}, {"match": {"orgin": "cdn"}},
    {"time": 1}, "text", {"action": {"headers": {"A": 1}}}, {"action": {"remove_headers": "A"}},
    {"action": {"content_range": {"start": "x"}}}, {"action": {"add_headers": ["A"]}},
])
def test_misspelt_faults_are_refused(hub, wrong):
    with pytest.raises(ValueError, match="faults"):
        hub.faults([wrong])


def test_misspelt_settings_are_refused(hub):
    with pytest.raises(ValueError, match="unknown setting: page_sise"):
        hub.settings(page_sise=1)
    with pytest.raises(ValueError, match="wrong type: page_size"):
        hub.settings(page_size="1")
