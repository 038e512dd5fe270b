"""The hub's log, its connections, and how it starts and ends."""

from __future__ import annotations

import http.client
import secrets
import socket
import subprocess
import threading
import time
import urllib.parse

import pytest
from hub import Hub
from hub_testing import DATA_100, REPOSITORY


def test_log_tells_who_saw_the_token(hub):
    canary = "hf_canary_" + secrets.token_hex(8)
    answer = hub.get(f"/{REPOSITORY}/resolve/main/model.bin", {"Authorization": f"Bearer {canary}"})
    hub.get(answer.headers["location"], {"Range": "bytes=0-9"})
    first, second = hub.log()
    assert (first["origin"], first["authorization"], first["status"]) == ("hub", True, 302)
    assert (second["origin"], second["authorization"], second["status"]) == ("cdn", False, 206)
    assert (second["range"], second["bytes_sent"], second["method"]) == ("bytes=0-9", 10, "GET")
    assert second["seq"] == first["seq"] + 1
    assert [entry["origin"] for entry in hub.saw(canary)] == ["hub"]
    hub.get(answer.headers["location"], {"Authorization": f"Bearer {canary}", "Range": "bytes=0-9"})
    assert [entry["origin"] for entry in hub.saw(canary)] == ["hub", "cdn"]
    hub.clear_log()
    assert hub.log() == []


def test_keep_alive_and_many_connections(hub, address):
    parts = urllib.parse.urlsplit(address)
    target = f"{parts.path}?{parts.query}"
    connection = http.client.HTTPConnection(parts.netloc, timeout=10)
    for _ in range(300):
        connection.request("GET", target, headers={"Range": "bytes=0-99"})
        assert connection.getresponse().read() == DATA_100
    assert len({entry["connection"] for entry in hub.log(origin="cdn")}) == 1
    connection.close()
    # 250 stalled clients do not keep the 251st waiting.
    hub.fault({"stall_after": 0, "stall_ms": 60_000}, origin="cdn", times=250)
    stalled = []
    for _ in range(250):
        stalled.append(socket.create_connection((parts.hostname, parts.port)))
        stalled[-1].sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    hub.wait_for_request(origin="cdn", ended_ms=-1, count=250)
    assert hub.get(address, {"Range": "bytes=0-99"}).body == DATA_100
    assert hub.stats()["cdn"]["peak"] >= 251
    for one in stalled:
        one.close()


def test_connection_limit_resets_the_rest(hub, address):
    hub.settings(max_connections=0)
    parts = urllib.parse.urlsplit(address)
    deadline = time.monotonic() + 10
    while hub.stats()["cdn"]["active"] and time.monotonic() < deadline:
        threading.Event().wait(0.01)
    hub.settings(max_connections=3)
    held = [socket.create_connection((parts.hostname, parts.port)) for _ in range(3)]
    with pytest.raises(ConnectionResetError):
        hub.get(address)
    for one in held:
        one.close()
    assert hub.stats()["cdn"]["refused"] == 1


def test_restart_keeps_addresses(tmp_path):
    with Hub() as hub:
        commit = hub.add_repository("a/b", {"f.txt": b"x"})
        url = hub.url
        hub.restart()
        assert hub.url == url
        assert hub.get("/api/models/a/b").json()["sha"] == commit
        root = hub.root
    assert not root.exists()


def test_ends_on_sigterm_and_with_its_input():
    hub = Hub()
    hub.start()
    assert hub.stop() == 0
    hub.start()
    process = hub._process
    process.stdin.close()
    assert process.wait(timeout=10) == 0
    hub.close()


def test_ends_while_answers_are_stalled(tmp_path):
    hub = Hub(sample=True)
    hub.start()
    hub.fault({"stall_after": 0, "stall_ms": 600_000})
    with socket.create_connection(("127.0.0.1", urllib.parse.urlsplit(hub.url).port)) as client:
        client.sendall(b"GET /api/models/sample/tiny-ir HTTP/1.1\r\nHost: x\r\n\r\n")
        hub.wait_for_request(target="tiny-ir")
        start = time.monotonic()
        assert hub.stop() == 0
        assert time.monotonic() - start < 5
    hub.close()


def test_wrong_arguments(hub):
    for arguments in (["--port", "x"], ["--port"], ["--what"]):
        ended = subprocess.run([hub.program, *arguments], capture_output=True, check=False)
        assert ended.returncode == 64 and b"usage:" in ended.stderr
