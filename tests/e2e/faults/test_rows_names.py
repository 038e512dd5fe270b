"""Rows 46 to 50: names that do not resolve, addresses where nobody answers."""

import os
import signal
import socket
import ssl
import subprocess
import threading
import time

import pytest

import harness
import names
import tls
from hub import Synthetic
from names import HERE, HERE6, NOWHERE, NOWHERE6
from rows import MIB
from running_pull import RunningPull

HUB, CDN = "hub.test", "cdn.test"


@pytest.fixture
def net(case):
    """The hub in a network of its own."""
    ports = case.hub.ports()
    try:
        with names.network():
            case.hub.stop()
            try:
                case.hub.start(*ports)
                yield
                case.check_secrets()
            finally:
                case.hub.stop()
    except names.NotPossible as why:
        pytest.skip(str(why))
    finally:
        case.hub.start(*ports)


@pytest.fixture
def resolver(net, monkeypatch, tmp_path):
    """castool asks this name server, which knows both names here; address() sets others."""
    program = names.with_resolver(tmp_path / "resolver", os.environ["CASTOOL"])
    monkeypatch.setenv("CASTOOL", str(program))
    with names.NameServer({HUB: [HERE], CDN: [HERE]}) as server:
        yield server


@pytest.fixture
def front(case, resolver, nginx, tmp_path):
    """The hub over TLS under the two names."""
    authority = tls.Authority(tmp_path / "authority")
    certificate = authority.issue(f"DNS:{HUB},DNS:{CDN},DNS:slow.test")
    made = tls.Front(nginx, case.hub, tmp_path / "front", *certificate, names=(HUB, CDN),
                     address=HERE)
    harness.wait_until(lambda: accepts(HERE, made.port), what="nginx at its address")
    case.castool.environment["SSL_CERT_FILE"] = str(authority.certificate)
    case.at(made.url)
    made.certificate = certificate
    return made


def accepts(address, port):
    try:
        socket.create_connection((address, port), 1).close()
    except OSError:
        return False
    return True


def first_address(case, name):
    """The one that programs try first."""
    program = os.path.join(os.path.dirname(os.environ["CASTOOL"]), "getent")
    with open(os.environ["CASTOOL"], encoding="utf-8") as castool:
        text = castool.read()
    binary = text.rsplit("exec ", 1)[1].split(" ")[0]
    with open(program, "w", encoding="utf-8") as file:
        file.write(text.replace(f"exec {binary} ", "exec getent "))
    os.chmod(program, 0o755)
    done = subprocess.run([program, "ahosts", name], capture_output=True, text=True, check=True)
    return done.stdout.split()[0]


def test_row_46_names_resolve(case, front, resolver):
    case.succeeds()
    assert {name for _, name, _ in resolver.asked} == {HUB, CDN}


@pytest.mark.parametrize("which", [HUB, CDN])
def test_row_46_no_such_name(case, front, resolver, which):
    del resolver.addresses[which]
    case.fails(69, "unavailable", "cannot resolve", which, within=10, then=None)
    # Three tries, each for two kinds of address, of every request that was under way.
    questions = len([name for _, name, _ in resolver.asked if name == which])
    assert 1 <= questions <= 6 * (1 if which == HUB else case.connections + 5)
    resolver.addresses[which] = [HERE]
    case.succeeds()


@pytest.mark.parametrize("which", [HUB, CDN])
def test_row_46_servfail_and_then_well(case, front, resolver, which):
    resolver.codes = [2, 2] if which == HUB else [0, 0, 2, 2]  # both kinds of address, once
    case.succeeds()
    assert resolver.codes == []


def test_row_46_a_slow_name_server(case, front, resolver):
    case.scale = 0.1
    resolver.delay = 0.15
    case.succeeds()


def test_row_46_a_silent_name_server(case, front, resolver):
    resolver.silent = True
    case.fails(69, "unavailable", within=15, then=None)
    assert case.hub.log() == []


def test_row_46_interrupted_while_a_name_is_looked_up(case, front, resolver):
    resolver.silent = True
    case.castool.environment["CASTOOL_TIME_SCALE"] = "1"
    process = case.castool.start("pull", "-q", *case.words, case.source, stderr=subprocess.PIPE)
    harness.wait_until(lambda: resolver.asked, what="question for the name")
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    # The name server's own time-out is a second; waiting for all of its attempts takes longer.
    assert time.monotonic() - began < 5


