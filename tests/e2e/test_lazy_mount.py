"""Files that are read through a mount before they are here."""

import concurrent.futures
import contextlib
import errno
import os
import pathlib
import random
import signal
import subprocess

import pytest

import checks
import harness
import models
from hub import Synthetic

MIB = 1 << 20
SCALE = {"CASTOOL_TIME_SCALE": "0.05"}
BIG = Synthetic(checks.scaled(96 * MIB) + 4321, 7)


@pytest.fixture
def files(hub, castool):
    """A model of which only the small file is here."""
    castool.environment.update(SCALE)
    content = {"config.json": "{}", "weights.bin": BIG}
    hub.add_repository("acme/lazy", content)
    castool.run("pull", "-q", "--lazy", "acme/lazy")
    hub.reset()
    return content


@pytest.fixture
def second_mountpoint(tmp_path, castool):
    directory = tmp_path / "mnt2"
    directory.mkdir()
    yield directory
    if harness.is_mounted(directory):
        castool.run("umount", directory, status=None)
    harness.force_unmount(directory)


def state_of(castool, name="acme/lazy"):
    return {ref["name"]: ref["state"] for ref in castool.run("ls", "--json").json}[name]


def wait_complete(castool, name="acme/lazy"):
    harness.wait_until(lambda: state_of(castool, name) == "complete", 60, "completion")


def big_bytes_sent(hub):
    """Body bytes of the big file that went out."""
    return hub.bytes_sent(origin="cdn")


def read_at(path, offset, size):
    with open(path, "rb", buffering=0) as file:
        return os.pread(file.fileno(), size, offset)


@pytest.mark.parametrize("rate", [0, 8 * MIB], ids=["fast", "slow"])
def test_a_copy_is_the_same_and_the_model_complete(rate, files, hub, castool, mountpoint, tmp_path):
    castool.run("mount", mountpoint)
    hub.settings(bytes_per_second=rate)  # slow: the reader waits for what others fetch
    assert os.stat(mountpoint / "acme/lazy/weights.bin").st_size == BIG.size
    assert big_bytes_sent(hub) == 0  # a look is no read
    subprocess.run(["cp", "-r", mountpoint / "acme/lazy", tmp_path / "copy"], check=True)
    checks.assert_same_tree(tmp_path / "copy", files, hub)
    wait_complete(castool)
    assert big_bytes_sent(hub) == BIG.size  # each byte once
    assert checks.assert_blobs_are_right(castool.store) == 3  # the manifest is one
    assert os.getxattr(mountpoint / "acme/lazy/weights.bin", "user.castool.state") == b"verified"


def test_random_readers_while_chunks_arrive(files, hub, castool, mountpoint):
    castool.run("mount", mountpoint)
    path = mountpoint / "acme/lazy/weights.bin"

    def reader(seed):
        chance = random.Random(seed)
        for _ in range(30):
            offset = chance.randrange(BIG.size)
            size = chance.choice([1, 4096, 70_000, MIB + 3])
            assert read_at(path, offset, size) == BIG.read(offset, min(size, BIG.size - offset))

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(reader, range(8)))
    wait_complete(castool)
    # A chunk that a reader could not wait for may have been given up by another transfer midway.
    assert BIG.size <= big_bytes_sent(hub) <= 1.05 * BIG.size + 16 * MIB
    checks.assert_same_file(path, BIG, hub)


def test_fill_none_fetches_what_is_read(files, hub, castool, mountpoint):
    castool.run("mount", "--fill", "none", mountpoint)
    path = mountpoint / "acme/lazy/weights.bin"
    with open(path, "rb", buffering=0) as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)  # the kernel reads ahead as well
        assert os.pread(file.fileno(), 100, 3 * MIB + 5) == BIG.read(3 * MIB + 5, 100)
        assert os.getxattr(path, "user.castool.present") == str(MIB).encode()
        assert os.getxattr(path, "user.castool.state") == b"partial"
    assert big_bytes_sent(hub) == MIB
    assert state_of(castool) == "partial"


def test_fill_all_waits_for_no_reader(files, hub, castool, mountpoint):
    hub.add_repository("acme/later", {"other.bin": Synthetic(5 * MIB, 8)})
    castool.run("mount", "--fill", "all", mountpoint)
    wait_complete(castool)
    # Nor for the next mount.
    castool.run("pull", "-q", "--lazy", "acme/later")
    wait_complete(castool, "acme/later")


