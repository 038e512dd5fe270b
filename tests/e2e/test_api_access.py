"""Who may ask castool serve, and what it lets them make it do."""

import contextlib
import json
import os
import socket
import stat

import api_client
import harness
import models
from hub import Hub

SECRET = "an-api-token-0123456789"


def raw(server, text, limit=api_client.LIMIT):
    """What the server answers to these bytes, until it closes."""
    host, port = server.host.rsplit(":", 1)
    with socket.create_connection((host, int(port)), limit) as connection:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(text.encode() if isinstance(text, str) else text)
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            while data := connection.recv(65536):
                answer += data
        return answer


def test_host_and_origin(serve):
    server = serve()
    for host in ["localhost", "LOCALHOST:80", "127.0.0.1", server.host, "[::1]:11435"]:
        assert server.get("/api/tags", Host=host).status == 200, host
    for host in ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "evil.localhost",
                 "127.0.0.2", "10.0.0.1", "", "localhost:x", "[::1", "localhost@evil", "x.local"]:
        answer = server.get("/api/tags", Host=host)
        assert (answer.status, list(answer.json)) == (403, ["error"]), host
    assert raw(server, "GET /api/tags HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 403")
    twice = "GET /api/tags HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\nConnection: close\r\n\r\n"
    assert raw(server, twice).startswith(b"HTTP/1.1 403")

    for origin in ["http://localhost", "http://localhost:3000", "https://127.0.0.1:8443"]:
        answer = server.get("/api/tags", Origin=origin)
        assert (answer.status, answer.headers["access-control-allow-origin"]) == (200, origin)
        asked = server.ask("OPTIONS", "/api/pull", headers={"Origin": origin})
        assert asked.status == 204 and "POST" in asked.headers["access-control-allow-methods"]
    for origin in ["http://evil.example", "null", "https://localhost.evil.example", "file://"]:
        answer = server.get("/api/tags", Origin=origin)
        assert answer.status == 403 and "access-control-allow-origin" not in answer.headers, origin


def test_content_types(serve, hub):
    manifest, blobs = models.registry_model()
    hub.add_model("library/tiny:latest", manifest, blobs)
    server = serve()
    body = {"model": "tiny", "stream": False}
    # The seeds' curl lines send none of their own: whatever curl says is fine.
    for kind in ["application/x-www-form-urlencoded", "text/plain", "application/json",
                 "multipart/form-data; boundary=x"]:
        assert server.ask("POST", "/api/pull", body, {"Content-Type": kind}).status == 200, kind
        asked = {"Content-Type": kind, "Origin": "http://localhost"}
        wanted = 200 if kind == "application/json" else 415
        assert server.ask("POST", "/api/pull", body, asked).status == wanted, kind


def test_registries(serve, hub, castool):
    manifest, blobs = models.registry_model()
    hub.add_model("library/tiny:latest", manifest, blobs)
    with Hub() as private:
        private.add_model("team/own:v1", manifest, blobs)
        host = private.url.removeprefix("http://")
        server = serve()
        for name in [f"{host}/team/own:v1", f"http://{host}/team/own:v1", "evil.example/a/b",
                     "169.254.169.254/latest/meta-data", "localhost:22/a/b"]:
            for more in ({}, {"insecure": True}, {"stream": False}):
                answer = server.pull(name, **more)
                assert answer.status == 403 and "not allowed" in answer.json["error"], name
        answer = server.pull("tiny", insecure=True)
        assert answer.status == 403 and "without TLS" in answer.json["error"]
        assert private.log() == [] and hub.log() == []

        allowing = serve("--allow-registry", host)
        assert allowing.pull(f"{host}/team/own:v1", insecure=True).lines[-1] == {"status": "success"}
        assert allowing.pull(f"http://{host}/team/own:v1").lines[-1] == {"status": "success"}
        assert allowing.pull("tiny").lines[-1] == {"status": "success"}
        assert allowing.pull("evil.example/a/b").status == 403
    for words in [["--allow-registry", "http://x"], ["--listen", "nowhere"], ["--listen", "a.b:1"],
                  ["--socket-mode", "660"], ["--auth-token-file", castool.folder / "none"]]:
        castool.run("serve", *words, status=64)


