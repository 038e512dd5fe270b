"""A live mount changes hands: mount --replace."""

import concurrent.futures
import contextlib
import errno
import mmap
import os
import pathlib
import random
import signal
import socket
import subprocess
import sys
import threading

import pytest

import checks
import harness
import models
from hub import Synthetic

MIB = 1 << 20
SCALE = {"CASTOOL_TIME_SCALE": "0.05"}
WEIGHTS = Synthetic(6 * MIB + 123, 5)
BIG = Synthetic(24 * MIB + 4321, 7)


@pytest.fixture
def pulled(hub, castool):
    files = {**models.small_repository(), "weights.bin": WEIGHTS}
    hub.add_repository("acme/m", files)
    castool.run("pull", "-q", "acme/m")
    return files


@pytest.fixture
def lazy(hub, castool):
    castool.environment.update(SCALE)
    hub.add_repository("acme/lazy", {"config.json": "{}", "weights.bin": BIG})
    castool.run("pull", "-q", "--lazy", "acme/lazy")
    hub.reset()


def replace(castool, mountpoint, *options, **more):
    """Gives the id of the new daemon; the old one has ended."""
    old = castool.processes()
    outcome = castool.run("mount", "--replace", *options, mountpoint, **more)
    harness.wait_until(lambda: not set(old) & set(castool.processes()), 60, "end of the old daemon")
    [pid] = castool.processes()
    assert harness.is_mounted(mountpoint)
    return pid, outcome


def unmount(castool, mountpoint):
    castool.run("umount", mountpoint)
    harness.wait_until(lambda: not castool.processes(), 60, "end of the mount's process")


def mounts_at(mountpoint):
    return pathlib.Path("/proc/self/mounts").read_text().count(f" {mountpoint} ")