def test_one_download_for_readers_mounts_and_a_pull(files, hub, castool, mountpoint,
                                                    second_mountpoint):
    hub.settings(bytes_per_second=4 * MIB)  # so that they meet
    castool.run("mount", mountpoint)
    castool.run("mount", second_mountpoint)
    pull = castool.start("pull", "-q", "acme/lazy")

    def reader(number):
        folder = (mountpoint, second_mountpoint)[number % 2]
        checks.assert_same_file(folder / "acme/lazy/weights.bin", BIG, hub)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(reader, range(8)))
    assert pull.wait(60) == 0
    wait_complete(castool)
    assert BIG.size <= big_bytes_sent(hub) <= 1.05 * BIG.size + 16 * MIB


def test_a_killed_mount_goes_on_where_it_was(files, hub, castool, mountpoint):
    castool.run("mount", mountpoint)
    path = mountpoint / "acme/lazy/weights.bin"
    hub.settings(bytes_per_second=2 * MIB)
    assert read_at(path, 0, 10) == BIG.read(0, 10)
    hub.wait_for_request(origin="cdn", count=4)
    [pid] = castool.processes()
    os.kill(pid, signal.SIGKILL)
    harness.wait_until(lambda: not castool.processes(), what="end of the mount")
    hub.settings(bytes_per_second=0)
    castool.run("mount", mountpoint)
    checks.assert_same_file(path, BIG, hub)
    wait_complete(castool)
    # What was in flight is fetched again: at most four MiB of each of sixteen connections.
    assert big_bytes_sent(hub) <= BIG.size + 64 * MIB


