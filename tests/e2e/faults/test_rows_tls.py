"""Rows 51 to 53: certificates, clocks, and TLS connections that just stop."""

import datetime
import re
import socket
import ssl
import struct
import threading

import pytest

import tls
from rows import MIB, SLACK


@pytest.fixture
def authority(tmp_path):
    return tls.Authority(tmp_path / "authority")


@pytest.fixture
def front(case, authority, nginx, tmp_path):
    """front(certificate, key): the hub over TLS, and castool sent there. It trusts the authority."""
    case.castool.environment["SSL_CERT_FILE"] = str(authority.certificate)

    def make(certificate, key, **more):
        made = tls.Front(nginx, case.hub, tmp_path / "front", certificate, key, **more)
        case.at(made.url)
        return made

    return make


def test_row_51_a_private_authority(case, authority, front):
    made = front(*authority.issue())
    case.succeeds()
    log = made.log()
    # Large files came from the CDN, over TLS too, and over no more connections than allowed.
    cdn = {entry[1] for entry in log if entry[0] == str(made.cdn_port)}
    assert 1 <= len(cdn) <= case.connections
    assert len(log) > len({entry[1] for entry in log})  # connections are used again


def test_row_51_a_private_authority_in_a_directory(case, authority, front):
    front(*authority.issue())
    case.castool.environment.pop("SSL_CERT_FILE")
    case.castool.environment["SSL_CERT_DIR"] = str(authority.directory())
    case.succeeds()


@pytest.mark.parametrize("what", ["expired", "other host", "unknown authority"])
def test_row_51_a_certificate_that_is_wrong(case, authority, front, tmp_path, what):
    if what == "expired":
        front(*authority.issue(begins=-9, ends=-1))
        said = ["expired"]
    elif what == "other host":
        front(*authority.issue("DNS:elsewhere.example"))
        said = ["127.0.0.1"]
    else:
        front(*tls.Authority(tmp_path / "other", "somebody else").issue())
        said = ["certificate", "SSL_CERT_FILE"]
    error = case.fails(69, "unavailable", "TLS", *said, within=10, then=None)
    assert error["url"].startswith("https://127.0.0.1:")
    assert case.hub.log() == []  # nothing was said to a server that could not prove who it is


def test_row_51_no_storm_of_retries(case, authority, tmp_path):
    certificate, key = tls.Authority(tmp_path / "other").issue()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)

    def converse(client):
        with context.wrap_socket(client, server_side=True) as secure:
            secure.recv(1)

    with tls.Server(converse) as server:
        case.castool.environment["SSL_CERT_FILE"] = str(authority.certificate)
        case.at(f"https://127.0.0.1:{server.port}")
        case.fails(69, "unavailable", within=10, then=None)
        assert server.accepted == 1


def test_row_51_the_cdn_has_a_wrong_certificate(case, authority, front, nginx, tmp_path):
    front(*authority.issue())
    strange = tmp_path / "strange"
    strange.mkdir()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*authority.issue("DNS:elsewhere.example"))

    def converse(client):
        with context.wrap_socket(client, server_side=True) as secure:
            secure.recv(1)

    with tls.Server(converse) as cdn:
        location = f"https://127.0.0.1:{cdn.port}/large?Signature=canaryOfTheSignature"
        case.always({"location": location}, **case.address)
        error = case.fails(69, "unavailable", "TLS", "127.0.0.1", within=10, then=None)
        # Ranges that were under way beside the first that failed, and none after it.
        assert cdn.accepted <= case.connections
    assert error["url"].startswith(f"https://127.0.0.1:{cdn.port}/")
    assert "canaryOfTheSignature" not in str(error)


def test_row_51_a_file_of_authorities_that_is_none(case, authority, front, tmp_path):
    front(*authority.issue())
    case.fails(69, "unavailable", "SSL_CERT_FILE", within=10, then=None,
               env={"SSL_CERT_FILE": str(tmp_path / "nothing.pem")})