def test_token(serve, castool):
    file = castool.folder / "token"
    file.write_text(SECRET + "\n")
    file.chmod(0o600)
    server = serve("--auth-token-file", file)
    assert server.get("/healthz").status == 200
    for headers in [{}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {SECRET}"},
                    {"Authorization": f"Bearer {SECRET}x"}, {"Authorization": f"Bearer {SECRET[:-1]}"},
                    {"Authorization": f"Bearer {SECRET[0]}"}, {"Authorization": "Bearer "}]:
        for path in ("/", "/api/tags", "/metrics", "/api/version"):
            answer = server.get(path, **headers)
            assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
    for scheme in ("Bearer", "bearer"):
        assert server.get("/api/tags", Authorization=f"{scheme} {SECRET}").status == 200
    status, err = server.stop()
    assert status == 0 and SECRET not in err


def test_what_is_too_much(serve):
    server = serve()
    head = "POST /api/pull HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    refused = [
        head + "Content-Length: 9999999\r\n\r\n" + "x" * 100,
        head + "X: " + "y" * 100_000 + "\r\n\r\n",
        head + "".join(f"X{i}: y\r\n" for i in range(20_000)) + "\r\n",
        "GET /" + "a" * 100_000 + " HTTP/1.1\r\nHost: localhost\r\n\r\n",
        head + "Transfer-Encoding: chunked\r\n\r\n" + ("40000\r\n" + "x" * 0x40000 + "\r\n") * 8,
        "NONSENSE\r\n\r\n",
        "BREW /pot HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    ]
    for text in refused:
        answer = raw(server, text)
        assert answer == b"" or answer.startswith(b"HTTP/1.1 4"), (text[:80], answer[:200])
    long_path = "GET /" + "a" * 7000 + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    assert raw(server, long_path).startswith(b"HTTP/1.1 404")
    many_ranges = "Range: bytes=" + ",".join("0-1" for _ in range(1500)) + "\r\n"
    assert b"HTTP/1.1 200" in raw(server, "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                                  + many_ranges + "\r\n")[:20]
    assert server.get("/healthz").status == 200


def test_slow_requests_end(serve, castool):
    castool.environment["CASTOOL_TIME_SCALE"] = "0.02"
    server = serve()
    assert raw(server, "POST /api/pull HTTP/1.1\r\nHost: lo") == b""
    half = "POST /api/pull HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\n{"
    answer = raw(server, half)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 4")
    assert raw(server, "") == b""


def test_errors_name_no_paths(serve, hub, castool):
    manifest, blobs = models.registry_model()
    hub.add_model("library/tiny:latest", manifest, blobs)
    server = serve()
    server.pull("tiny", stream=False)
    # A store that breaks under the server.
    for path in (castool.store / "refs" / "default").iterdir():
        path.write_text("{broken")
    (castool.store / "refs").chmod(0)
    said = []
    for method, target, body in [("POST", "/api/show", {"model": "tiny"}), ("GET", "/api/tags", None),
                                 ("POST", "/api/pull", {"model": "tiny"}), ("GET", "/metrics", None),
                                 ("DELETE", "/api/delete", {"model": "../../tiny"})]:
        said.append(server.ask(method, target, body).body.decode())
    (castool.store / "refs").chmod(0o700)
    assert str(castool.folder) not in json.dumps(said)


def test_unix_socket(serve, castool):
    path = castool.folder / "api.sock"
    server = serve("--socket-listen", path, "--socket-mode", "660", "--socket-group", os.getgid(),
                   command=("serve",))
    assert server.where == str(path)  # no TCP address unless it is asked for
    mode = path.stat().st_mode
    assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o660
    assert server.get("/api/tags", Host="whatever.example").status == 200
    refused = castool.run("serve", "--socket-listen", path, status=75)
    assert "another server" in refused.err
    server.process.kill()
    server.process.wait(api_client.LIMIT)
    server.process.returncode = 0  # it was ended here
    assert path.exists()  # left behind, and no obstacle
    again = serve("--socket-listen", path, "--listen", "127.0.0.1:0", command=("serve",))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert again.get("/healthz").status == 200 and again.where.endswith(f" and {path}")
    assert again.stop()[0] == 0 and not path.exists()
    path.write_text("mine")
    castool.run("serve", "--socket-listen", path, status=64)
    assert path.read_text() == "mine"


def test_address_taken(serve, castool):
    server = serve()
    refused = castool.run("serve", "--listen", server.host, status=75)
    assert "somebody else" in refused.err
    port = harness.free_port()
    everywhere = serve("--listen", f"0.0.0.0:{port}", command=("serve",))
    everywhere.host = f"127.0.0.1:{port}"
    assert everywhere.get("/healthz", Host="10.1.2.3:80").status == 200
    assert everywhere.get("/healthz", Host="evil.example").status == 403
    status, err = everywhere.stop()
    assert status == 0 and "--auth-token-file" in err
