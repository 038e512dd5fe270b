"""Rows 54 to 56: HTTP/2. castool offers HTTP/1.1 alone (docs/decisions/007), so what is tested is
that a server that speaks both is pulled from without it, and that one that insists ends the pull."""

import ssl

import pytest

import tls


@pytest.fixture
def authority(case, tmp_path):
    made = tls.Authority(tmp_path / "authority")
    case.castool.environment["SSL_CERT_FILE"] = str(made.certificate)
    return made


def test_row_54_http2_is_offered_and_not_taken(case, authority, nginx, tmp_path):
    front = tls.Front(nginx, case.hub, tmp_path / "front", *authority.issue(), server="http2;")
    case.at(front.url)
    case.succeeds()
    log = front.log()
    assert {port for port, *_ in log} == {str(front.port), str(front.cdn_port)}
    assert {entry[2:4] for entry in log} == {("HTTP/1.1", "http/1.1")}


# Frames of HTTP/2: length, type, flags, stream, payload.
SETTINGS = b"\0\0\0\4\0\0\0\0\0"
GOAWAY = b"\0\0\10\7\0\0\0\0\0" + b"\0\0\0\0" + b"\0\0\0\15"  # last stream 0, HTTP_1_1_REQUIRED
RST_STREAM = b"\0\0\4\3\0\0\0\0\1" + b"\0\0\0\13"  # of stream 1, ENHANCE_YOUR_CALM


def refuses_frames(case, authority, frames):
    """The pull of an origin that answers with these fails, and soon."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*authority.issue())
    context.set_alpn_protocols(["h2", "http/1.1"])

    def converse(client):
        with context.wrap_socket(client, server_side=True) as secure:
            assert secure.selected_alpn_protocol() == "http/1.1"
            secure.recv(1 << 16)
            secure.sendall(frames)

    with tls.Server(converse) as server:
        case.at(f"https://127.0.0.1:{server.port}")
        case.fails(69, "unavailable", "not valid HTTP", within=10, then=None)
        assert 1 <= server.accepted <= 5


def test_row_54_goaway_in_place_of_an_answer(case, authority):
    refuses_frames(case, authority, SETTINGS + GOAWAY)


def test_row_55_rst_stream_in_place_of_an_answer(case, authority):
    refuses_frames(case, authority, SETTINGS + RST_STREAM)


def test_row_55_a_server_of_http2_alone(case, authority):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*authority.issue())
    context.set_alpn_protocols(["h2"])

    def converse(client):
        with context.wrap_socket(client, server_side=True) as secure:
            secure.recv(1 << 16)
            secure.sendall(SETTINGS)

    with tls.Server(converse) as server:
        case.at(f"https://127.0.0.1:{server.port}")
        case.fails(69, "unavailable", within=10, then=None)
        assert server.accepted <= 5


def test_row_56_a_window_that_never_opens(case, authority):
    # To HTTP/1.1 that is silence after the request, over a connection of TLS that stands.
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*authority.issue())

    def converse(client):
        with context.wrap_socket(client, server_side=True) as secure:
            while secure.recv(1 << 16):
                pass

    case.scale = 0.05  # five times 1.5 s without a byte, and waits between
    with tls.Server(converse) as server:
        case.at(f"https://127.0.0.1:{server.port}")
        case.fails(69, "unavailable", "no data", within=20, then=None)
        assert 2 <= server.accepted <= 5  # each attempt over a connection of its own