@pytest.mark.parametrize("begins,ends", [(2, 9), (-9, -2)], ids=["clock behind", "clock ahead"])
def test_row_52_the_clock_is_wrong(case, authority, front, begins, ends):
    # To castool a certificate of next week is the same as a clock of last week.
    front(*authority.issue(begins=begins, ends=ends))
    outcome = case.run()
    assert outcome.status == 69 and case.seconds < 10 * SLACK
    [line] = outcome.err.splitlines()
    told = re.search(r"clock: it says (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)", line)
    assert told, line
    named = datetime.datetime.strptime(told[1], "%Y-%m-%dT%H:%M:%SZ")
    now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
    assert abs((now - named).total_seconds()) < 60
    case.check_unpublished()


class Cutter:
    """A CDN over TLS that never says close_notify: relays answers of the one at `port`, and tears
    `cuts` of them after `after` bytes. Without `lengths` a connection's end is the only end."""

    def __init__(self, port, certificate, key, how, lengths):
        self.port, self.how, self.lengths = port, how, lengths
        self.after, self.cuts = 300_000, 4
        self.lock = threading.Lock()
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.context.load_cert_chain(certificate, key)

    def __call__(self, client):
        secure = self.context.wrap_socket(client, server_side=True)
        try:
            with socket.create_connection(("127.0.0.1", self.port), 60) as behind:
                while request := self.read_head(secure)[0]:
                    behind.sendall(request)
                    if not self.answer(behind, secure):
                        break
        finally:
            if self.how == "reset":
                secure.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            socket.close(secure.detach())  # TCP ends, TLS does not

    @staticmethod
    def read_head(source):
        """A message up to the empty line, and what came behind it."""
        data = b""
        while b"\r\n\r\n" not in data:
            if not (block := source.recv(1 << 16)):
                return b"", b""
            data += block
        head, _, body = data.partition(b"\r\n\r\n")
        return head + b"\r\n\r\n", body

    def answer(self, behind, secure):
        """Whether the connection goes on after it."""
        head, body = self.read_head(behind)
        length = int(re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)[1])
        while len(body) < length:
            body += behind.recv(1 << 16)
        with self.lock:
            cut = self.cuts > 0 and length > self.after
            self.cuts -= cut
        if not self.lengths:
            head = re.sub(rb"(?i)\r\ncontent-length: *\d+", b"\r\nConnection: close", head)
        secure.sendall(head + (body[:self.after] if cut else body))
        return self.lengths and not cut


# A reset may take bytes with it that were sent before, so then the length is all there is to go by.
@pytest.mark.parametrize("how,lengths", [("closed", True), ("closed", False), ("reset", True)],
                         ids=["closed", "closed, no lengths", "reset"])
def test_row_53_tls_is_cut_off(case, authority, front, how, lengths):
    certificate, key = authority.issue()
    cutter = Cutter(case.hub.ports()[1], certificate, key, how, lengths)
    with tls.Server(cutter) as cdn:
        front(certificate, key, cdn_url=f"https://127.0.0.1:{cdn.port}")
        case.succeeds()
    assert cutter.cuts == 0
    if how == "closed":
        # What came before the cut is kept: no byte was asked for twice.
        assert case.hub.bytes_sent(origin="cdn") <= case.large.size + 4 * (8 * MIB)


def test_row_53_the_handshake_is_cut_off(case, authority):
    certificate, key = authority.issue()
    case.castool.environment["SSL_CERT_FILE"] = str(authority.certificate)

    def converse(client):
        client.recv(100)  # of the ClientHello

    with tls.Server(converse) as server:
        case.at(f"https://127.0.0.1:{server.port}")
        case.fails(69, "unavailable", "cannot connect", within=10, then=None)
        assert 2 <= server.accepted <= 5  # it may be the network: tried again, not for ever
