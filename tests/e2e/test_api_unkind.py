"""castool serve and clients that are slow, broken or hostile: each costs one bounded connection."""

import contextlib
import hashlib
import json
import os
import socket

import api_client
import harness
import models

MIB = 1 << 20
LIMIT = api_client.LIMIT
NEVER = {"stall_after": 0, "stall_ms": 3_600_000}
POST = b"POST /api/pull HTTP/1.1\r\nHost: localhost\r\n"


def connect(server, receive_buffer=0):
    host, port = server.host.rsplit(":", 1)
    connection = socket.socket()
    connection.settimeout(LIMIT)
    if receive_buffer:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connection.connect((host, int(port)))
    return connection


def rest_of(connection):
    """All that still comes, until the server closes."""
    answer = b""
    with contextlib.suppress(ConnectionResetError):
        while data := connection.recv(65536):
            answer += data
    return answer


def ask_raw(server, text, ends=True):
    with contextlib.closing(connect(server)) as connection:
        with contextlib.suppress(OSError):
            connection.sendall(text)
            if ends:
                connection.shutdown(socket.SHUT_WR)
        return rest_of(connection)


def statuses(answer):
    return [part.split(b" ", 1)[0].decode() for part in answer.split(b"HTTP/1.1 ")[1:]]


def sockets_of(server):
    """How many sockets the server has open."""
    count = 0
    folder = f"/proc/{server.process.pid}/fd"
    for name in os.listdir(folder):
        with contextlib.suppress(OSError):
            count += os.readlink(f"{folder}/{name}").startswith("socket:")
    return count


def is_well(server):
    with contextlib.suppress(OSError):
        return server.get("/healthz").status == 200
    return False


def sent_until_closed(connection, piece):
    """Sends `piece` again and again, slowly, until the server has closed; what it answered."""
    answer = b""
    connection.settimeout(0.05)
    for _ in range(LIMIT * 20):
        try:
            connection.sendall(piece)
            data = connection.recv(65536)
        except TimeoutError:
            continue
        except OSError:
            return answer
        if not data:
            return answer
        answer += data
    raise AssertionError("the server still listens")


