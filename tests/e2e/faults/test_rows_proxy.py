"""Row 58: proxies, with and without a login, that go away, and that are to be passed by."""

import base64

import pytest

import harness
import proxies
import tls
from hub import Synthetic
from rows import MIB, HUB_TOKEN
from running_pull import RunningPull

USER, PASSWORD = "porter", "canary-of.the_proxy"
LOGIN = "porter:canary%2Dof.the_proxy"  # encoded, as special characters have to be
BASIC = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


@pytest.fixture
def tinyproxy(tmp_path):
    """tinyproxy(user="", password="") starts one."""
    running = []

    def start(*login):
        running.append(proxies.Tinyproxy(tmp_path / f"tinyproxy{len(running)}", *login))
        return running[-1]

    yield start
    for proxy in running:
        proxy.stop()


@pytest.fixture
def front(case, nginx, tmp_path):
    """The hub over TLS, trusted, and castool sent there."""
    authority = tls.Authority(tmp_path / "authority")
    made = tls.Front(nginx, case.hub, tmp_path / "front", *authority.issue())
    case.castool.environment["SSL_CERT_FILE"] = str(authority.certificate)
    case.at(made.url)
    return made


@pytest.fixture(autouse=True)
def passwords_stay_secret(case):
    case.secrets += [PASSWORD, LOGIN.split(":")[1], BASIC]
    yield
    for secret in (PASSWORD, BASIC):
        assert case.hub.saw(secret) == []  # a proxy's password is not the origin's business


def through(proxy, scheme, login=""):
    """The variable that sends `scheme` through the proxy."""
    url = proxy.url.replace("//", f"//{login}@") if login else proxy.url
    return {f"{scheme}_proxy": url}


def test_row_58_http_through_a_proxy(case, tinyproxy):
    proxy = tinyproxy()
    case.succeeds("-vv", env=through(proxy, "http"))
    assert {"Via" in entry["headers"] for entry in case.hub.log()} == {True}


@pytest.mark.parametrize("name", ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])
def test_row_58_https_through_a_proxy(case, front, tinyproxy, name):
    proxy = tinyproxy()
    case.succeeds("-vv", env={name: proxy.url})
    assert proxy.requests() == sorted(f"CONNECT 127.0.0.1:{port} HTTP/1.1"
                                      for port in (front.port, front.cdn_port))


def test_row_58_the_proxy_sees_no_token(case, front):
    with proxies.Recorder() as proxy:
        case.succeeds("-vv", env=through(proxy, "https", LOGIN))
    # The token was sent to the Hub, inside TLS.
    assert case.hub.saw(HUB_TOKEN) or not case.at_hub
    assert proxy.asked and all(head.startswith(b"CONNECT 127.0.0.1:") for head in proxy.asked)
    assert all(BASIC.encode() in head for head in proxy.asked)
    seen = b"".join(proxy.asked) + bytes(proxy.tunnelled)
    for secret in (HUB_TOKEN, case.commit, case.digest.removeprefix("sha256:"), "Authorization: B"):
        wanted = secret.encode()
        assert wanted not in seen.replace(b"Proxy-Authorization: B", b""), secret
    assert BASIC.encode() not in proxy.tunnelled


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_row_58_the_right_password(case, request, tinyproxy, scheme):
    if scheme == "https":
        request.getfixturevalue("front")
    proxy = tinyproxy(USER, PASSWORD)
    case.succeeds("-vv", env=through(proxy, scheme, LOGIN))
    assert proxy.requests()


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_row_58_no_password(case, request, tinyproxy, scheme):
    if scheme == "https":
        request.getfixturevalue("front")
    proxy = tinyproxy(USER, PASSWORD)
    case.fails(77, "unauthorized", "the proxy asks for a login", "password", within=10, then=None,
               words=["-vv"], env=through(proxy, scheme))
    assert case.hub.log() == []


REFUSED = b"HTTP/1.1 407 no\r\nProxy-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_row_58_a_wrong_password(case, request, scheme):
    if scheme == "https":
        request.getfixturevalue("front")
    asked = []

    def converse(client):
        asked.append(client.recv(4096))
        client.sendall(REFUSED)

    with tls.Server(converse) as proxy:
        url = f"http://{LOGIN}@127.0.0.1:{proxy.port}"
        case.fails(77, "unauthorized", "the proxy asks for a login", "password", within=10,
                   then=None, words=["-vv"], env={f"{scheme}_proxy": url})
    assert len(asked) == 1 and BASIC.encode() in asked[0]
    assert USER not in "".join(case.outputs)
    assert case.hub.log() == []


