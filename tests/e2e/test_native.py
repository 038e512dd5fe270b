"""Files that the kernel reads by itself: when, when not, and what survives the daemon."""

import contextlib
import mmap
import os
import pathlib
import signal
import subprocess
import threading

import pytest

import checks
import harness
from hub import Synthetic

MIB = 1 << 20
SIZE = 6 * MIB + 123
WEIGHTS = Synthetic(SIZE, 5)


@pytest.fixture
def pulled(hub, castool):
    """acme/m and other/n, two models that share their weights."""
    if os.geteuid() != 0:
        pytest.skip("takes root")
    for name in ("acme/m", "other/n"):
        hub.add_repository(name, {"config.json": "{}", "weights.bin": WEIGHTS})
    castool.run("pull", "-q", "acme/m", "other/n")
    return checks.digest_of(WEIGHTS, hub)


@pytest.fixture
def path(mountpoint):
    return mountpoint / "acme/m/weights.bin"


def stamps(castool):
    return list(pathlib.Path(castool.store).glob("sums/sha256/??/*.stamp"))


@contextlib.contextmanager
def stopped(castool):
    """While the daemon does not run, only what the kernel does by itself goes on."""
    [pid] = castool.processes()
    os.kill(pid, signal.SIGSTOP)
    tasks = pathlib.Path(f"/proc/{pid}/task")
    harness.wait_until(lambda: all((task / "stat").read_text().rsplit(")", 1)[1].split()[0] == "T"
                                   for task in tasks.iterdir()), 10, "stop of all threads")
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def reads_without_daemon(castool, file, offset):
    """Whether bytes that the page cache of the mount does not have can be read all the same."""
    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    got = []
    reader = threading.Thread(target=lambda: got.append(os.pread(file.fileno(), 100, offset)))
    with stopped(castool):
        reader.start()
        reader.join(1)
        native = not reader.is_alive()
    reader.join(20)
    assert got == [WEIGHTS.read(offset, 100)]
    return native


def opened_natively(castool, path, offset):
    with open(path, "rb", buffering=0) as file:
        return reads_without_daemon(castool, file, offset)


def test_what_was_pulled_since_boot_is_read_by_the_kernel(pulled, castool, mountpoint, path):
    castool.run("mount", mountpoint)
    assert len(stamps(castool)) == 1
    for model in ("acme/m", "other/n"):  # one blob, two nodes, one registration
        with open(mountpoint / model / "weights.bin", "rb", buffering=0) as first, \
                open(mountpoint / model / "weights.bin", "rb", buffering=0) as second:
            assert reads_without_daemon(castool, first, 3 * MIB)
            assert reads_without_daemon(castool, second, 5 * MIB)
    assert harness.sha256_of(path) == pulled
    castool.run("umount", mountpoint)


def test_open_files_and_mappings_survive_the_daemon(pulled, castool, mountpoint, path):
    castool.run("mount", mountpoint)
    with open(path, "rb", buffering=0) as file, \
            mmap.mmap(file.fileno(), 0, mmap.MAP_SHARED, mmap.PROT_READ) as mapping:
        for pid in castool.processes():
            os.kill(pid, signal.SIGKILL)
        harness.wait_until(lambda: not castool.processes(), 10, "death of the daemon")
        with pytest.raises(OSError):
            os.stat(path)
        # A new mount takes the place of the dead one; who had files open goes on with the old.
        castool.run("mount", mountpoint)
        assert harness.sha256_of(path) == pulled
        assert os.pread(file.fileno(), 100, 4 * MIB) == WEIGHTS.read(4 * MIB, 100)
        assert mapping[SIZE - 100:] == WEIGHTS.read(SIZE - 100, 100)


def test_what_nobody_verified_since_boot_is_checked_first(pulled, castool, mountpoint, path):
    [stamp] = stamps(castool)
    stamp.write_text(stamp.read_text().replace(stamp.read_text()[:32], "0" * 32))  # another boot
    castool.run("mount", mountpoint)
    with open(path, "rb", buffering=0) as early:
        assert os.pread(early.fileno(), 100, 0) == WEIGHTS.read(0, 100)
        # The rest is checked in the background; then new opens are left to the kernel.
        harness.wait_until(lambda: opened_natively(castool, path, 5 * MIB), 30, "native opens")
        with open(path, "rb", buffering=0) as late:
            assert reads_without_daemon(castool, late, 2 * MIB)
            assert os.pread(early.fileno(), SIZE, 0) == os.pread(late.fileno(), SIZE, 0)
            assert os.fstat(early.fileno()).st_ino == os.fstat(late.fileno()).st_ino
    assert harness.sha256_of(path) == pulled


