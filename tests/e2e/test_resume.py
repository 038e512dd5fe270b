"""A pull that is killed, interrupted or run twice at once goes on where it was."""

import json
import os
import random
import signal
import subprocess

import pytest

import checks
import harness
import models
from hub import Synthetic
from running_pull import RunningPull

MIB = 1 << 20
CONNECTIONS = 16


@pytest.fixture
def weights(hub):
    """A slow repository of one LFS file: source and digest."""
    source = Synthetic(48 * MIB + 12345, 7)
    hub.add_repository("acme/m", {"config.json": b"{}", "weights.bin": source})
    # So little that nothing worth mentioning waits in the sockets when a pull is killed.
    hub.settings(bytes_per_second=2 * MIB)
    return source, checks.digest_of(source, hub)


def assert_right(castool, hub, source, digest):
    checks.assert_same_file(checks.blob_path(castool.store, digest), source, hub)
    # A kill just after the blob got its name may leave the small table of the transfer to gc.
    left = [path for path in (castool.store / "partials").rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in left) < 64 << 10, left
    assert castool.run("ls", "--json").json[0]["state"] == "complete"


@pytest.mark.parametrize("amounts", [[MIB], [24 * MIB], [48 * MIB], [8 * MIB, 20 * MIB, 36 * MIB]])
def test_killed_after_some_bytes(hub, castool, weights, amounts):
    source, digest = weights
    hub.hold(48 * MIB)  # none ends before it is killed
    for amount in amounts:
        pull = RunningPull(castool, "acme/m")
        pull.read_until(digest, amount)
        assert pull.send(signal.SIGKILL) == -signal.SIGKILL
        assert castool.run("ls", "--json").out == ""
    hub.clear_faults()
    outcome = castool.run("pull", "--json", "acme/m").json[-1]
    assert_right(castool, hub, source, digest)
    # What was told to be there is not fetched again: lost is only what was in flight.
    assert outcome["bytes_fetched"] <= outcome["bytes"] - pull.completed
    assert outcome["bytes_fetched"] + outcome["bytes_reused"] == outcome["bytes"]
    in_flight = CONNECTIONS * MIB + MIB
    assert hub.bytes_sent(origin="cdn") <= source.size + len(amounts) * in_flight


@pytest.mark.parametrize("seed", range(3))
def test_killed_at_any_moment(hub, castool, mountpoint, seed):
    chance = random.Random(seed)
    files = models.many_files(60, seed=seed + 1) | models.small_repository()
    files |= {"weights.bin": Synthetic(20 * MIB, seed), "more.bin": Synthetic(3 * MIB, seed + 10)}
    hub.add_repository("acme/m", files)
    hub.settings(bytes_per_second=MIB, latency_ms=10)
    killed = 0
    for _ in range(12):
        process = castool.start("pull", "-q", "--connections", "4", "acme/m")
        try:
            process.wait(chance.uniform(0.02, 1.2))
        except subprocess.TimeoutExpired:
            process.kill()
            killed += 1
        assert process.wait(10) in (0, -signal.SIGKILL)
        checks.assert_blobs_are_right(castool.store)
        for ref in castool.run("ls", "--json").json:  # no name before everything is there
            assert ref["state"] == "complete"
            assert castool.run("pull", "--json", "acme/m").json[-1]["bytes_fetched"] == 0
    assert killed >= 3
    castool.run("pull", "acme/m")
    castool.run("mount", mountpoint)
    checks.assert_same_tree(mountpoint / "acme/m", files, hub)
    in_flight = killed * (CONNECTIONS * MIB + MIB)
    assert hub.bytes_sent(origin="cdn") <= checks.total_size(files) + in_flight


def test_interrupted(hub, castool, weights):
    source, digest = weights
    hub.hold(48 * MIB)
    pull = RunningPull(castool, "acme/m")
    pull.read_until(digest, 16 * MIB)
    assert pull.send(signal.SIGINT) == 130
    assert len(pull.err.splitlines()) == 1 and pull.err.startswith(b"castool: pull acme/m: ")
    usage = castool.run("df", "--json").json[0]
    assert usage["partial_bytes"] >= 16 * MIB
    hub.clear_faults()
    outcome = castool.run("pull", "--json", "acme/m").json[-1]
    assert_right(castool, hub, source, digest)
    assert outcome["bytes_fetched"] <= outcome["bytes"] - pull.completed


def test_an_interrupted_pull_says_so_in_json(hub, castool, weights):
    hub.hold(48 * MIB)
    process = castool.start("pull", "--json", "acme/m", stdout=subprocess.PIPE,
                            stderr=subprocess.DEVNULL)
    hub.wait_for_request(origin="cdn")
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 130
    assert json.loads(out.splitlines()[-1])["error"]["code"] == "cancelled"


