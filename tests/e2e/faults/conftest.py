"""Each row of the catalogue is tried at both kinds of origin and with 1 and with 16 connections.

CASTOOL_FAULTS=all runs every test with all four combinations; otherwise each runs with one, and
the combination rotates by row and by the test's place among those of its row.
"""

import ctypes
import os
import subprocess

import pytest

import harness
import rows
from forwarder import Forwarder

PUBLIC = "93.184.216.34"  # of nobody here: the network it is used in has no other end
ABOUT_TIME = {"test_rows_time", "test_rows_busy"}
COMBINATIONS = [("hub", 16), ("registry", 1), ("hub", 1), ("registry", 16)]


def pytest_configure(config):
    config.addinivalue_line("markers", "only(origin): this fault exists at one kind of origin")


def combinations_of(function, places):
    """Those that a test function runs with; `places` counts the tests of each row."""
    row = rows.row_of(function.__name__)
    place = places[row] = places.get(row, -1) + 1
    only = [mark.args[0] for mark in getattr(function, "pytestmark", ()) if mark.name == "only"]
    possible = [entry for entry in COMBINATIONS if not only or entry[0] in only]
    if os.environ.get("CASTOOL_FAULTS") == "all":
        return possible
    return [possible[(row + place) % len(possible)]]


def pytest_generate_tests(metafunc):
    if "case" not in metafunc.fixturenames:
        return
    places = metafunc.config.__dict__.setdefault("castool_places", {})
    chosen = combinations_of(metafunc.function, places)
    metafunc.parametrize("case", chosen, indirect=True,
                         ids=[f"{origin}-{connections}" for origin, connections in chosen])


@pytest.fixture
def case(request, hub, castool):
    """A model at one origin and the pull of it; afterwards no secret may stand anywhere."""
    origin, connections = request.param
    running = rows.Case(hub, castool, origin, connections)
    if request.module.__name__ not in ABOUT_TIME:
        running.scale = 5 * rows.SCALE  # so that a busy machine is not taken for a silent origin
    yield running
    running.check_secrets()


@pytest.fixture
def tls_front(case, nginx, tmp_path):
    """An address where the hub answers over TLS, with a certificate that castool trusts."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
                    "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
                   check=True, capture_output=True)
    port = harness.free_port()
    nginx(tmp_path, f"""
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {certificate};
    ssl_certificate_key {key};
    location / {{ proxy_pass {case.hub.url}; proxy_set_header Host $http_host; }}""")
    case.castool.environment["SSL_CERT_FILE"] = str(certificate)
    return f"https://127.0.0.1:{port}"


@pytest.fixture
def public_address(case):
    """A public address of the hub, in a network of its own where nothing else can be reached."""
    libc = ctypes.CDLL(None, use_errno=True)
    clone_newnet = 0x40000000
    with open("/proc/thread-self/ns/net", "rb") as before:
        if libc.unshare(clone_newnet) != 0:
            pytest.skip("a network of its own takes root")
        ports = case.hub.ports()
        try:
            case.hub.stop()
            for words in (["link", "set", "lo", "up"], ["address", "add", PUBLIC + "/32", "dev", "lo"]):
                subprocess.run(["ip", *words], check=True)
            case.hub.start(*ports)
            with Forwarder(PUBLIC, ports[0]) as forwarder:
                yield f"http://{PUBLIC}:{forwarder.port}"
            case.check_secrets()
        finally:
            case.hub.stop()
            libc.setns(before.fileno(), clone_newnet)
            case.hub.start(*ports)
