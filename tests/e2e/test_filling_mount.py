"""A mount whose files are not there yet: stalls, killed readers, and every way in which it ends."""

import errno
import mmap
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

import checks
import harness
from hub import Synthetic

MIB = 1 << 20
SIZE = 40 * MIB + 77
WEIGHTS = Synthetic(SIZE, 9)
NEVER = {"stall_after": 0, "stall_ms": 600_000}


@pytest.fixture
def lazy(hub, castool):
    """acme/lazy, whose weights are not here, and acme/here, which is complete."""
    hub.add_repository("acme/lazy", {"config.json": "{}", "weights.bin": WEIGHTS})
    hub.add_repository("acme/here", {"f.bin": Synthetic(3 * MIB, 2)})
    castool.run("pull", "-q", "acme/here")
    castool.run("pull", "-q", "--lazy", "acme/lazy")


@pytest.fixture
def path(mountpoint):
    return mountpoint / "acme/lazy/weights.bin"


def xattr(path, name):
    return os.getxattr(path, f"user.castool.{name}").decode()


def stall(hub):
    """Nothing of the weights comes from now on; small files and questions go on."""
    hub.fault(NEVER, times=-1, origin="cdn", ranged=True)


def wait_until_asked(hub):
    """Somebody waits for the stalled origin: the log has a request only when it has ended."""
    harness.wait_until(lambda: hub.fault_hits()[0] > 0, 20, "a request for the weights")


class Readers:
    """Threads of this process that each read 4 KiB somewhere; `ends` is what came of them."""

    def __init__(self, path, count):
        self.ends = []
        self._descriptors = [os.open(path, os.O_RDONLY) for _ in range(count)]
        self._threads = [threading.Thread(target=self._read, args=(n,)) for n in range(count)]
        for thread in self._threads:
            thread.start()

    def _read(self, n):
        try:
            offset = n * 65521 % (SIZE - 4096)
            self.ends.append(os.pread(self._descriptors[n], 4096, offset)
                             == WEIGHTS.read(offset, 4096))
        except OSError as error:
            self.ends.append(error.errno)

    def join(self, seconds):
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0, deadline - time.monotonic()))
        assert not any(thread.is_alive() for thread in self._threads), "a reader is stuck"
        for descriptor in self._descriptors:
            os.close(descriptor)
        return set(self.ends)


READS_ONE_BYTE = """
import mmap, os, sys
fd = os.open(sys.argv[1], os.O_RDONLY)
how, at = sys.argv[2], int(sys.argv[3])
mapping = mmap.mmap(fd, 0, prot=mmap.PROT_READ)
print("ready", flush=True)
if how == "mmap":
    mapping[at]
else:
    os.pread(fd, 1, at)
"""