def test_row_46_the_name_goes_away_during_a_pull(case, front, resolver):
    case.put(Synthetic(8 * MIB + 3, 9))
    case.hub.settings(registry_auth=False)
    # It gets somewhere, and is not done before it is told to go on.
    case.always({"stall_after": 0, "stall_ms": 60_000}, origin="cdn", range_from=2 * MIB)
    case.always({"stall_after": 3 * MIB // 2, "stall_ms": 60_000}, origin="cdn",
                range_over=2 * MIB)
    case.castool.environment["CASTOOL_TIME_SCALE"] = str(case.scale)
    pull = RunningPull(case.castool, *case.words, case.source)
    pull.read_until(case.digest, MIB)

    def meanwhile():
        resolver.addresses.pop(CDN)
        asked = len(resolver.asked)
        front.nginx.stop()
        case.hub.clear_faults()
        # More often than the three times that a name is tried which was never known.
        harness.wait_until(lambda: [name for _, name, _ in resolver.asked[asked:]].count(CDN) >= 8,
                           what="questions for the name")
        resolver.addresses[CDN] = [HERE]
        front.nginx.start()

    pull.run_through(meanwhile)
    case.check_right()


@pytest.mark.parametrize("how", ["refuses", "is silent"])
def test_row_47_a_dead_address_among_several(case, front, resolver, how):
    if how == "refuses":
        subprocess.run(["ip", "address", "add", NOWHERE + "/32", "dev", "lo"], check=True)
    case.scale = 0.25  # a connection attempt gets 2.5 s, and an address at least a quarter of that
    for name in (HUB, CDN):
        resolver.addresses[name] = [NOWHERE, HERE, "10.9.0.3"]
    assert first_address(case, HUB) == NOWHERE
    case.succeeds(within=30)


def test_row_48_ipv6_is_a_black_hole(case, front, resolver):
    for name in (HUB, CDN):
        resolver.addresses[name] = [NOWHERE6, HERE]
    assert first_address(case, HUB) == NOWHERE6
    # How long after the answers for the name the connection over IPv4 was there.
    waits = []
    for _ in range(3):
        case.scale = 1
        resolver.asked.clear()
        with tls.Server(lambda client: accepted.append(time.monotonic()), HERE) as server:
            accepted = []
            case.at(f"http://{HUB}:{server.port}")
            process = case.castool.start("pull", "-q", case.source, stderr=subprocess.DEVNULL)
            harness.wait_until(lambda: accepted, what="connection over IPv4")
            process.kill()
            process.wait()
        waits.append(accepted[0] - max(at for at, _, _ in resolver.asked if at < accepted[0]))
    assert 0.1 < min(waits) <= 0.3, waits
    case.at(front.url)
    case.succeeds()


def test_row_48_ipv4_is_a_black_hole(case, net, resolver, nginx, tmp_path):
    authority = tls.Authority(tmp_path / "authority")
    made = tls.Front(nginx, case.hub, tmp_path / "front", *authority.issue(f"DNS:{HUB},DNS:{CDN}"),
                     names=(HUB, CDN), address=f"[{HERE6}]")
    case.castool.environment["SSL_CERT_FILE"] = str(authority.certificate)
    case.at(made.url)
    for name in (HUB, CDN):
        resolver.addresses[name] = [NOWHERE, HERE6]
    case.succeeds()


@pytest.mark.parametrize("which", [HUB, CDN])
def test_row_49_nobody_answers_a_connection(case, front, resolver, which):
    resolver.addresses[which] = [NOWHERE]
    # 12 s from when the origin said where the large blob is. With one connection it may say so after
    # the five attempts for each of the two small blobs: 1 s each, and waits of 1.5 s in all.
    case.fails(69, "unavailable", "cannot connect", words=["--timeout", "2m"], within=12 + 13 + 5,
               then=None)
    resolver.addresses[which] = [HERE]
    case.succeeds()


def test_row_49_ten_seconds_for_a_connection(case, front, resolver):
    resolver.addresses[HUB] = [NOWHERE]
    # 10 s five times, and waits of up to 1, 2, 4 and 8 s between.
    case.scale = 0.05
    case.fails(69, "unavailable", "cannot connect", within=10, then=None)
    assert case.seconds >= 5 * 10 * case.scale


def test_row_50_large_packets_are_lost(case, front, resolver):
    """TLS stands and short answers come; of what is longer than a packet nothing comes, until the
    way is another one."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*front.certificate)
    lost = [3 if case.connections == 1 else 20]  # connections that this happens to
    lock = threading.Lock()

    def converse(client):
        with lock:
            small_only = lost[0] > 0
            lost[0] -= 1
        with context.wrap_socket(client, server_side=True) as secure, \
                socket.create_connection(("127.0.0.1", case.hub.ports()[1]), 60) as behind:
            upward = threading.Thread(target=pump, args=(secure, behind))
            upward.start()
            while block := behind.recv(1400 if small_only else 1 << 16):
                secure.sendall(block)
                if small_only and len(block) == 1400:
                    break  # the head of an answer came; nothing else does
            upward.join(60)

    with tls.Server(converse, HERE) as cdn:
        resolver.addresses["slow.test"] = [HERE]
        front.nginx.stop()
        front.redirect_cdn_to(f"https://slow.test:{cdn.port}")
        front.nginx.start()
        case.succeeds("--timeout", "10m")
        assert lost[0] <= 0


def pump(source, sink):
    """Everything from one to the other, until either has ended."""
    try:
        while block := source.recv(1 << 16):
            sink.sendall(block)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # the other direction ended both