FAULTS = {
    "stall": dict(action={"stall_after": 100_000, "stall_ms": 60_000}, times=3),
    "reset": dict(action={"reset_after": 300_000}, times=10),
    "cut": dict(action={"cut_after": 200_000}, times=10),
    "expired": dict(action={"expire_signatures": True}, times=2),
    "busy": dict(action={"status": 503}, times=5),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_under_readers(name, files, hub, castool, mountpoint):
    fault = FAULTS[name]
    hub.fault(fault["action"], times=fault["times"], origin="cdn")
    castool.run("mount", mountpoint)
    path = mountpoint / "acme/lazy/weights.bin"
    chance = random.Random(name)
    for _ in range(20):
        offset = chance.randrange(BIG.size - 5000)
        assert read_at(path, offset, 5000) == BIG.read(offset, 5000)
    checks.assert_same_file(path, BIG, hub)
    assert hub.fault_hits() == [fault["times"]]


def test_an_origin_that_is_away_is_an_error_of_that_read(files, hub, castool, mountpoint):
    castool.run("mount", "--timeout", "40s", mountpoint)  # two seconds of test time
    path = mountpoint / "acme/lazy/weights.bin"
    ports = hub.ports()
    hub.stop()
    with pytest.raises(OSError) as failed:
        read_at(path, 5 * MIB, 10)
    assert failed.value.errno == errno.EIO
    assert (mountpoint / "acme/lazy/config.json").read_text() == "{}"
    assert path.stat().st_size == BIG.size
    hub.start(*ports)
    assert read_at(path, 5 * MIB, 10) == BIG.read(5 * MIB, 10)


def test_offline_what_is_here_is_read_and_the_rest_refused_at_once(files, hub, castool, mountpoint):
    castool.run("mount", mountpoint, env={"HF_HUB_OFFLINE": "1"})
    with pytest.raises(OSError) as failed:
        read_at(mountpoint / "acme/lazy/weights.bin", 0, 10)
    assert failed.value.errno == errno.EIO
    assert hub.log() == []


def test_a_wrong_chunk_that_was_read_spoils_what_is_open_only(files, hub, castool, mountpoint):
    hub.fault({"flip_at": 5 * MIB}, times=1)
    hub.settings(bytes_per_second=8 * MIB)
    castool.run("mount", mountpoint)
    path = mountpoint / "acme/lazy/weights.bin"
    with open(path, "rb", buffering=0) as file:
        # The one named exception: what is read before it is verified.
        assert os.pread(file.fileno(), 1, 5 * MIB) != BIG.read(5 * MIB, 1)
        hub.settings(bytes_per_second=0)
        wait_complete(castool)

        def refused():
            try:
                os.pread(file.fileno(), 1, 5 * MIB)
            except OSError as error:
                return error.errno == errno.EIO
            return False
        harness.wait_until(refused, what="the error of an open file")
    harness.wait_until(lambda: read_at(path, 5 * MIB, 1) == BIG.read(5 * MIB, 1),
                       what="the mended blob")
    checks.assert_same_file(path, BIG, hub)


def test_a_wrong_chunk_that_nobody_read_is_mended_unseen(files, hub, castool, mountpoint):
    hub.fault({"flip_at": BIG.size - 5}, times=1)
    castool.run("mount", mountpoint)
    path = mountpoint / "acme/lazy/weights.bin"
    with open(path, "rb", buffering=0) as file:
        assert os.pread(file.fileno(), 10, 0) == BIG.read(0, 10)
        wait_complete(castool)
        assert os.pread(file.fileno(), 10, BIG.size - 10) == BIG.read(BIG.size - 10, 10)


def test_strict_gives_out_nothing_unverified(files, hub, castool, mountpoint):
    hub.fault({"flip_at": 5 * MIB}, times=1)
    castool.run("mount", "--verify", "strict", mountpoint)
    path = mountpoint / "acme/lazy/weights.bin"
    assert read_at(path, 5 * MIB, 1) == BIG.read(5 * MIB, 1)
    assert state_of(castool) == "complete" or wait_complete(castool) is None
    checks.assert_same_file(path, BIG, hub)


@pytest.mark.parametrize("verify", ["lazy", "strict"])
def test_an_origin_that_is_wrong_for_good(verify, files, hub, castool, mountpoint):
    hub.fault({"flip_at": 5 * MIB}, times=-1)
    castool.run("mount", "--verify", verify, mountpoint)
    path = mountpoint / "acme/lazy/weights.bin"
    if verify == "lazy":
        read_at(path, 0, 10)
    else:
        with pytest.raises(OSError) as failed:
            read_at(path, 0, 10)
        assert failed.value.errno == errno.EIO
    harness.wait_until(lambda: state_of(castool) == "damaged", 60, "the damage")
    for offset in (0, 20 * MIB):
        with pytest.raises(OSError) as failed:
            read_at(path, offset, 10)
        assert failed.value.errno == errno.EIO
    assert os.getxattr(path, "user.castool.state") == b"damaged"
    # Put right and pulled again it is there.
    hub.clear_faults()
    castool.run("pull", "-q", "acme/lazy")
    harness.wait_until(lambda: read_at(path, 0, 10) == BIG.read(0, 10), what="the blob")


def test_a_registrys_model(hub, castool, mountpoint):
    castool.environment.update(SCALE)
    gguf = models.gguf(tensor_bytes=20 * MIB)
    manifest, blobs = models.registry_model(gguf)
    hub.add_model("library/tiny:latest", manifest, blobs)
    castool.run("pull", "-q", "--lazy", "tiny")
    castool.run("mount", mountpoint)
    path = mountpoint / "library/tiny:latest/tiny-latest.gguf"
    assert read_at(path, 12 * MIB, 1000) == gguf[12 * MIB:12 * MIB + 1000]
    assert path.read_bytes() == gguf
    wait_complete(castool, "tiny:latest")


def test_readers_that_are_killed_free_everything(files, hub, castool, mountpoint):
    hub.fault({"stall_after": 0, "stall_ms": 3_600_000}, times=-1, origin="cdn")
    castool.run("mount", "--timeout", "10h", mountpoint)
    path = mountpoint / "acme/lazy/weights.bin"
    readers = [subprocess.Popen(["dd", f"if={path}", "bs=1", "count=1", f"skip={i * MIB}"],
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
               for i in range(20)]
    hub.wait_for_request(origin="cdn")
    assert (mountpoint / "acme/lazy/config.json").read_text() == "{}"
    for reader in readers:
        reader.kill()
    for reader in readers:
        reader.wait(20)
    castool.run("umount", mountpoint)


def test_an_idle_mount_begins_no_network(files, castool, mountpoint):
    castool.run("mount", mountpoint)
    [pid] = castool.processes()

    def sockets():
        local = pathlib.Path(f"/proc/{pid}/net/unix").read_text().split()  # --replace asks there
        names = []
        for fd in pathlib.Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # closed meanwhile
                names.append(os.readlink(fd))
        return [name for name in names if name.startswith("socket:") and name[8:-1] not in local]

    assert not sockets()
    (mountpoint / "acme/lazy/config.json").read_text()
    os.stat(mountpoint / "acme/lazy/weights.bin")
    assert not sockets()
    read_at(mountpoint / "acme/lazy/weights.bin", 0, 1)
    assert sockets()
