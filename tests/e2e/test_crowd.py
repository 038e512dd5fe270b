"""A thousand readers of one blob that is not here, and two origins of which one is wrong."""

import contextlib
import os
import pathlib
import random
import threading

import pytest

import checks
import harness
import models
from hub import Hub, Synthetic

MIB = 1 << 20
SCALE = {"CASTOOL_TIME_SCALE": "0.05"}
BIG = Synthetic(checks.scaled(64 * MIB) + 4321, 7)
READERS = 1000 if not os.environ.get("CASTOOL_SANITIZE") else 200


def anonymous_memory(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    [line] = [line for line in status.splitlines() if line.startswith("RssAnon:")]
    return int(line.split()[1]) * 1024


def test_one_download_for_a_thousand_readers(hub, castool, mountpoint):
    castool.environment.update(SCALE)
    hub.add_repository("acme/lazy", {"config.json": "{}", "weights.bin": BIG})
    castool.run("pull", "-q", "--lazy", "acme/lazy")
    hub.reset()
    # Held back until all of them have asked.
    hub.fault({"stall_after": 0, "stall_ms": 3_600_000}, times=-1, origin="cdn")
    castool.run("mount", "--timeout", "10h", mountpoint)
    path = mountpoint / "acme/lazy/weights.bin"
    [pid] = castool.processes()
    asks, wrong, done = threading.Semaphore(0), [], threading.Semaphore(0)

    def reader(number):
        chance = random.Random(number)
        try:
            with open(path, "rb", buffering=0) as file:
                asks.release()
                for _ in range(4):
                    offset = chance.randrange(BIG.size - 100)
                    if os.pread(file.fileno(), 100, offset) != BIG.read(offset, 100):
                        wrong.append((number, offset))
        except OSError as error:
            wrong.append((number, error))
        done.release()

    old = threading.stack_size(256 * 1024)
    threads = [threading.Thread(target=reader, args=(number,)) for number in range(READERS)]
    threading.stack_size(old)
    for thread in threads:
        thread.start()
    for _ in threads:
        assert asks.acquire(timeout=60)
    hub.wait_for_request(origin="cdn")
    peak = anonymous_memory(pid)
    assert not wrong and (mountpoint / "acme/lazy/config.json").read_text() == "{}"
    hub.clear_faults()
    for _ in threads:
        while not done.acquire(timeout=0.05):
            peak = max(peak, anonymous_memory(pid))
    for thread in threads:
        thread.join(60)
    assert not wrong, wrong[:5]
    checks.assert_same_file(path, BIG, hub)
    harness.wait_until(lambda: os.getxattr(path, "user.castool.state") == b"verified", 60, "the end")
    sent = hub.bytes_sent(origin="cdn")
    assert BIG.size <= sent <= 1.05 * BIG.size, sent
    if not os.environ.get("CASTOOL_SANITIZE"):
        assert peak <= 96 * MIB, peak
    castool.run("umount", mountpoint)


@pytest.mark.parametrize("verify", ["lazy", "strict"])
def test_an_origins_unverified_bytes_go_to_nobody_else(verify, hub, castool, mountpoint):
    castool.environment.update(SCALE)
    gguf = models.gguf(tensor_bytes=20 * MIB)
    at = 12 * MIB + 5
    with contextlib.ExitStack() as stack:
        bad = stack.enter_context(Hub())
        castool.environment["CASTOOL_OLLAMA_REGISTRY"] = bad.url
        manifest, blobs = models.registry_model(gguf)
        bad.add_model("library/tiny:latest", manifest, blobs)
        hub.add_repository("acme/g", {"tiny.gguf": gguf})
        castool.run("pull", "-q", "--lazy", "tiny", "acme/g")
        bad.fault({"flip_at": at}, times=-1)
        bad.clear_log()
        hub.clear_log()
        castool.run("mount", "--verify", verify, "--fill", "none", mountpoint)
        ours = mountpoint / "acme/g/tiny.gguf"
        theirs = mountpoint / "library/tiny:latest/tiny-latest.gguf"

        def read(path):
            with open(path, "rb", buffering=0) as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
                with contextlib.suppress(OSError):
                    return os.pread(file.fileno(), 1, at)
                return None

        right = gguf[at:at + 1]
        if verify == "lazy":
            assert read(theirs) not in (right, None)  # the one named exception, of that origin only
            assert hub.bytes_sent(origin="cdn") == 0
            assert read(ours) == right
            assert hub.bytes_sent(origin="cdn") == MIB
            assert read(theirs) != right
        else:
            assert read(theirs) is None
            assert os.getxattr(theirs, "user.castool.state") == b"damaged"
            assert hub.bytes_sent(origin="cdn") == 0
            assert read(ours) == right
            assert hub.bytes_sent(origin="cdn") >= len(gguf) - 2 * MIB  # less its header
        assert bad.bytes_sent(origin="cdn") > 0
        castool.run("pull", "-q", "acme/g")
        # Once its sha256 has been checked the blob is everybody's.
        harness.wait_until(lambda: theirs.read_bytes() == gguf if
                           os.getxattr(theirs, "user.castool.state") == b"verified" else False, 60,
                           "the verified blob")
        checks.assert_same_file(ours, gguf, hub)
        castool.run("umount", mountpoint)