def reader_process(path, how, at):
    process = subprocess.Popen([sys.executable, "-c", READS_ONE_BYTE, path, how, str(at)],
                               stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"ready\n"
    return process


def test_read_before_it_is_there_and_native_once_it_is(hub, lazy, castool, mountpoint, path):
    hub.clear_log()
    castool.run("mount", "--fill", "none", mountpoint)
    assert path.stat().st_size == SIZE
    assert (xattr(path, "state"), xattr(path, "present")) == ("absent", "0")
    ino = path.stat().st_ino
    with open(path, "rb") as file:
        assert os.pread(file.fileno(), 100, SIZE - 50) == WEIGHTS.read(SIZE - 50, 50)
        assert xattr(path, "state") == "partial"
        assert 0 < int(xattr(path, "present")) < SIZE
        view = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
        checks.assert_same_file(path, WEIGHTS, hub)
        harness.wait_until(lambda: xattr(path, "state") == "verified", 20, "verification")
        assert view[:MIB] == WEIGHTS.read(0, MIB), "an old mapping goes on"
        assert path.stat().st_ino == ino
        checks.assert_same_file(path, WEIGHTS, hub)
        view.close()
    checks.assert_blobs_are_right(castool.store)
    castool.run("umount", mountpoint)


def test_what_was_copied_whole_is_verified_although_nobody_has_it_open(hub, lazy, castool, mountpoint,
                                                                       path):
    castool.run("mount", "--fill", "none", mountpoint)
    checks.assert_same_file(path, WEIGHTS, hub)
    harness.wait_until(lambda: xattr(path, "state") == "verified", 20, "verification")
    checks.assert_blobs_are_right(castool.store)


def test_a_stalled_origin_harms_its_own_readers_only(hub, lazy, castool, mountpoint, path):
    castool.run("mount", mountpoint)
    stall(hub)
    readers = Readers(path, 300)
    wait_until_asked(hub)
    begin = time.monotonic()
    for _ in range(20):
        checks.assert_same_file(mountpoint / "acme/here/f.bin", Synthetic(3 * MIB, 2), hub)
        assert os.listdir(mountpoint / "acme")
        with open(mountpoint / "acme/here/f.bin", "rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    assert time.monotonic() - begin < 20
    hub.clear_faults()
    hub.restart()  # the stalled connections end, and are tried again
    assert readers.join(60) == {True}


@pytest.mark.parametrize("how", ["read", "mmap"])
def test_a_reader_that_waits_can_be_killed(hub, lazy, castool, mountpoint, path, how):
    castool.run("mount", "--fill", "none", mountpoint)
    stall(hub)
    process = reader_process(path, how, SIZE // 2)
    wait_until_asked(hub)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=10)
    castool.run("umount", "--lazy", mountpoint)


def test_unmounting_with_readers_that_wait(hub, lazy, castool, mountpoint, path):
    process = castool.start("mount", "-f", mountpoint, stderr=subprocess.PIPE)
    harness.wait_until(lambda: harness.is_mounted(mountpoint), 20, "mount")
    stall(hub)
    readers = Readers(path, 50)
    wait_until_asked(hub)
    checks.assert_error(castool.run("umount", "--json", mountpoint, status=None), 75, "busy")
    begin = time.monotonic()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert process.returncode == 0
    assert time.monotonic() - begin < 15
    assert readers.join(5) <= {errno.EIO, errno.ENOTCONN, errno.ECONNABORTED}
    assert not harness.is_mounted(mountpoint)


def test_the_daemon_is_killed_while_readers_wait(hub, lazy, castool, mountpoint, path):
    castool.run("mount", mountpoint)
    stall(hub)
    readers = Readers(path, 50)
    mapped = reader_process(path, "mmap", SIZE // 2)
    wait_until_asked(hub)
    [pid] = castool.processes()
    os.kill(pid, signal.SIGKILL)
    assert readers.join(10) <= {errno.EIO, errno.ENOTCONN, errno.ECONNABORTED}
    mapped.communicate(timeout=10)
    assert mapped.returncode == -signal.SIGBUS
    hub.clear_faults()
    castool.run("mount", mountpoint)  # replaces what is left, and goes on
    checks.assert_same_file(path, WEIGHTS, hub)


def test_an_origin_that_is_away_is_an_error_of_that_read(hub, lazy, castool, mountpoint, path):
    castool.run("mount", "--fill", "none", "--timeout", "10s", mountpoint,
                env={"CASTOOL_TIME_SCALE": "0.1"})
    ports = hub.ports()
    hub.stop()
    with open(path, "rb", buffering=0) as file:
        with pytest.raises(OSError) as failed:
            os.pread(file.fileno(), 10, 0)
        assert failed.value.errno == errno.EIO
        assert path.stat().st_size == SIZE
        assert sorted(os.listdir(path.parent)) == ["config.json", "weights.bin"]
        hub.start(*ports)
        assert os.pread(file.fileno(), 10, 0) == WEIGHTS.read(0, 10), "the next read tries again"


def test_rot_is_mended_from_the_origin_without_a_wrong_byte(hub, lazy, castool, mountpoint):
    source = Synthetic(3 * MIB, 2)
    blob = checks.blob_path(castool.store, checks.digest_of(source, hub))
    # As after another boot: nobody knows that the blob was verified.
    for stamp in castool.store.glob("sums/sha256/??/*.stamp"):
        stamp.unlink()
    blob.chmod(0o600)
    with open(blob, "r+b") as file:
        file.seek(2 * MIB + 5)
        file.write(bytes([source.read(2 * MIB + 5, 1)[0] ^ 1]))
    blob.chmod(0o444)
    castool.run("mount", mountpoint)
    checks.assert_same_file(mountpoint / "acme/here/f.bin", source, hub)
    assert list((castool.store / "quarantine").iterdir())
    harness.wait_until(lambda: xattr(mountpoint / "acme/here/f.bin", "state") == "verified", 20,
                       "another copy in the store")
    checks.assert_blobs_are_right(castool.store)