def test_a_trusted_store_needs_no_check(pulled, castool, mountpoint, path):
    [stamp] = stamps(castool)
    stamp.unlink()
    castool.run("mount", "--trust-store", mountpoint)
    assert opened_natively(castool, path, 5 * MIB)
    assert stamps(castool) == []


def test_rot_is_never_served(hub, pulled, castool, mountpoint, path):
    blob = checks.blob_path(castool.store, pulled)
    blob.chmod(0o644)
    with open(blob, "r+b") as file:
        file.seek(3 * MIB + 7)
        byte = file.read(1)[0]
        file.seek(3 * MIB + 7)
        file.write(bytes([byte ^ 4]))
    blob.chmod(0o444)
    # With the origin there, readers notice nothing: test_filling_mount.py.
    ports = hub.ports()
    hub.stop()
    castool.run("mount", "--timeout", "10s", mountpoint, env={"CASTOOL_TIME_SCALE": "0.05"})
    with open(path, "rb", buffering=0) as file:
        for offset in (0, 2 * MIB, 4 * MIB, SIZE - 100):
            # Exactly these bytes: read-ahead may fail, what was asked for may not.
            assert os.pread(file.fileno(), 100, offset) == WEIGHTS.read(offset, 100)
        with pytest.raises(OSError):
            os.pread(file.fileno(), 100, 3 * MIB)
    harness.wait_until(lambda: not blob.exists(), 20, "quarantine")
    assert [kept.name[:64] for kept in (castool.store / "quarantine").iterdir()] == [pulled[7:]]
    with pytest.raises(OSError):
        path.read_bytes()
    hub.start(*ports)
    castool.run("pull", "-q", "acme/m")
    harness.wait_until(lambda: opened_natively(castool, path, 5 * MIB), 20, "the repaired blob")
    assert harness.sha256_of(path) == pulled


def test_an_overlay_on_the_mount(castool, mountpoint, pulled, tmp_path):
    """As what a container adds of its own lies on its models."""
    if os.geteuid() != 0:
        pytest.skip("takes root")
    castool.run("mount", mountpoint)
    for name in ("upper", "work", "merged"):
        (tmp_path / name).mkdir()
    merged = tmp_path / "merged"
    options = f"lowerdir={mountpoint},upperdir={tmp_path}/upper,workdir={tmp_path}/work"
    subprocess.run(["mount", "-t", "overlay", "-o", options, "none", merged], check=True)
    try:
        assert harness.sha256_of(merged / "acme/m/weights.bin") == pulled
        (merged / "acme/m/graph.pbtxt").write_text("own")
        assert not (mountpoint / "acme/m/graph.pbtxt").exists()
    finally:
        subprocess.run(["umount", merged], check=True)


def test_a_store_on_an_overlay(hub, castool, mountpoint, tmp_path):
    if os.geteuid() != 0:
        pytest.skip("takes root")
    for name in ("lower", "upper", "work"):
        (tmp_path / "layers" / name).mkdir(parents=True)
    castool.store.mkdir()
    options = ",".join(f"{word}dir={tmp_path}/layers/{word}" for word in ("lower", "upper", "work"))
    if subprocess.run(["mount", "-t", "overlay", "-o", options, "none", castool.store],
                      check=False).returncode != 0:
        pytest.skip("no overlay file system here")
    try:
        hub.add_repository("acme/m", {"config.json": "{}", "weights.bin": WEIGHTS})
        castool.run("pull", "-q", "acme/m")
        castool.run("mount", mountpoint)
        path = mountpoint / "acme/m/weights.bin"
        assert harness.sha256_of(path) == checks.digest_of(WEIGHTS, hub)
        assert opened_natively(castool, path, 5 * MIB)
        castool.run("umount", mountpoint)
        harness.wait_until(lambda: not castool.processes(), 10, "end of the mount's process")
    finally:
        subprocess.run(["umount", "-l", castool.store], check=True)
