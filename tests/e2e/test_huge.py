"""A model of 100 GB that is read here and there: neither origin nor store has it on their disks."""

import mmap
import os
import pathlib

import pytest

import checks
import models
from hub import Synthetic

MIB = 1 << 20
SIZE = 100 * 10**9
DIGEST = "sha256:" + "ab" * 32  # nobody comes to its end to find out
PIECE = 3000
# Where something else than zeros is: both sides of 4 GiB, inside a chunk, across two, and the end.
PLACES = [0, (1 << 32) - 1500, 50 * 10**9 + 7, 70_000 * MIB - 1000, SIZE - PIECE]


@pytest.fixture
def huge(nginx, castool, tmp_path):
    """Pulled lazily from a registry of plain files; the server."""
    manifest, layers = models.registry_model(Synthetic(SIZE), model_digest=DIGEST)
    model = tmp_path / "www/v2/library/huge"
    (model / "manifests").mkdir(parents=True)
    (model / "blobs").mkdir()
    (model / "manifests/latest").write_bytes(manifest)
    for layer in layers:
        if isinstance(layer, bytes):
            (model / "blobs" / checks.digest_of(layer)).write_bytes(layer)
    with open(model / "blobs" / DIGEST, "wb") as file:
        for place in PLACES:
            file.seek(place)
            file.write(content_of(place))
        file.truncate(SIZE)
    server = nginx(tmp_path / "www")
    castool.run("pull", "-q", "--lazy", f"{server.url}/library/huge")
    return server


def content_of(place):
    return Synthetic(PIECE, place + 1).read()


def disk_use(folder):
    return sum(path.stat().st_blocks * 512 for path in pathlib.Path(folder).rglob("*")
               if path.is_file())


def fetched(server):
    """Bytes of the large layer that went out."""
    lines = [line for line in server.requests() if DIGEST in line and '"GET' in line]
    return sum(int(line.split('"')[2].split()[1]) for line in lines)


def test_any_place_of_it_can_be_read(huge, castool, mountpoint):
    before = fetched(huge)
    castool.run("mount", "--layout", "ollama", "--fill", "none", mountpoint)
    path = mountpoint / "blobs" / DIGEST.replace(":", "-")
    assert os.stat(path).st_size == SIZE
    with open(path, "rb", buffering=0) as file:
        for place in PLACES:
            assert os.pread(file.fileno(), PIECE, place) == content_of(place)
        assert os.pread(file.fileno(), 100, SIZE) == b""
        assert os.pread(file.fileno(), 100, 30 * 10**9) == bytes(100)
        with mmap.mmap(file.fileno(), 0, mmap.MAP_SHARED, mmap.PROT_READ) as memory:
            for place in PLACES:
                assert memory[place:place + PIECE] == content_of(place)
            assert memory[90 * 10**9:90 * 10**9 + 10] == bytes(10)
    # Of each place a few chunks, and no more of it anywhere.
    assert fetched(huge) - before <= 200 * MIB
    assert disk_use(castool.store) <= 250 * MIB
    castool.run("umount", mountpoint)
    assert castool.run("ls", "--json").json[0]["state"] == "partial"

    # What has come is here without its origin.
    huge.stop()
    castool.run("mount", "--layout", "ollama", "--fill", "none", "--timeout", "1s", mountpoint)
    with open(path, "rb", buffering=0) as file:
        for place in PLACES:
            assert os.pread(file.fileno(), PIECE, place) == content_of(place)
    castool.run("umount", mountpoint)
    [ref] = castool.run("ls", "--json").json
    castool.run("rm", ref["name"])
    castool.run("gc", "--partials")
    assert disk_use(castool.store) <= MIB
