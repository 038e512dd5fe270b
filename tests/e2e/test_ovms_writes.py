"""What OVMS does to a model's files besides reading them, and what nobody can do to a blob."""

import errno
import mmap
import os
import subprocess
import sys

import pytest

import checks
import harness
import models

MIB = 1 << 20
GGUF = models.gguf(tensor_bytes=3 * MIB)


@pytest.fixture
def mounted(hub, castool, mountpoint):
    hub.add_repository("acme/gguf", {"m.gguf": GGUF, "weights.bin": "weights"})
    hub.add_repository("acme/chat", models.openvino_repository())
    castool.run("pull", "-q", "acme/gguf", "acme/chat")
    castool.run("mount", mountpoint)
    return mountpoint


def open_as_ovms_does(path):
    return os.open(path, os.O_RDWR | os.O_APPEND)


def map_as_ovms_does(handle):
    return mmap.mmap(handle, 0, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)


def assert_nobody_sees(path, castool):
    """Whoever opens it now, however, sees the blob, and the blob is as it was."""
    assert path.read_bytes() == GGUF
    for flags in (os.O_RDONLY, os.O_RDWR | os.O_APPEND):
        handle = os.open(path, flags)
        protection = mmap.PROT_READ | (mmap.PROT_WRITE if flags & os.O_RDWR else 0)
        for sharing in (mmap.MAP_SHARED, mmap.MAP_PRIVATE):
            with mmap.mmap(handle, 0, sharing, protection) as memory:
                assert memory[:] == GGUF
        assert os.pread(handle, 2 * len(GGUF), 0) == GGUF
        os.close(handle)
    size = len(GGUF) // 4096 * 4096
    direct = subprocess.run(["dd", f"if={path}", f"count={size // 4096}", "bs=4096",
                             "iflag=direct", "status=none"], check=True, capture_output=True)
    assert direct.stdout == GGUF[:size]
    assert checks.blob_path(castool.store, checks.digest_of(GGUF)).read_bytes() == GGUF


def test_a_gguf_is_mapped_as_ovms_maps_it(mounted):
    path = mounted / "acme/gguf/m.gguf"
    assert path.stat().st_mode & 0o777 == 0o644
    handle = open_as_ovms_does(path)
    memory = map_as_ovms_does(handle)
    assert os.fstat(handle).st_ino == path.stat().st_ino
    os.close(handle)
    assert memory[:] == GGUF
    memory.close()


def test_a_write_is_refused_and_seen_by_nobody(mounted, castool):
    path = mounted / "acme/gguf/m.gguf"
    handle = open_as_ovms_does(path)
    for write in (lambda: os.write(handle, b"W" * 10_000), lambda: os.pwrite(handle, b"W", 5)):
        with pytest.raises(PermissionError) as refused:
            write()
        assert refused.value.errno == errno.EPERM
    assert_nobody_sees(path, castool)
    os.close(handle)


def test_what_is_written_into_a_mapping_is_seen_by_nobody_else(mounted, castool):
    path = mounted / "acme/gguf/m.gguf"
    reader = os.open(path, os.O_RDONLY)
    shared = mmap.mmap(reader, 0, mmap.MAP_SHARED, mmap.PROT_READ)
    own = mmap.mmap(reader, 0, mmap.MAP_PRIVATE, mmap.PROT_READ)
    handle = open_as_ovms_does(path)
    memory = map_as_ovms_does(handle)
    for _ in range(2):
        memory[:] = b"W" * len(GGUF)
        assert memory[:10] == b"W" * 10
        assert_nobody_sees(path, castool)
        with pytest.raises(OSError) as refused:
            memory.flush()
        assert refused.value.errno == errno.EPERM
        # Its pages are purged, and who wrote sees the blob again.
        harness.wait_until(lambda: memory[:] == GGUF, 60, "purge")
        assert shared[:] == GGUF and own[:] == GGUF
        assert_nobody_sees(path, castool)
    for thing in (memory, shared, own):
        thing.close()
    os.close(handle)
    os.close(reader)


WORKER = """
import mmap, os, random, sys
role, path, expected, seed = sys.argv[1], sys.argv[2], open(sys.argv[3], "rb").read(), sys.argv[4]
chance = random.Random(seed)
for turn in range(25):
    handle = os.open(path, os.O_RDONLY if role == "read" else os.O_RDWR | os.O_APPEND)
    writes = mmap.PROT_WRITE if role == "write" else 0
    memory = mmap.mmap(handle, 0, mmap.MAP_SHARED, mmap.PROT_READ | writes)
    assert memory[:] == expected, (role, turn)
    if role == "write":
        at = chance.randrange(len(expected) - 200_000)
        memory[at:at + 200_000] = b"W" * 200_000
        if turn % 2:
            try:
                memory.flush()
                raise AssertionError("it was taken")
            except PermissionError:
                pass
        if turn == 24:
            os.kill(os.getpid(), 9)  # with pages that are written to
    memory.close()
    os.close(handle)
"""