def test_requests_that_never_end(serve, castool):
    """A byte now and then keeps no connection: the time of a request is counted in all."""
    castool.environment["CASTOOL_TIME_SCALE"] = "0.05"
    server = serve()
    for begun, piece in [(b"", b"G"), (b"GET / HTTP/1.1\r\nHost: localhost\r\n", b"X: y\r\n"),
                         (b"GET / HTTP/1.1\r\nX: ", b"y"), (POST + b"Content-Length: 100000\r\n\r\n", b" "),
                         (POST + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
                         (POST + b"Transfer-Encoding: chunked\r\n\r\n1;", b"x")]:
        with contextlib.closing(connect(server)) as connection:
            connection.sendall(begun)
            answer = sent_until_closed(connection, piece)
            assert answer == b"" or statuses(answer)[0].startswith("4"), (begun, answer)
    harness.wait_until(lambda: is_well(server), LIMIT, "an answer")


def test_bodies_that_are_garbage(serve, hub):
    """An error or a closed connection, and what follows is never taken for a request."""
    server = serve()
    inner = b"GET /api/version HTTP/1.1\r\nHost: localhost\r\n\r\n"
    chunked = POST + b"Transfer-Encoding: chunked\r\n\r\n"
    for text in [chunked + b"zz\r\n" + inner, chunked + b"-1\r\n" + inner,
                 chunked + b"ffffffffffffffffff\r\n" + inner, chunked + b"7fffffffffffffff\r\n{",
                 chunked + b"5\r\nabcdefghij\r\n0\r\n\r\n" + inner, chunked + b"\r\n\r\n\r\n" + inner,
                 chunked + b"1;" + b"x" * 200_000 + b"\r\n{\r\n0\r\n\r\n",
                 POST + b"Content-Length: -1\r\n\r\n" + inner, POST + b"Content-Length: 1x\r\n\r\n{" + inner,
                 POST + b"Content-Length: 99999999999999999999999\r\n\r\n{",
                 POST + b"Content-Length: 2\r\n\r\n{}" + b"\xff" * 100,
                 POST + b"Content-Length: 4\r\n\r\n\xff\xfe\0\x01",
                 b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc" + os.urandom(500), b"\0" * 5000,
                 b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]:
        answer = ask_raw(server, text)
        assert all(status.startswith("4") for status in statuses(answer)), (text[:120], answer)
        assert b'"version"' not in answer, (text[:120], answer)
    assert hub.log() == [] and is_well(server)


def test_two_lengths(serve, hub):
    """No request hides behind another's body, whichever length somebody before us believed."""
    server = serve()
    inner = b"GET /api/version HTTP/1.1\r\nHost: localhost\r\nX: "
    body = b"0\r\n\r\n" + inner
    for head in [b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n" % len(body),
                 b"Transfer-Encoding: chunked\r\nContent-Length: %d\r\n\r\n" % len(body),
                 b"Content-Length: 5\r\nContent-Length: %d\r\n\r\n" % len(body)]:
        answer = ask_raw(server, POST + head + body + b"\r\n\r\n")
        assert b'"version"' not in answer and statuses(answer) in ([], ["400"]), (head, answer)
    for method in (b"GET", b"HEAD", b"OPTIONS", b"DELETE", b"PUT", b"PATCH"):  # a body that few expect
        asked = method + b" /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(inner)
        answer = ask_raw(server, asked + inner)
        assert b'"version"' not in answer and len(statuses(answer)) <= 1, (method, answer)
    assert hub.log() == []


def test_requests_in_one_go(serve, hub):
    """Pipelined: answered one by one, in order."""
    hub.add_model("library/tiny:latest", *models.registry_model())
    server = serve()
    body = b'{"model":"tiny","stream":false}'
    pull = POST + b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
    get = b"GET %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n"
    answer = ask_raw(server, get % (b"/api/version", b"") + pull + get % (b"/api/nothing", b"")
                     + get % (b"/api/tags", b"") * 20 + get % (b"/healthz", b"Connection: close\r\n"), ends=False)
    assert statuses(answer) == ["200", "200", "404", *["200"] * 21]
    assert answer.index(b'"version"') < answer.index(b'"success"') < answer.index(b'"tiny:latest"')
    assert answer.endswith(b"ok\n")


def test_a_side_that_is_closed(serve, hub):
    """Who sends no more still gets a short answer; a pull that takes long is given up, as by Ollama."""
    manifest, blobs = models.registry_model(models.gguf(tensor_bytes=12 * MIB))
    hub.add_model("library/big:latest", manifest, blobs)
    hub.fault(NEVER, times=-1, origin="cdn", covers=9 * MIB)
    server = serve()
    with contextlib.closing(connect(server)) as connection:
        connection.sendall(b"GET /api/tags HTTP/1.1\r\nHost: localhost\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        assert rest_of(connection).endswith(b'{"models":[]}')
    for stream in ("true", "false"):
        body = b'{"model":"big","stream":%s}' % stream.encode()
        with contextlib.closing(connect(server)) as connection:
            connection.sendall(POST + b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
            harness.wait_until(lambda: server.metric("castool_pulls_running") == 1, LIMIT, "the pull")
            connection.shutdown(socket.SHUT_WR)
            answer = rest_of(connection)
            assert b'"success"' not in answer, answer[-200:]
        harness.wait_until(lambda: server.metric("castool_pulls_running") == 0, LIMIT, "its end")
    hub.restart()  # without its faults
    assert server.pull("big").lines[-1] == {"status": "success"}


def test_who_reads_nothing(serve, hub, castool):
    """An answer that nobody takes holds its connection for a while, and no other one."""
    castool.environment["CASTOOL_TIME_SCALE"] = "0.05"
    content = models.gguf(tensor_bytes=24 * MIB)
    manifest, blobs = models.registry_model(content)
    hub.add_model("library/big:latest", manifest, blobs)
    castool.run("pull", "-q", "big")
    server = serve("--registry")
    target = f"/v2/library/big/blobs/{json.loads(manifest)['layers'][0]['digest']}"
    before = sockets_of(server)
    held = [connect(server, receive_buffer=4096) for _ in range(20)]
    for connection in held:
        connection.sendall(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    for connection in held:
        assert connection.recv(15) == b"HTTP/1.1 200 OK"
    harness.wait_until(lambda: is_well(server), LIMIT, "an answer")
    harness.wait_until(lambda: sockets_of(server) <= before, LIMIT, "the end of the connections")
    assert len(rest_of(held[0])) < len(content)
    for connection in held:
        connection.close()
    whole = server.get(target).body
    assert hashlib.sha256(whole).hexdigest() == target[-64:]


def test_who_drops_in_the_middle(serve, hub, castool):
    """Of a request, of an answer, with or without a farewell: nothing stays open."""
    manifest, blobs = models.registry_model(models.gguf(tensor_bytes=12 * MIB))
    hub.add_model("library/big:latest", manifest, blobs)
    castool.run("pull", "-q", "big")
    server = serve("--registry")
    target = f"/v2/library/big/blobs/{json.loads(manifest)['layers'][0]['digest']}"
    before = sockets_of(server)
    at_once = b"\1\0\0\0\0\0\0\0"  # SO_LINGER: a reset
    for text in [b"", POST, POST + b"Content-Length: 50\r\n\r\n{", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
                 f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()]:
        for reset in (False, True):
            connection = connect(server, receive_buffer=4096)
            connection.sendall(text)
            if text.endswith(b"\r\n\r\n"):
                connection.recv(100)
            if reset:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
            connection.close()
    harness.wait_until(lambda: sockets_of(server) <= before, LIMIT, "the end of the connections")
    assert is_well(server)


def test_more_connections_than_are_served(serve, castool):
    """Silent ones are closed in time, so that the others get their turn."""
    castool.environment["CASTOOL_TIME_SCALE"] = "0.05"
    server = serve()
    with contextlib.ExitStack() as stack:
        silent = [stack.enter_context(contextlib.closing(connect(server))) for _ in range(1100)]
        harness.wait_until(lambda: is_well(server), LIMIT, "an answer")
        assert rest_of(silent[0]) == b""
    harness.wait_until(lambda: is_well(server), LIMIT, "an answer")
