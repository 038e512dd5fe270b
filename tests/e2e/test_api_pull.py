"""castool serve under many and unkind clients: shared pulls, disconnects, the end of the server."""

import json
import signal
import socket
import threading

import api_client
import harness
import models

MIB = 1 << 20
LIMIT = api_client.LIMIT
NEVER = {"stall_after": 0, "stall_ms": 3_600_000}


def add_held(hub, name="library/big:latest", megabytes=12, seed=1):
    """A model whose big layer stops short of its end until release(); its digest and size."""
    manifest, blobs = models.registry_model(models.gguf(tensor_bytes=megabytes * MIB, seed=seed))
    hub.add_model(name, manifest, blobs)
    hub.fault(NEVER, times=-1, origin="cdn", covers=(megabytes - 3) * MIB)
    layer = json.loads(manifest)["layers"][0]
    return layer["digest"], layer["size"]


def release(hub):
    """What is held back comes when it is asked for again: the hub begins anew, without its faults."""
    hub.restart()


def is_moving(line, digest):
    return line.get("digest") == digest and line.get("completed", 0) > 0


def check_course(lines, digest, size):
    assert lines[0] == {"status": "pulling manifest"}
    assert lines[-1] == {"status": "success"}
    mine = [line for line in lines if line.get("digest") == digest]
    values = [line.get("completed", 0) for line in mine]
    assert values == sorted(values) and values[-1] == size
    assert {line["total"] for line in mine} == {size}


def wait_running(server, count):
    harness.wait_until(lambda: server.metric("castool_pulls_running") == count, LIMIT,
                       f"{count} pulls under way")


def in_threads(calls):
    threads = [threading.Thread(target=call) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT)
        assert not thread.is_alive()


def test_many_clients_one_download(hub, serve):
    digest, size = add_held(hub)
    server = serve()
    streams = [server.stream("big") for _ in range(8)]
    for stream in streams:
        assert stream.status == 200
        stream.until(lambda line: is_moving(line, digest))
        # Nothing moves, and yet it is told again and again.
        for _ in range(3):
            stream.until(lambda line: is_moving(line, digest))
    assert server.metric("castool_pulls_running") == 1
    assert len(hub.log(target="/manifests/")) == 1
    streams.pop().hang_up()  # the others go on
    release(hub)
    in_threads(stream.rest for stream in streams)
    for stream in streams:
        check_course(stream.seen, digest, size)
    assert server.metric("castool_pulls_total") == 1
    assert server.metric("castool_fetched_bytes_total") < 2 * size


def test_nobody_waits_any_more(hub, serve, castool):
    digest, size = add_held(hub)
    server = serve()
    first, second = server.stream("big"), server.stream("big")
    for stream in (first, second):
        stream.until(lambda line: is_moving(line, digest))
    first.hang_up()
    second.until(lambda line: is_moving(line, digest))
    assert server.metric("castool_pulls_running") == 1
    second.hang_up()
    wait_running(server, 0)
    kept = castool.run("df", "--json").json[0]["partial_bytes"]
    assert kept > 0
    assert server.get("/api/tags").json == {"models": []}
    release(hub)
    check_course(server.pull("big").lines, digest, size)
    assert hub.bytes_sent(origin="cdn") < size  # the rest


def test_a_caller_that_leaves_early(hub, serve):
    """Before the manifest is there, and without streaming."""
    manifest, blobs = models.registry_model()
    hub.add_model("library/tiny:latest", manifest, blobs)
    server = serve()
    for stream in (True, False):
        hub.fault(NEVER, times=1, target="/manifests/")
        connection = server.connection()
        connection.request("POST", "/api/pull", body=json.dumps({"model": "tiny", "stream": stream}))
        harness.wait_until(lambda: sum(hub.fault_hits()) == 1, LIMIT, "the question about the manifest")
        assert server.metric("castool_pulls_running") == 1
        connection.close()
        wait_running(server, 0)
        hub.clear_faults()
    assert server.pull("tiny").lines[-1] == {"status": "success"}


def test_sigterm_ends_pulls_and_says_so(hub, serve, castool):
    digest, size = add_held(hub)
    server = serve()
    stream = server.stream("big")
    stream.until(lambda line: is_moving(line, digest))
    server.process.send_signal(signal.SIGTERM)
    assert stream.rest()[-1] == {"error": "the pull was stopped by the server"}
    status, _ = server.stop()
    assert status == 0
    assert castool.run("df", "--json").json[0]["partial_bytes"] > 0
    release(hub)
    check_course(serve().pull("big").lines, digest, size)


def test_two_hundred_clients(hub, serve):
    models_at_hub = [add_held(hub, f"library/m{i}:latest", 4, seed=i) for i in range(5)]
    server = serve()
    streams = []

    def open_stream(i):
        streams.append((i, server.stream(f"m{i}")))

    in_threads(lambda i=i: open_stream(i % 5) for i in range(200))
    assert [stream.status for _, stream in streams] == [200] * 200
    # All of them wait, and others are served as ever.
    for path in ("/healthz", "/api/tags", "/"):
        assert server.get(path).status == 200
    assert server.metric("castool_pulls_running") == 5
    assert len(hub.log(target="/manifests/")) == 5
    release(hub)
    read, unread = streams[:190], streams[190:]  # ten look away
    in_threads(stream.rest for _, stream in read)
    for i, stream in read:
        check_course(stream.seen, *models_at_hub[i])
    wait_running(server, 0)
    assert server.metric("castool_pulls_total") == 5
    for _, stream in unread:
        stream.hang_up()


def test_a_request_in_pieces(hub, serve):
    manifest, blobs = models.registry_model()
    hub.add_model("library/tiny:latest", manifest, blobs)
    server = serve()
    host, port = server.host.rsplit(":", 1)
    body = b'{"model":"tiny","stream":false}'
    head = f"POST /api/pull HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection((host, int(port)), LIMIT) as connection:
        for _ in range(3):  # on one connection
            for byte in head.encode() + body:
                connection.sendall(bytes([byte]))
            answer = connection.recv(65536)
            while b'{"status":"success"}' not in answer:
                more = connection.recv(65536)
                assert more, answer
                answer += more
            assert answer.startswith(b"HTTP/1.1 200")
