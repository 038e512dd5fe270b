"""Any number of processes on one store: one download between them, whoever of them is killed."""

import os
import random
import signal

import pytest

import checks
import harness
import models
from hub import Synthetic
from running_pull import RunningPull, finish_all

MIB = 1 << 20
CONNECTIONS = 4
# What a process that dies may take along: the chunk that each connection was filling, and what lay
# in the sockets.
LOST_WITH_A_PROCESS = 2 * CONNECTIONS * MIB


@pytest.fixture
def slow(hub):
    """So little that a pull takes a few seconds and next to nothing waits in the sockets."""
    hub.settings(bytes_per_second=MIB)


def start(castool, count, *names):
    return [RunningPull(castool, "--connections", CONNECTIONS, *names) for _ in range(count)]


def assert_published(castool, hub, source, digest):
    checks.assert_same_file(checks.blob_path(castool.store, digest), source, hub)
    checks.assert_blobs_are_right(castool.store)
    assert list((castool.store / "partials").iterdir()) == []


def held_by(castool):
    """{digest: process ids} of the transfers under way."""
    return {transfer["digest"]: set(transfer["pids"])
            for transfer in castool.run("status", "--json").json}


@pytest.mark.parametrize("count", [3, 8])
def test_many_pulls_are_one_download(hub, castool, slow, count):
    source = Synthetic(12 * count * MIB + 777, 21)
    hub.add_repository("acme/m", {"config.json": b"{}", "weights.bin": source})
    digest = checks.digest_of(source, hub)
    hub.settings(bytes_per_second=MIB // 2)
    castool.environment["CASTOOL_TIME_SCALE"] = "0.2"  # of the look that `status` takes
    pulls = start(castool, count, "acme/m")
    for pull in pulls:
        pull.read_until(digest, MIB)
    assert held_by(castool) == {digest: {pull.pid for pull in pulls}}
    outcomes = finish_all(pulls)
    assert_published(castool, hub, source, digest)
    # Who is killed may leave a file there for a day.
    assert list((castool.store / "tmp").iterdir()) == []
    assert hub.bytes_sent(origin="cdn") <= 1.05 * source.size
    fetched = [outcome["bytes_fetched"] for outcome in outcomes]
    assert source.size <= sum(fetched) <= 1.05 * source.size
    assert {outcome["bytes"] for outcome in outcomes} == {source.size + 2}
    on_the_way = []
    for pull in pulls:
        told = [completed for _, completed in pull.history]
        assert told == sorted(told) and told[-1] == source.size
        on_the_way.append(max(completed for completed in told if completed < source.size))
    # They told of more than each fetched itself: of the others' work too. On a busy machine the last
    # look of one of them may be an early one, so all together.
    assert sum(on_the_way) > sum(fetched)


@pytest.mark.parametrize("seed", range(2))
def test_some_of_many_are_killed(hub, castool, slow, seed):
    chance = random.Random(seed)
    source = Synthetic(64 * MIB + 5, 30 + seed)
    hub.add_repository("acme/m", {"weights.bin": source})
    digest = checks.digest_of(source, hub)
    # Its end is held back until the last of them is killed: all have begun, and none comes to it.
    hub.fault({"stall_after": 0, "stall_ms": 3_600_000}, times=-1, origin="cdn",
              covers=source.size - 1)
    castool.environment["CASTOOL_TIME_SCALE"] = "0.1"  # of the stall
    pulls = start(castool, 6, "--timeout", "1h", "acme/m")
    for pull in pulls:
        pull.read_until(digest, 1)
    witness, *others = pulls
    victims = chance.sample(others, 4)
    for moment, victim in zip(sorted(chance.sample(range(2, 36), len(victims))), victims):
        witness.read_until(digest, moment * MIB)
        assert victim.send(signal.SIGKILL) == -signal.SIGKILL
    hub.clear_faults()
    finish_all([pull for pull in pulls if pull not in victims])
    assert_published(castool, hub, source, digest)
    sent = hub.bytes_sent(origin="cdn")
    assert sent <= 1.05 * source.size + len(victims) * LOST_WITH_A_PROCESS
    assert castool.run("pull", "--json", "acme/m").json[-1]["bytes_fetched"] == 0


def test_all_but_the_last_are_killed_and_joined_again(hub, castool, slow):
    source = Synthetic(40 * MIB + 1, 41)
    hub.add_repository("acme/m", {"weights.bin": source})
    digest = checks.digest_of(source, hub)
    hub.hold(40 * MIB)
    for amount in (6 * MIB, 14 * MIB, 24 * MIB):
        pulls = start(castool, 3, "acme/m")
        pulls[0].read_until(digest, amount)
        for pull in pulls:
            pull.send(signal.SIGKILL)
    hub.clear_faults()
    finish_all(start(castool, 2, "acme/m"))
    assert_published(castool, hub, source, digest)
    assert hub.bytes_sent(origin="cdn") <= 1.05 * source.size + 9 * LOST_WITH_A_PROCESS


def test_several_blobs_and_several_processes(hub, castool, mountpoint):
    files = {f"part-{i}.bin": Synthetic((4 + i) * MIB + i, 50 + i) for i in range(5)}
    files |= models.small_repository()
    hub.add_repository("acme/m", files)
    hub.settings(bytes_per_second=2 * MIB)
    # Two of the blobs come from another origin as well: what was not verified is not shared.
    shared = {name: files[name] for name in ("part-0.bin", "part-1.bin")}
    hub.add_repository("acme/other", shared)
    outcomes = finish_all(start(castool, 4, "acme/m") + start(castool, 2, "acme/other"))
    assert len({outcome["manifest"] for outcome in outcomes}) == 2
    once = checks.total_size({name: source for name, source in files.items()
                              if isinstance(source, Synthetic)})
    again = checks.total_size(shared)
    # Small LFS files come in one request, and each of the processes may have sent one.
    small = 4 * sum(checks.size_of(source) for source in files.values()
                    if not isinstance(source, Synthetic))
    assert hub.bytes_sent(origin="cdn") <= 1.05 * (once + again) + small
    castool.run("mount", mountpoint)
    checks.assert_same_tree(mountpoint / "acme/m", files, hub)
    checks.assert_same_tree(mountpoint / "acme/other", shared, hub)
    assert list((castool.store / "partials").iterdir()) == []


def test_a_stopped_process_keeps_only_its_own_chunks(hub, castool, slow):
    """A process that sleeps holds what it claimed; when it goes on, or dies, all of them end."""
    source = Synthetic(24 * MIB, 61)
    hub.add_repository("acme/m", {"weights.bin": source})
    digest = checks.digest_of(source, hub)
    sleeper = start(castool, 1, "acme/m")[0]
    sleeper.read_until(digest, 2 * MIB)
    sleeper.process.send_signal(signal.SIGSTOP)
    [other] = start(castool, 1, "acme/m")
    # Everything but what the sleeper's four connections have claimed.
    other.read_until(digest, source.size - 4 * 8 * MIB)
    sleeper.process.send_signal(signal.SIGCONT)
    finish_all([sleeper, other])
    assert_published(castool, hub, source, digest)
    assert hub.bytes_sent(origin="cdn") <= 1.05 * source.size


@pytest.mark.skipif(not os.environ.get("CASTOOL_LARGE"), reason="large: set CASTOOL_LARGE=1")
def test_sixty_four_processes(hub, castool, slow):
    source = Synthetic(512 * MIB + 99, 64)
    hub.add_repository("acme/m", {"weights.bin": source})
    digest = checks.digest_of(source, hub)
    chance = random.Random(64)
    pulls = start(castool, 64, "acme/m")
    pulls[0].read_until(digest, MIB)
    harness.wait_until(lambda: len(held_by(castool).get(digest, ())) == 64, 60, "64 holders")
    victims = chance.sample(pulls[1:], 16)
    for victim in victims:
        victim.send(signal.SIGKILL)
    outcomes = finish_all([pull for pull in pulls if pull not in victims], timeout=300)
    assert len(outcomes) == 48
    assert_published(castool, hub, source, digest)
    sent = hub.bytes_sent(origin="cdn")
    assert sent <= 1.05 * source.size + len(victims) * LOST_WITH_A_PROCESS