def test_row_58_a_wrong_password_for_tinyproxy(case, front, tinyproxy):
    proxy = tinyproxy(USER, "another")  # says 401 instead of 407
    case.fails(77, "unauthorized", "the proxy asks for a login", "password", within=10, then=None,
               words=["-vv"], env=through(proxy, "https", LOGIN))
    assert len(proxy.requests()) == 1 and case.hub.log() == []


def test_row_58_a_proxy_that_wants_a_login_for_the_cdn_only(case, front):
    def converse(client):
        client.recv(4096)
        client.sendall(REFUSED)

    with tls.Server(converse) as proxy:
        case.always({"location": f"https://localhost:{front.cdn_port}/x"}, **case.address)
        env = {"https_proxy": f"http://127.0.0.1:{proxy.port}", "no_proxy": "127.0.0.1"}
        case.fails(77, "unauthorized", "the proxy asks for a login", "password", within=10,
                   then=None, env=env)
        # Those that were under way at once, and none again.
        assert 1 <= proxy.accepted <= case.connections


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_row_58_a_dead_proxy(case, request, scheme):
    if scheme == "https":
        request.getfixturevalue("front")
    env = {f"{scheme}_proxy": f"http://{LOGIN}@127.0.0.1:{harness.free_port()}"}
    case.fails(69, "unavailable", "cannot connect", "proxy", within=10, then=None, words=["-vv"],
               env=env)
    assert case.hub.log() == []


@pytest.mark.parametrize("answer", [
    b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno",
    b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 2\r\n\r\nno",
    b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>log in</html>",
    b"", b"what?\r\n\r\n"], ids=["403", "502", "a page", "closes", "garbage"])
def test_row_58_a_proxy_that_does_not_tunnel(case, front, answer):
    def converse(client):
        client.recv(4096)
        client.sendall(answer)

    with tls.Server(converse) as proxy:
        url = f"http://{LOGIN}@127.0.0.1:{proxy.port}"
        case.fails(69, "unavailable", within=10, then=None, words=["-vv"],
                   env={"https_proxy": url})
        assert 1 <= proxy.accepted <= 5
    assert case.hub.log() == []


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_row_58_the_proxy_dies_and_comes_back(case, request, tinyproxy, scheme):
    if scheme == "https":
        request.getfixturevalue("front")
    proxy = tinyproxy()
    case.put(Synthetic(8 * MIB + 3, 9))
    case.hub.settings(registry_auth=False)
    # It gets somewhere, and is not done before it is told to go on.
    case.always({"stall_after": 0, "stall_ms": 60_000}, origin="cdn", range_from=2 * MIB)
    case.always({"stall_after": 3 * MIB // 2, "stall_ms": 60_000}, origin="cdn",
                range_over=2 * MIB)
    case.castool.environment.update(through(proxy, scheme), CASTOOL_TIME_SCALE=str(case.scale))
    pull = RunningPull(case.castool, "-vv", *case.words, case.source)
    pull.read_until(case.digest, MIB)

    def meanwhile():
        proxy.stop()
        case.hub.clear_faults()
        # It has to notice and to try before there is a proxy again.
        with tls.Server(lambda client: None, port=proxy.port) as nobody:
            harness.wait_until(lambda: nobody.accepted >= 3, what="attempts without a proxy")
        proxy.start()

    pull.run_through(meanwhile)
    case.check_right()
    # Resumed: what had arrived is not asked for again, but for what stood in buffers.
    sent = case.hub.bytes_sent(origin="cdn")
    assert sent <= case.large.size + (1 + case.connections) * MIB


@pytest.mark.parametrize("value", ["127.0.0.1", "example.org,127.0.0.1", "*"])
@pytest.mark.parametrize("name", ["no_proxy", "NO_PROXY"])
def test_row_58_no_proxy(case, name, value):
    with tls.Server(lambda client: None) as proxy:
        url = f"http://127.0.0.1:{proxy.port}"
        case.succeeds(env={"http_proxy": url, "all_proxy": url, name: value})
        assert proxy.accepted == 0


def test_row_58_no_proxy_for_others(case, tinyproxy):
    proxy = tinyproxy()
    case.succeeds(env=through(proxy, "http") | {"NO_PROXY": "example.org,10.0.0.0/8"})
    assert {"Via" in entry["headers"] for entry in case.hub.log()} == {True}


def test_row_58_http_proxy_in_capitals_is_not_read(case):
    # A web server passes the header "Proxy" to its programs under this name; libcurl ignores it.
    with tls.Server(lambda client: None) as proxy:
        case.succeeds(env={"HTTP_PROXY": f"http://127.0.0.1:{proxy.port}"})
        assert proxy.accepted == 0
