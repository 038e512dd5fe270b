"""Power cuts and other boots: what was on disk is used, what was not is fetched again, nothing is
believed without its checksum."""

import os
import random
import signal
import subprocess

import pytest

import checks
import disk
import models
from hub import Synthetic
from running_pull import RunningPull

MIB = 1 << 20
CONNECTIONS = 4
# Syncs come every 5 s of real time: a quarter of a second of these tests.
SCALE = "0.05"
SYNC_SECONDS = 0.25

pytestmark = pytest.mark.skipif(os.geteuid() != 0 or not os.path.exists("/dev/loop-control"),
                                reason="needs root and loop devices")


@pytest.fixture
def power(castool):
    castool.environment["CASTOOL_TIME_SCALE"] = SCALE
    one = disk.Disk(castool, 320)
    yield one
    one.close()


@pytest.fixture
def boots(castool):
    return disk.Boots(castool)


def start(castool):
    return RunningPull(castool, "--connections", CONNECTIONS, "acme/m")


def ranges_asked(hub):
    """The chunks that the CDN was asked for."""
    chunks = set()
    for entry in hub.log(origin="cdn", method="GET"):
        first, last = map(int, entry["range"].removeprefix("bytes=").split("-"))
        chunks |= set(range(first // MIB, last // MIB + 1))
    return chunks


def length_of(chunks, size):
    return sum(min(MIB, size - chunk * MIB) for chunk in chunks)


def assert_right(castool, hub, source):
    digest = checks.digest_of(source, hub)
    checks.assert_same_file(checks.blob_path(castool.store, digest), source, hub)
    assert list((castool.store / "partials").iterdir()) == []
    assert castool.run("ls", "--json").json[0]["state"] == "complete"


def test_power_is_cut_again_and_again(hub, castool, power):
    source = Synthetic(32 * MIB + 4321, 71)
    hub.add_repository("acme/m", {"config.json": b"{}", "weights.bin": source})
    digest = checks.digest_of(source, hub)
    hub.settings(bytes_per_second=MIB)
    hub.hold(32 * MIB)  # none ends before its power is cut
    expected = 0
    for amount in (MIB, 9 * MIB, 17 * MIB, 26 * MIB):
        pull = start(castool)
        pull.read_until(digest, amount)
        told, when = pull.completed, pull.history[-1][0]
        power.cut_power(pull)
        # Whatever was told before the last sync had begun is still there.
        safe = max([bytes_there for moment, bytes_there in pull.history
                    if moment < when - 3 * SYNC_SECONDS], default=0)
        assert safe <= told
        expected = max(expected, safe)
        checks.assert_blobs_are_right(castool.store)
        assert castool.run("ls", "--json").out == ""
    hub.settings(bytes_per_second=0)
    hub.clear_faults()
    hub.clear_log()
    outcome = castool.run("pull", "--json", "acme/m").json[-1]
    assert_right(castool, hub, source)
    assert expected > 16 * MIB  # the test means something
    assert outcome["bytes_reused"] >= expected
    assert hub.bytes_sent(origin="cdn") <= source.size - expected


@pytest.mark.parametrize("seed", range(2))
def test_power_is_cut_at_any_moment(hub, castool, power, seed):
    chance = random.Random(seed)
    files = models.many_files(30, seed=seed + 1) | models.small_repository()
    files |= {"a.bin": Synthetic(9 * MIB, seed), "b.bin": Synthetic(3 * MIB + 1, seed + 10)}
    hub.add_repository("acme/m", files)
    hub.settings(bytes_per_second=MIB // 4, latency_ms=5)
    cuts = 0
    for _ in range(6):
        pull = castool.start("pull", "-q", "acme/m")
        try:
            pull.wait(chance.uniform(0.05, 1.5))
        except subprocess.TimeoutExpired:
            cuts += 1
        power.shut_down()
        pull.kill()
        pull.wait(30)
        power.unmount()
        power.boots.next()
        power.mount()
        checks.assert_blobs_are_right(castool.store)
        for ref in castool.run("ls", "--json").json:  # no name before everything is there
            assert ref["state"] == "complete"
            assert castool.run("pull", "--json", "acme/m").json[-1]["bytes_fetched"] == 0
    assert cuts >= 2
    castool.run("pull", "acme/m")
    for source in files.values():
        path = checks.blob_path(castool.store, checks.digest_of(source, hub))
        checks.assert_same_file(path, source, hub)


def test_what_was_called_success_survives(hub, castool, power):
    files = models.small_repository() | {"weights.bin": Synthetic(5 * MIB + 9, 72)}
    hub.add_repository("acme/m", files)
    castool.run("pull", "acme/m")
    power.cut_power()
    hub.clear_log()
    assert castool.run("ls", "--json").json[0]["state"] == "complete"
    assert castool.run("pull", "--json", "acme/m").json[-1]["bytes_fetched"] == 0
    assert hub.bytes_sent(origin="cdn") == 0
    for source in files.values():
        path = checks.blob_path(castool.store, checks.digest_of(source, hub))
        checks.assert_same_file(path, source, hub)


def stopped_midway(hub, castool, seed, number):
    """A pull of 33 chunks that a signal ended about halfway: (source, chunks present, exit)."""
    source = Synthetic(32 * MIB + 99, seed)
    hub.add_repository("acme/m", {"weights.bin": source})
    hub.settings(bytes_per_second=4 * MIB)
    hub.hold(32 * MIB)
    pull = start(castool)
    pull.read_until(checks.digest_of(source, hub), 16 * MIB)
    status = pull.send(number)
    hub.settings(bytes_per_second=0)
    hub.clear_faults()
    hub.clear_log()
    return source, disk.chunks_present(castool.store, source.size), status


def test_after_another_boot_every_chunk_is_checked(hub, castool, boots):
    """Killed, and the machine started again: of what lies there only what matches is kept."""
    source, present, status = stopped_midway(hub, castool, 73, signal.SIGKILL)
    assert status == -signal.SIGKILL
    bad = [present[0], present[3], present[-1]]
    for chunk in bad:
        disk.damage(castool.store, chunk * MIB + 77)
    boots.next()
    outcome = castool.run("pull", "--json", "acme/m").json[-1]
    assert_right(castool, hub, source)
    missing = set(range(33)) - set(present) | set(bad)
    assert ranges_asked(hub) == missing
    assert outcome["bytes_fetched"] == length_of(missing, source.size)


def test_in_the_same_boot_damage_is_found_in_the_end(hub, castool):
    """Killed, and a chunk on disk is damaged: the digest tells, and the checksums say where."""
    source, present, status = stopped_midway(hub, castool, 74, signal.SIGKILL)
    assert status == -signal.SIGKILL
    disk.damage(castool.store, present[2] * MIB + 1)
    outcome = castool.run("pull", "--json", "acme/m").json[-1]
    assert_right(castool, hub, source)
    missing = set(range(33)) - set(present) | {present[2]}
    assert ranges_asked(hub) == missing
    assert outcome["bytes_fetched"] == length_of(missing, source.size)


def test_after_a_clean_stop_another_boot_reads_nothing_again(hub, castool, boots):
    source, present, status = stopped_midway(hub, castool, 75, signal.SIGINT)
    assert status == 130
    boots.next()
    castool.run("pull", "acme/m")
    assert_right(castool, hub, source)
    assert ranges_asked(hub) == set(range(33)) - set(present)
