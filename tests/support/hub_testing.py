"""What the hub's own tests have in common: recorded exchanges, and looking at the wire."""

from __future__ import annotations

import re
import socket
import urllib.parse
from pathlib import Path

from hub import Synthetic

DATA = Path(__file__).resolve().parent.parent / "data" / "hub"
# Headers that tell of the Hub's own infrastructure, or of content that differs here.
UNCHECKED = {"date", "x-powered-by", "vary", "x-cache", "content-length", "etag",
             "access-control-expose-headers", "content-security-policy"}
# The repository of the `hub` fixture: model.bin is Synthetic(3_000_000, 5).
REPOSITORY = "acme/shapes"
DATA_100 = Synthetic(3_000_000, 5).read(0, 100)
FIRST_100 = "Range: bytes=0-99\r\n"


def recorded(name):
    """The (status, {header: value}) of each response in a recorded exchange."""
    responses = []
    for block in re.split(r"\n\n", (DATA / name).read_text()):
        lines = block.strip().splitlines()
        if lines and lines[0].startswith("HTTP/2"):
            headers = dict(line.split(": ", 1) for line in lines[1:])
            responses.append((int(lines[0].split()[1]), headers))
    return responses


def assert_like(answer, record):
    status, headers = record
    assert answer.status == status
    assert {name for name in headers if name not in UNCHECKED} <= set(answer.headers)
    for name in ("content-type", "x-error-code", "www-authenticate", "accept-ranges"):
        if name in headers:
            assert answer.headers[name] == headers[name]


def shape(value):
    """A JSON value with its leaves replaced by their types' names."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shape(item) for item in value]
    return type(value).__name__


def follow(hub, target, headers=None):
    """Follows redirects, sending the same headers; the last answer."""
    address = urllib.parse.urljoin(hub.url, target)
    for _ in range(10):
        answer = hub.get(address, headers)
        if answer.status // 100 != 3:
            return answer
        address = urllib.parse.urljoin(address, answer.headers["location"])
    raise AssertionError("too many redirects")


def cdn_address(hub, path="model.bin"):
    return hub.get(f"/{REPOSITORY}/resolve/main/{path}").headers["location"]


def on_the_wire(address, headers="", timeout=10):
    """Everything that comes for one GET until the connection ends, and how it ended."""
    parts = urllib.parse.urlsplit(address)
    received = b""
    with socket.create_connection((parts.hostname, parts.port), timeout=timeout) as connection:
        target = parts.path + ("?" + parts.query if parts.query else "")
        request = (f"GET {target} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
                   f"Connection: close\r\n{headers}\r\n")
        connection.sendall(request.encode())
        try:
            while piece := connection.recv(1 << 16):
                received += piece
            return received, "closed"
        except ConnectionResetError:
            return received, "reset"


def body_of(received):
    return received.split(b"\r\n\r\n", 1)[1]
