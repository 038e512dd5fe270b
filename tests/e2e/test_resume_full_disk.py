"""A disk that fills up: the error says how much is missing, and nothing has to come twice."""

import os

import pytest

import checks
import disk
from hub import Synthetic
from running_pull import RunningPull

MIB = 1 << 20

pytestmark = pytest.mark.skipif(os.geteuid() != 0 or not os.path.exists("/dev/loop-control"),
                                reason="needs root and loop devices")


@pytest.fixture
def small_disk(castool):
    one = disk.Disk(castool, 128)
    yield one
    one.close()


def test_full_on_the_way(hub, castool, small_disk):
    # More blobs than are fetched at once: the later ones ask for their room when it is gone.
    files = {f"part-{i}.bin": Synthetic(6 * MIB + i, 80 + i) for i in range(8)}
    hub.add_repository("acme/m", files)
    total = checks.total_size(files)
    pull = RunningPull(castool, "--limit-rate", "12M", "--connections", "2", "acme/m")
    hub.wait_for_request(origin="cdn", status=206, count=3)
    ballast = small_disk.fill(leave=MIB)
    out, err = pull.process.communicate(timeout=60)
    assert pull.process.returncode == 73, err
    line = err.decode()
    assert len(line.splitlines()) == 1
    assert "more bytes are needed and" in line and "are free at" in line, line
    assert b'"code":"no_space"' in out.splitlines()[-1]
    assert castool.run("ls", "--json").out == ""
    checks.assert_blobs_are_right(castool.store)
    kept = castool.run("df", "--json").json[0]
    assert kept["partial_bytes"] + kept["stored_bytes"] >= 6 * MIB

    # Still full: the same answer, at once, and nothing is lost by it.
    castool.run("pull", "--connections", "2", "acme/m", status=73)

    ballast.unlink()
    castool.run("pull", "acme/m")
    for source in files.values():
        path = checks.blob_path(castool.store, checks.digest_of(source, hub))
        checks.assert_same_file(path, source, hub)
    # The chunk that each connection was filling, once for each of the two failures, and what lay in
    # the sockets.
    assert hub.bytes_sent(origin="cdn") <= total + 2 * 2 * 4 * MIB


@pytest.mark.skipif(bool(os.environ.get("CASTOOL_SANITIZE")), reason="leaks cannot be looked for "
                    "under strace")
def test_a_sparse_file_system_fills_up_while_bytes_are_written(hub, castool, tmp_path):
    """A file system that cannot reserve room tells of a full disk in the middle of a write."""
    source = Synthetic(24 * MIB, 90)
    hub.add_repository("acme/m", {"weights.bin": source})
    digest = checks.digest_of(source, hub)
    # The reservation is "not supported", and the disk is full from the 80th write on.
    castool.prefix = ["strace", "-f", "-qq", "-o", str(tmp_path / "trace"),
                      "-e", "trace=fallocate,pwrite64",
                      "-e", "inject=fallocate:error=EOPNOTSUPP",
                      "-e", "inject=pwrite64:error=ENOSPC:when=80+"]
    outcome = castool.run("pull", "--json", "--connections", "2", "acme/m", status=None)
    castool.prefix = []
    checks.assert_error(outcome, 73, "no_space", "more bytes are needed and", "are free at")
    kept = disk.chunks_present(castool.store, source.size)
    assert kept
    hub.clear_log()
    castool.run("pull", "acme/m")
    checks.assert_same_file(checks.blob_path(castool.store, digest), source, hub)
    assert hub.bytes_sent(origin="cdn") == source.size - len(kept) * MIB
