"""The store's disk fills up or fails while readers of a mount wait for bytes."""

import concurrent.futures
import contextlib
import errno
import os
import random
import signal
import subprocess

import pytest

import checks
import harness
from hub import Synthetic

MIB = 1 << 20
BIG = Synthetic(24 * MIB + 4321, 7)

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="takes root")


@pytest.fixture
def model(hub, castool):
    castool.environment["CASTOOL_TIME_SCALE"] = "0.05"
    hub.add_repository("acme/lazy", {"config.json": "{}", "weights.bin": BIG})


@pytest.fixture
def small_store(castool):
    """A store on a tmpfs of 12 MiB."""
    castool.store.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m,mode=700", "none", castool.store],
                   check=True)
    yield
    castool.end_all()
    subprocess.run(["umount", "-l", castool.store], check=True)


def read_right_or_refused(path, offset, size=5000):
    """True when the bytes came; they are right then, and EIO is the only other way."""
    with open(path, "rb", buffering=0) as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)  # what is read is what is asked
        try:
            got = os.pread(file.fileno(), size, offset)
        except OSError as error:
            assert error.errno == errno.EIO
            return False
    assert got == BIG.read(offset, min(size, BIG.size - offset))
    return True


def test_a_full_store_is_an_error_of_those_reads(model, small_store, hub, castool, mountpoint):
    castool.run("pull", "-q", "--lazy", "acme/lazy")
    castool.run("mount", "--timeout", "20s", mountpoint)
    path = mountpoint / "acme/lazy/weights.bin"
    chance = random.Random(5)
    offsets = [chance.randrange(BIG.size) for _ in range(60)]
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        came = list(pool.map(lambda offset: read_right_or_refused(path, offset), offsets))
    assert True in came and False in came
    # What came before still does, and nothing else of the mount has suffered.
    assert read_right_or_refused(path, offsets[came.index(True)])
    assert (mountpoint / "acme/lazy/config.json").read_text() == "{}"
    assert os.stat(path).st_size == BIG.size
    # There is room again.
    subprocess.run(["mount", "-o", "remount,size=100m", castool.store], check=True)
    harness.wait_until(lambda: all(read_right_or_refused(path, offset) for offset in offsets), 60,
                       "reads")
    checks.assert_same_file(path, BIG, hub)
    castool.run("umount", mountpoint)


@pytest.mark.skipif(bool(os.environ.get("CASTOOL_SANITIZE")), reason="leaks cannot be looked for "
                    "under strace")
def test_a_disk_that_fails_for_a_while(model, hub, castool, mountpoint, tmp_path):
    castool.run("pull", "-q", "--lazy", "acme/lazy")
    # Threads that are begun later fail in their turn: what they count is their own calls.
    castool.prefix = ["strace", "-f", "-qq", "-o", str(tmp_path / "trace"),
                      "-e", "trace=pwrite64,fdatasync",
                      "-e", "inject=pwrite64:error=EIO:when=20..40",
                      "-e", "inject=fdatasync:error=EIO:when=1..2"]
    daemon = castool.start("mount", "-f", "--timeout", "20s", mountpoint)
    castool.prefix = []
    try:
        harness.wait_until(lambda: harness.is_mounted(mountpoint), 60, "mount")
        path = mountpoint / "acme/lazy/weights.bin"
        for offset in range(0, BIG.size, MIB // 2):
            read_right_or_refused(path, offset)
        harness.wait_until(lambda: "EIO" in (tmp_path / "trace").read_text(), 60, "the failure")
        for offset in range(0, BIG.size, MIB // 2):
            harness.wait_until(lambda o=offset: read_right_or_refused(path, o), 60, "a right read")

        def same():
            with contextlib.suppress(OSError):
                return harness.sha256_of(path) == checks.digest_of(BIG, hub)
            return False
        harness.wait_until(same, 60, "the whole file")
        castool.run("umount", mountpoint)
        assert daemon.wait(60) == 0
    finally:
        if daemon.poll() is None:
            castool.end_all()
            daemon.send_signal(signal.SIGKILL)
            daemon.wait(60)