def test_open_files_and_mappings_go_on(pulled, hub, castool, mountpoint):
    castool.run("mount", mountpoint)
    folder = mountpoint / "acme/m"
    small = pulled["model.safetensors"]
    with open(folder / "weights.bin", "rb", buffering=0) as native, \
            open(folder / "model.safetensors", "rb", buffering=0) as cached, \
            open(mountpoint / "config.json", "rb", buffering=0) as text, \
            mmap.mmap(native.fileno(), 0, mmap.MAP_SHARED, mmap.PROT_READ) as mapping:
        first = text.read(10)
        inode = os.fstat(native.fileno()).st_ino
        for _ in range(3):
            replace(castool, mountpoint)
            assert os.pread(native.fileno(), 1000, 4 * MIB) == WEIGHTS.read(4 * MIB, 1000)
            os.posix_fadvise(cached.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            assert os.pread(cached.fileno(), len(small), 0) == small
            assert os.pread(text.fileno(), 10, 0) == first
            assert mapping[5 * MIB:5 * MIB + 100] == WEIGHTS.read(5 * MIB, 100)
            # The same file, opened beside them through another daemon.
            with open(folder / "weights.bin", "rb", buffering=0) as again:
                assert os.fstat(again.fileno()).st_ino == inode
                assert os.pread(again.fileno(), 1000, MIB) == WEIGHTS.read(MIB, 1000)
            checks.assert_same_tree(folder, pulled, hub)
    assert mounts_at(mountpoint) == 1
    unmount(castool, mountpoint)


def test_what_is_open_stays_what_it_was(pulled, hub, castool, mountpoint):
    castool.run("mount", mountpoint)
    name = "model.safetensors"
    small = pulled[name]
    with open(mountpoint / "acme/m" / name, "rb", buffering=0) as file:
        hub.add_repository("acme/m", {**pulled, name: b"another"})
        castool.run("pull", "-q", "acme/m")
        checks.blob_path(castool.store, checks.digest_of(small)).unlink()
        replace(castool, mountpoint)
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        assert os.pread(file.fileno(), len(small), 0) == small
        harness.wait_until(lambda: (mountpoint / "acme/m" / name).read_bytes() == b"another",
                           60, "the new revision")
    unmount(castool, mountpoint)


def test_a_process_in_a_directory_and_a_listing_that_has_begun(hub, castool, mountpoint):
    files = {f"deep/er/file{i:04}": f"{i}" for i in range(600)}
    hub.add_repository("acme/many", files)
    castool.run("pull", "-q", "acme/many")
    castool.run("mount", mountpoint)
    script = """
import os, sys
os.chdir(sys.argv[1])
with os.scandir(".") as listing:
    names = [next(listing).name]
    print("begun", flush=True)
    sys.stdin.readline()
    names += [entry.name for entry in listing]
print(len(names), len(set(names)), open("file0007").read(), len(os.listdir("..")),
      os.path.realpath("."), flush=True)
"""
    folder = mountpoint / "acme/many/deep/er"
    with subprocess.Popen([sys.executable, "-c", script, folder], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdout.readline() == "begun\n"
        replace(castool, mountpoint)
        said, _ = reader.communicate("go on\n", timeout=60)
        assert said.split() == ["600", "600", "7", "1", str(folder)]
    unmount(castool, mountpoint)


def test_a_read_that_waits_for_the_origin_ends_right(lazy, hub, castool, mountpoint):
    stall = {"stall_after": 0, "stall_ms": 3_600_000}
    hub.fault(stall, times=-1, origin="cdn")
    castool.run("mount", "--timeout", "10h", mountpoint)
    path = mountpoint / "acme/lazy/weights.bin"
    offsets = [5, BIG.size // 2, BIG.size - 100]
    # The pool ends when its reads do: whatever fails, the origin answers then.
    with open(path, "rb", buffering=0) as file, \
            concurrent.futures.ThreadPoolExecutor(len(offsets)) as pool, \
            contextlib.ExitStack() as stack:
        stack.callback(hub.clear_faults)
        reads = [pool.submit(os.pread, file.fileno(), 100, offset) for offset in offsets]
        hub.wait_for_request(origin="cdn")
        replace(castool, mountpoint, "--timeout", "10h")
        assert not any(read.done() for read in reads)
        replace(castool, mountpoint, "--timeout", "10h")  # also when they were given on before
        assert not any(read.done() for read in reads)
        hub.clear_faults()
        replace(castool, mountpoint)
        for offset, read in zip(offsets, reads):
            assert read.result(60) == BIG.read(offset, 100)
        checks.assert_same_file(path, BIG, hub)
    unmount(castool, mountpoint)


def test_a_reader_that_waits_can_be_killed_afterwards(lazy, hub, castool, mountpoint):
    hub.fault({"stall_after": 0, "stall_ms": 3_600_000}, times=-1, origin="cdn")
    castool.run("mount", "--timeout", "10h", mountpoint)
    reader = subprocess.Popen(["dd", f"if={mountpoint}/acme/lazy/weights.bin", "bs=1", "count=1"],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    hub.wait_for_request(origin="cdn")
    replace(castool, mountpoint, "--timeout", "10h")
    reader.kill()
    assert reader.wait(60) == -signal.SIGKILL
    unmount(castool, mountpoint)


def test_twenty_times_under_readers(pulled, lazy, hub, castool, mountpoint):
    hub.settings(bytes_per_second=6 * MIB)  # so that it is filled by many daemons
    castool.run("mount", mountpoint)
    folder = mountpoint / "acme"
    done = threading.Event()
    counts = [0] * 4

    def reader(number):
        offset = 12345 * number
        with open(folder / "m/weights.bin", "rb", buffering=0) as held, \
                open(folder / "lazy/weights.bin", "rb", buffering=0) as filling:
            while not done.is_set():
                offset = (offset * 1103515245 + 12345) % (1 << 31)
                at = offset % (WEIGHTS.size - 5000)
                assert os.pread(held.fileno(), 5000, at) == WEIGHTS.read(at, 5000)
                at = offset % (BIG.size - 5000)
                assert os.pread(filling.fileno(), 5000, at) == BIG.read(at, 5000)
                small = (folder / "m/model.safetensors").read_bytes()
                assert small == pulled["model.safetensors"]
                assert len(os.listdir(folder)) == 2
                counts[number] += 1

    with concurrent.futures.ThreadPoolExecutor(len(counts)) as pool:
        readers = [pool.submit(reader, number) for number in range(len(counts))]
        try:
            for _ in range(20):
                before = sum(counts)
                replace(castool, mountpoint)
                harness.wait_until(lambda: sum(counts) > before or any(r.done() for r in readers),
                                   60, "reads")
        finally:
            hub.settings(bytes_per_second=0)
            done.set()
        for one in readers:
            one.result(60)
    checks.assert_same_file(folder / "lazy/weights.bin", BIG, hub)
    unmount(castool, mountpoint)


def test_blobs_that_are_verified_meanwhile(hub, castool, mountpoint):
    """Each open blob becomes a stored one at some moment, some between what the old daemon says of
    it and the new one's opening it."""
    files = [Synthetic(3 * MIB + number, number + 1) for number in range(60)]
    hub.add_repository("acme/many", {f"{number}.bin": file for number, file in enumerate(files)})
    castool.run("pull", "-q", "--lazy", "acme/many")
    hub.settings(bytes_per_second=100 * MIB)
    castool.run("mount", mountpoint)
    done = threading.Event()

    def reader(held, number):
        draw = random.Random(number)
        while not done.is_set():
            which = draw.randrange(len(files))
            at = draw.randrange(files[which].size - 100)
            assert os.pread(held[which], 100, at) == files[which].read(at, 100), which

    with contextlib.ExitStack() as stack, concurrent.futures.ThreadPoolExecutor(4) as pool:
        held = [stack.enter_context(open(mountpoint / f"acme/many/{number}.bin", "rb")).fileno()
                for number in range(len(files))]
        readers = [pool.submit(reader, held, number) for number in range(4)]
        try:
            for _ in range(25):
                replace(castool, mountpoint)
        finally:
            hub.settings(bytes_per_second=0)
            done.set()
        for one in readers:
            one.result(60)


def test_what_the_old_one_gave_out_wrong_is_not_forgotten(lazy, hub, castool, mountpoint):
    hub.fault({"flip_at": 5 * MIB}, times=1)
    castool.run("mount", "--fill", "none", mountpoint)
    path = mountpoint / "acme/lazy/weights.bin"
    with open(path, "rb", buffering=0) as file:
        assert os.pread(file.fileno(), 1, 5 * MIB) != BIG.read(5 * MIB, 1)
        replace(castool, mountpoint)
        os.pread(file.fileno(), 1, 0)  # so that the rest follows

        def refused():
            try:
                os.pread(file.fileno(), 1, 5 * MIB)
            except OSError as error:
                return error.errno == errno.EIO
            return False
        harness.wait_until(refused, 60, "the error of an open file")
        replace(castool, mountpoint)
        assert refused()
    checks.assert_same_file(path, BIG, hub)
    unmount(castool, mountpoint)


def test_one_that_cannot_start_leaves_the_old_one_serving(pulled, hub, castool, mountpoint):
    castool.run("mount", mountpoint)
    [pid] = castool.processes()
    with open(mountpoint / "acme/m/model.safetensors", "rb", buffering=0) as file:
        (castool.folder / "file").write_text("")
        for options, status in ((["--on-demand", "no pattern"], 64), (["-o", "nonsense"], 64),
                                (["--store", castool.folder / "file"], 73),
                                (["--token-file", castool.folder / "none"], 64)):
            checks.assert_error(castool.run("mount", "--replace", *options, mountpoint,
                                            status=None), status, None)
        assert castool.processes() == [pid]
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        assert file.read() == pulled["model.safetensors"]
        checks.assert_same_tree(mountpoint / "acme/m", pulled, hub)
    unmount(castool, mountpoint)


def control_socket(mountpoint):
    """Where the daemon of a mount listens (fusefs/handover_socket.h)."""
    device = os.stat(mountpoint).st_dev
    folder = pathlib.Path("/run/castool")
    if os.geteuid() != 0:
        runtime = os.environ.get("XDG_RUNTIME_DIR")
        folder = pathlib.Path(runtime) / "castool" if runtime else folder
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    connection.settimeout(60)
    connection.connect(str(folder / f"{os.major(device)}-{os.minor(device)}.sock"))
    return connection


def test_one_that_does_not_take_what_it_asked_for(lazy, hub, castool, mountpoint):
    castool.run("mount", mountpoint)
    [pid] = castool.processes()
    path = mountpoint / "acme/lazy/weights.bin"
    with control_socket(mountpoint) as other:
        other.send(b"castool handover 999")
        assert other.recv(4096).startswith(b"N")
    with open(path, "rb", buffering=0) as file, concurrent.futures.ThreadPoolExecutor(1) as pool:
        assert os.pread(file.fileno(), 10, 0) == BIG.read(0, 10)
        with control_socket(mountpoint) as other:
            other.send(b"castool handover 3")
            message, descriptors, _, _ = socket.recv_fds(other, 4096, 64)
            assert message[:1] == b"S" and len(descriptors) == 2
            read = pool.submit(os.pread, file.fileno(), 10, 9 * MIB)
            other.send(b"no")
            assert other.recv(4096) == b"R"
            for descriptor in descriptors:
                os.close(descriptor)
        assert read.result(60) == BIG.read(9 * MIB, 10)
        assert castool.processes() == [pid]
        checks.assert_same_file(path, BIG, hub)
        replace(castool, mountpoint)
        checks.assert_same_file(path, BIG, hub)
    unmount(castool, mountpoint)


def test_the_new_ones_options_hold_and_changes_are_followed(pulled, hub, castool, mountpoint):
    process = castool.start("mount", "-f", mountpoint, stderr=subprocess.PIPE)
    harness.wait_until(lambda: harness.is_mounted(mountpoint), 60, "mount")
    (mountpoint / "acme/m/config.json").read_bytes()
    castool.run("mount", "--replace", "-o", "uid=5000,gid=5001", mountpoint)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (0, b"")
    assert os.stat(mountpoint / "acme").st_uid == 5000
    hub.add_repository("acme/later", {"f": "x"})
    castool.run("pull", "-q", "acme/later")
    harness.wait_until(lambda: (mountpoint / "acme/later/f").exists(), 60, "the new model")
    castool.run("rm", "acme/m")
    harness.wait_until(lambda: os.listdir(mountpoint / "acme") == ["later"], 60, "the removal")
    replace(castool, mountpoint, "--layout", "ollama")
    harness.wait_until(lambda: sorted(os.listdir(mountpoint)) == ["blobs", "manifests"], 60,
                       "the other layout")
    unmount(castool, mountpoint)


def test_nothing_and_a_dead_mount_are_mounted_anew(pulled, hub, castool, mountpoint):
    castool.run("mount", "--replace", mountpoint)
    [pid] = castool.processes()
    os.kill(pid, signal.SIGKILL)
    harness.wait_until(lambda: not castool.processes(), 60, "death of the daemon")
    castool.run("mount", "--replace", mountpoint)
    assert mounts_at(mountpoint) == 1
    checks.assert_same_tree(mountpoint / "acme/m", pulled, hub)
    checks.assert_error(castool.run("mount", mountpoint, status=None), 75, None)
    unmount(castool, mountpoint)


def test_a_daemon_that_dies_while_it_is_asked_is_a_dead_one(pulled, castool, mountpoint):
    castool.run("mount", mountpoint)
    [pid] = castool.processes()
    os.kill(pid, signal.SIGSTOP)
    again = castool.start("mount", "--replace", mountpoint)
    waiting = pathlib.Path(f"/proc/{again.pid}/wchan")
    harness.wait_until(lambda: "fuse" in waiting.read_text() or "request_wait" in waiting.read_text(),
                       60, "the question to the daemon")
    os.kill(pid, signal.SIGKILL)
    assert again.wait(60) == 0
    assert mounts_at(mountpoint) == 1
    unmount(castool, mountpoint)


def test_something_else_is_not_replaced(pulled, castool, mountpoint):
    if os.geteuid() != 0:
        pytest.skip("takes root")
    subprocess.run(["mount", "-t", "tmpfs", "none", mountpoint], check=True)
    try:
        checks.assert_error(castool.run("mount", "--replace", mountpoint, status=None), 75, None)
    finally:
        subprocess.run(["umount", mountpoint], check=True)
