"""A limit on processes, which counts threads, is met by a mount or a server that runs already.

What needs a thread fails, and nothing else does. As the user nobody: such a limit does not hold for root.
"""

import http.client
import json
import pathlib
import shutil
import signal
import subprocess

import pytest

import checks
import harness
import models
from unprivileged import AS_NOBODY, NOBODY

MIB = 1 << 20
PLENTY = 4096


def limit_threads(pid, most):
    """From now on `pid` gets no thread while its user has `most` of them."""
    subprocess.run([*AS_NOBODY, "prlimit", "--pid", str(pid), f"--nproc={most}:"], check=True)


def threads_of_nobody():
    count = 0
    for status in pathlib.Path("/proc").glob("[0-9]*/status"):
        try:
            fields = dict(line.split(":\t", 1) for line in status.read_text().splitlines())
        except OSError:  # it has ended
            continue
        if fields["Uid"].split()[0] == str(NOBODY):
            count += int(fields["Threads"])
    return count


def test_a_server(hub, unprivileged):
    hub.add_model("library/tiny:latest", *models.registry_model())
    port = harness.free_port()
    process = unprivileged.start("serve", "--listen", f"127.0.0.1:{port}")
    harness.wait_until(lambda: harness.answers(port), what="start of serve")
    kept = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def ask(connection, method, path, body=None):
        connection.request(method, path, body)
        answer = connection.getresponse()
        return answer.status, answer.read()

    pull = json.dumps({"model": "tiny", "stream": False})
    assert ask(kept, "GET", "/healthz")[0] == 200
    limit_threads(process.pid, 1)
    other = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    with pytest.raises(ConnectionError):
        ask(other, "GET", "/healthz")
    status, body = ask(kept, "POST", "/api/pull", pull)
    assert status == 503 and b"no thread can be begun" in body, (status, body)
    limit_threads(process.pid, PLENTY)
    status, body = ask(kept, "POST", "/api/pull", pull)
    assert (status, json.loads(body)) == (200, {"status": "success"})
    other.close()
    assert ask(other, "GET", "/healthz")[0] == 200
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0


@pytest.mark.parametrize("words, missing", [
    (["pull", "acme/small"], "thread"), (["serve"], "thread"), (["mount", "-f", "{mnt}"], "thread"),
    (["mount", "{mnt}"], "process")], ids=["pull", "serve", "mount -f", "mount"])
def test_one_that_begins(hub, unprivileged, words, missing):
    hub.add_repository("acme/small", {"f": "x"})
    unprivileged.between = ["prlimit", "--nproc=1"]
    words = [word.format(mnt=unprivileged.folder / "mnt") for word in words]
    # LeakSanitizer would need a thread of its own at the end.
    outcome = unprivileged.run(*words, status=None, env={"ASAN_OPTIONS": "detect_leaks=0"})
    checks.assert_error(outcome, 74, None, f"no {missing} can be begun", "ulimit -u")


def test_a_mount(hub, unprivileged):
    if shutil.which("fusermount3") is None:
        pytest.skip("no fusermount3")
    files = {f"{number:02}.bin": models.noise(2 * MIB + 1, number) for number in range(12)}
    hub.add_repository("acme/lazy", files)
    hub.add_repository("acme/other", {"f.txt": "x"})
    unprivileged.run("pull", "-q", "--lazy", "acme/lazy")
    mountpoint = unprivileged.folder / "mnt"
    unprivileged.run("mount", "--on-demand", "acme/*", mountpoint)
    [pid] = unprivileged.processes()

    def read(path):
        return unprivileged.inside(*AS_NOBODY, "cat", mountpoint / path)

    def state(path):
        words = ["getfattr", "--only-values", "-n", "user.castool.state", mountpoint / path]
        return unprivileged.inside(*AS_NOBODY, *words).stdout

    limit_threads(pid, 1)
    for path in ("acme/lazy/00.bin", "acme/other/f.txt"):
        assert b"Input/output error" in read(path).stderr
    # Whichever thread it is that cannot be begun.
    for more, (name, content) in enumerate(files.items()):
        limit_threads(pid, threads_of_nobody() + more)
        outcome = read(f"acme/lazy/{name}")
        assert outcome.stdout == content or b"Input/output error" in outcome.stderr, (more, outcome.stderr)
        assert unprivileged.processes() == [pid], more
    limit_threads(pid, PLENTY)
    for name, content in files.items():
        assert read(f"acme/lazy/{name}").stdout == content
        harness.wait_until(lambda name=name: state(f"acme/lazy/{name}") == b"verified", 30, name)
    assert read("acme/other/f.txt").stdout == b"x"
    unprivileged.run("umount", mountpoint)
    harness.wait_until(lambda: not unprivileged.processes(), 10, "end of the mount's process")