def test_many_who_write_and_many_who_read_do_not_meet(mounted, castool, tmp_path):
    path = mounted / "acme/gguf/m.gguf"
    (tmp_path / "expected").write_bytes(GGUF)
    workers = [(role, subprocess.Popen([sys.executable, "-c", WORKER, role, path,
                                        tmp_path / "expected", str(seed)],
                                       stderr=subprocess.PIPE))
               for seed in range(3) for role in ("read", "write")]
    for role, worker in workers:
        _, said = worker.communicate(timeout=120)
        assert worker.returncode == (0 if role == "read" else -9), said.decode()
    assert_nobody_sees(path, castool)


def test_who_writes_to_what_is_not_here_hurts_only_himself(hub, castool, mountpoint):
    big = models.gguf(tensor_bytes=8 * MIB)
    hub.add_repository("acme/lazy", {"m.gguf": big})
    castool.run("pull", "-q", "--lazy", "acme/lazy")
    castool.run("mount", "--fill", "none", mountpoint)
    path = mountpoint / "acme/lazy/m.gguf"
    handle = open_as_ovms_does(path)
    assert os.pread(handle, 4, 0) == b"GGUF"
    memory = mmap.mmap(handle, 4096, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
    memory[:4] = b"WWWW"
    # A read waits for the origin meanwhile, in another process, with the same open file.
    hub.fault({"stall_after": 0, "stall_ms": 600_000}, origin="cdn", times=-1)
    reader = subprocess.Popen([sys.executable, "-c", "import os, sys\n"
                               "try: os.pread(int(sys.argv[1]), 1, int(sys.argv[2]))\n"
                               "except OSError as error: sys.exit(error.errno)\n"
                               "sys.exit(0)", str(handle), str(len(big) - 5)], pass_fds=[handle])
    hub.wait_for_request(origin="cdn", timeout=60)
    with pytest.raises(PermissionError):
        memory.flush()
    assert reader.wait(60) == errno.EIO, "else its pages could not be dropped"
    hub.clear_faults()
    memory.close()
    os.close(handle)
    again = open_as_ovms_does(path)
    with mmap.mmap(again, 0, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE) as whole:
        assert whole[:] == big
    os.close(again)


def test_the_graph_is_rewritten_as_pull_and_start_does(mounted, castool, tmp_path):
    for model in ("acme/chat", "acme/gguf"):
        graph = mounted / model / "graph.pbtxt"
        generated = graph.read_text() if graph.exists() else None
        assert (generated is None) == (model == "acme/gguf")
        with open(graph, "w") as file:  # O_WRONLY | O_CREAT | O_TRUNC
            file.write("node: 1\n")
        assert graph.read_text() == "node: 1\n"
        assert graph.stat().st_size == 8 and graph.stat().st_mode & 0o777 == 0o644
        assert "graph.pbtxt" in os.listdir(mounted / model)
        with pytest.raises(OSError) as refused:
            open(mounted / model / "other.pbtxt", "w")
        assert refused.value.errno == errno.EROFS
        with pytest.raises(OSError) as refused:
            open(graph, "a")
        assert refused.value.errno == errno.EROFS
        with open(graph, "w") as file, pytest.raises(OSError) as refused:
            file.write("x" * (2 * MIB))
            file.flush()
        assert refused.value.errno == errno.EFBIG
    castool.run("umount", mounted)
    castool.run("mount", "--upper", tmp_path / "upper", mounted)
    graph = mounted / "acme/chat/graph.pbtxt"
    assert "HttpLLMCalculator" in graph.read_text()  # what was in memory has gone
    graph.write_text("kept\n")
    castool.run("umount", mounted)
    castool.run("mount", "--upper", tmp_path / "upper", mounted)
    assert graph.read_text() == "kept\n"


def test_what_was_written_goes_along_when_the_mount_changes_hands(mounted, castool, tmp_path):
    graph = mounted / "acme/chat/graph.pbtxt"
    graph.write_text("written\n")
    handle = open_as_ovms_does(mounted / "acme/gguf/m.gguf")
    memory = map_as_ovms_does(handle)
    castool.run("mount", "--replace", mounted)
    assert graph.read_text() == "written\n"
    assert memory[:] == GGUF
    memory[:5] = b"WWWWW"
    with pytest.raises(PermissionError):
        memory.flush()
    harness.wait_until(lambda: memory[:] == GGUF, 60, "purge")
    assert_nobody_sees(mounted / "acme/gguf/m.gguf", castool)
    castool.run("mount", "--replace", "--upper", tmp_path / "upper", mounted)
    assert graph.read_text() == "written\n"
    graph.write_text("kept\n")
    castool.run("mount", "--replace", "--upper", tmp_path / "upper", mounted)
    assert graph.read_text() == "kept\n"
    memory.close()
    os.close(handle)


def test_only_the_owner_may(mounted):
    if os.geteuid() != 0:
        pytest.skip("needs root, to be somebody else")
    for path, flags in [("acme/gguf/m.gguf", os.O_RDWR), ("acme/chat/graph.pbtxt", os.O_WRONLY)]:
        flags |= os.O_TRUNC if flags == os.O_WRONLY else 0
        program = f"import os; os.setuid(4321); os.open({str(mounted / path)!r}, {flags})"
        refused = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True,
                                 check=False)
        assert "PermissionError" in refused.stderr