def test_two_pulls_at_once_download_once(hub, castool, weights):
    source, digest = weights
    pulls = [RunningPull(castool, "acme/m") for _ in range(2)]
    outcomes = [pull.finish() for pull in pulls]
    assert_right(castool, hub, source, digest)
    assert hub.bytes_sent(origin="cdn") <= 1.05 * source.size
    assert outcomes[0]["manifest"] == outcomes[1]["manifest"]
    fetched = [outcome["bytes_fetched"] for outcome in outcomes]
    assert source.size <= sum(fetched) <= 1.05 * source.size
    assert min(fetched) > 0.05 * source.size  # they really shared the work


def test_two_names_with_a_common_blob_at_once(hub, castool, weights):
    source, digest = weights
    manifest, blobs = models.registry_model(source, model_digest=digest)
    hub.add_model("library/tiny:latest", manifest, blobs)
    pulls = [RunningPull(castool, "acme/m"), RunningPull(castool, "tiny")]
    for pull in pulls:
        pull.finish()
    assert [ref["state"] for ref in castool.run("ls", "--json").json] == ["complete"] * 2
    checks.assert_same_file(checks.blob_path(castool.store, digest), source, hub)


def test_status_shows_the_transfer(hub, castool):
    # It must not end while a slow machine looks twice: 15 s.
    hub.settings(bytes_per_second=2 * MIB)
    source = Synthetic(128 * MIB + 12345, 9)
    hub.add_repository("acme/long", {"weights.bin": source})
    digest = checks.digest_of(source, hub)
    pull = RunningPull(castool, "--connections", 4, "acme/long")
    pull.read_until(digest, 8 * MIB)
    transfers = castool.run("status", "--json").json
    table = castool.run("status").out.splitlines()
    pull.send(signal.SIGKILL)
    assert len(transfers) == 1
    assert set(transfers[0]) == {"digest", "done", "total", "bytes_per_second", "eta_seconds",
                                 "pids"}
    assert (transfers[0]["digest"], transfers[0]["total"]) == (digest, source.size)
    assert 8 * MIB <= transfers[0]["done"] < source.size
    assert transfers[0]["pids"] == [pull.process.pid]
    assert 1 * MIB < transfers[0]["bytes_per_second"] < 200 * MIB
    assert 0 < transfers[0]["eta_seconds"] < 60
    assert len(table) == 2 and digest in table[1] and str(pull.process.pid) in table[1]
    # The dead hold nothing, but what they left is still there.
    assert castool.run("status", "--json").out == ""
    assert len(list((castool.store / "partials").iterdir())) == 1
    shown = castool.run("df", "--json").json[0]
    assert shown["partial_bytes"] >= 8 * MIB and shown["refs"] == 0


def test_an_origin_that_restarts(hub, castool, weights):
    source, digest = weights
    castool.environment["CASTOOL_TIME_SCALE"] = "0.2"
    hub.hold(48 * MIB)  # until it restarts
    pull = RunningPull(castool, "acme/m")
    pull.read_until(digest, 8 * MIB)
    hub.restart()
    hub.settings(bytes_per_second=0)
    pull.finish()
    assert_right(castool, hub, source, digest)
    assert hub.bytes_sent(origin="cdn") <= source.size - 8 * MIB  # the log began anew with it


def test_a_partial_that_rotted_is_not_believed(hub, castool, weights):
    source, digest = weights
    hub.hold(48 * MIB)
    pull = RunningPull(castool, "acme/m")
    pull.read_until(digest, 40 * MIB)
    pull.send(signal.SIGKILL)
    hub.clear_faults()
    [partial] = (castool.store / "partials").iterdir()
    data = max(partial.iterdir(), key=lambda path: path.stat().st_size)
    with open(data, "r+b") as file:  # a chunk that was there
        file.seek(3 * MIB + 5)
        before = file.read(1)
        file.seek(3 * MIB + 5)
        file.write(bytes([before[0] ^ 1]))
        os.fsync(file.fileno())
    castool.run("pull", "acme/m")
    assert_right(castool, hub, source, digest)
    assert hub.bytes_sent(origin="cdn") <= 2 * source.size


def test_no_leftovers_of_a_kill_grow(hub, castool, weights):
    _, digest = weights
    hub.hold(48 * MIB)
    for _ in range(3):
        pull = RunningPull(castool, "acme/m")
        pull.read_until(digest, 2 * MIB)
        pull.send(signal.SIGKILL)
    assert len(list((castool.store / "partials").iterdir())) == 1
    hub.clear_faults()
    castool.run("pull", "acme/m")
    assert list((castool.store / "partials").iterdir()) == []
    harness.wait_until(lambda: not castool.processes(), 5, "end of all pulls")
