"""fio's own verification, over a mount: each block of the file carries its checksum and place."""

import os
import pathlib
import shutil
import subprocess

import pytest

import harness

MIB = 1 << 20
SIZE = 16 * MIB
BLOCK = "16k"

pytestmark = pytest.mark.skipif(shutil.which("fio") is None, reason="no fio")

WAYS = {
    "sequential": ["--rw=read", "--ioengine=psync"],
    "random": ["--rw=randread", "--ioengine=psync"],
    "mapped": ["--rw=randread", "--ioengine=mmap"],
    "direct": ["--rw=randread", "--ioengine=libaio", "--iodepth=16", "--direct=1"],
}


def fio(path, *words):
    done = subprocess.run(["fio", "--name=job", f"--filename={path}", f"--size={SIZE}",
                           f"--bs={BLOCK}", "--verify=crc32c", "--verify_fatal=1", "--numjobs=1",
                           "--fallocate=none", *words], capture_output=True, text=True, check=False,
                          timeout=120, cwd=pathlib.Path(path).anchor)
    assert done.returncode == 0 and "verify:" not in done.stderr, done.stdout + done.stderr


@pytest.fixture
def model(hub, castool, tmp_path):
    path = tmp_path / "weights.bin"
    fio(path, "--rw=write", "--ioengine=psync", "--do_verify=0")
    hub.add_repository("acme/fio", {"config.json": "{}", "weights.bin": path.read_bytes()})
    path.unlink()


@pytest.mark.parametrize("trusted", ["native", "filling", "daemon"])
def test_every_block_is_the_one_that_it_says(trusted, model, castool, mountpoint):
    castool.run("pull", "-q", *(["--lazy"] if trusted == "filling" else []), "acme/fio")
    if trusted == "daemon":  # not left to the kernel before it was checked in the background
        for stamp in pathlib.Path(castool.store).glob("sums/sha256/??/*.stamp"):
            stamp.unlink()
    castool.run("mount", mountpoint)
    path = mountpoint / "acme/fio/weights.bin"
    assert os.stat(path).st_size == SIZE
    for words in WAYS.values():
        fio(path, *words, "--readonly")
    castool.run("umount", mountpoint)
    harness.wait_until(lambda: not castool.processes(), 60, "end of the mount's process")


def test_a_wrong_block_would_be_noticed(model, hub, castool, tmp_path):
    castool.run("pull", "-q", "acme/fio")
    blob = max(pathlib.Path(castool.store).glob("blobs/sha256/??/*"), key=lambda b: b.stat().st_size)
    path = tmp_path / "copy.bin"
    content = bytearray(blob.read_bytes())
    content[5 * MIB + 77] ^= 1
    path.write_bytes(content)
    with pytest.raises(AssertionError):
        fio(path, *WAYS["sequential"], "--readonly")
