"""What strangers may try (docs/threats.md): rows that need the whole program, or more than one way in."""

import ctypes
import os
import threading

import pytest

import checks
import harness
import models
from hub import Synthetic

MIB = 1 << 20
SECRET = "hf_canary_0123456789abcdef"
GOOD = "a" * 64
# Forty spellings of what is no digest.
TRICKS = [
    "", "sha256", "sha256:", ":", "sha256:" + "a" * 63, "sha256:" + "a" * 65, "sha256:" + "A" * 64,
    "SHA256:" + GOOD, "Sha256:" + GOOD, "sha256:" + "g" * 64, "sha256:" + GOOD + " ", " sha256:" + GOOD,
    "sha256:" + GOOD + "/", "sha256:/" + GOOD, "sha256:../" + "a" * 61, "sha256:" + "../" * 21 + "x",
    "sha256:" + "a" * 62 + "..", "sha256:" + "a" * 61 + "/..", "sha256:..", "sha256:.", "..", "../..",
    "sha256:%2e%2e%2f" + "a" * 52, "sha256:%2e%2e", "sha256:" + "a" * 61 + "%00", "sha256:" + "a" * 61 + "%0a",
    "sha256:" + "%61" * 64, "sha512:" + "a" * 128, "sha512:" + GOOD, "sha1:" + "a" * 40, "md5:" + "a" * 32,
    "sha256-" + GOOD, "sha256:0x" + "a" * 62, "sha256:-" + "a" * 63, "sha256:+" + "a" * 63,
    "sha256:" + "\u00e0" * 64, "sha256:" + "\uff41" * 64, "sha256:" + "a" * 32 + ";" + "a" * 31,
    "sha256:" + "a" * 32 + "\\" + "a" * 31, "sha256:" + GOOD + ":" + GOOD,
]
assert len(TRICKS) == 40


@pytest.fixture
def outside(castool):
    """A file beside the store that nobody may touch."""
    canary = castool.folder / "canary"
    canary.write_text("untouched")
    os.chmod(canary, 0o600)
    yield canary
    assert canary.read_text() == "untouched"


def files_of(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_digests_that_are_none_are_nothing_anywhere(hub, castool, serve, mountpoint, outside):
    manifest, blobs = models.registry_model(models.gguf("m"))
    hub.add_model("library/m:latest", manifest, blobs)
    castool.run("pull", "-q", "--insecure", "m:latest")
    castool.run("mount", "--layout", "ollama", mountpoint)
    server = serve("--registry")
    before = files_of(castool.store / "blobs")
    for trick in TRICKS:
        wire = "".join(c if c.isascii() and c.isprintable() and c not in ' \\"' else
                       "".join(f"%{b:02x}" for b in c.encode()) for c in trick)
        for method, target in [("HEAD", f"/api/blobs/{wire}"), ("GET", f"/v2/library/m/blobs/{wire}"),
                               ("GET", f"/v2/library/m/manifests/{wire}")]:
            assert server.ask(method, target).status in (400, 404, 405), (method, trick)
        if "/" not in trick and trick not in ("", ".", ".."):
            assert not os.path.exists(mountpoint / "blobs" / trick), trick
            assert not os.path.exists(mountpoint / "blobs" / trick.replace(":", "-", 1)) \
                or trick == "sha256-" + GOOD, trick
        assert castool.run("show", f"m:{trick}", status=None).status in (64, 66), trick
    assert files_of(castool.store / "blobs") == before


def test_names_that_are_none_delete_nothing(hub, castool, serve, outside):
    manifest, blobs = models.registry_model(models.gguf("m"))
    hub.add_model("library/m:latest", manifest, blobs)
    castool.run("pull", "-q", "--insecure", "m:latest")
    server = serve()
    before = files_of(castool.folder)
    for name in ["../canary", "../../canary", "..%2fcanary", "/etc/passwd", str(outside), "m:../../canary", ".", "..",
                 "", "refs/default/m", "m\n", "m\0", "%2e%2e/canary", "default/../../canary:latest", "a" * 5000,
                 "~/canary", "m:latest/..", "\\..\\canary", "-rf", "hf://../canary", "file:///etc/passwd"]:
        answer = server.ask("DELETE", "/api/delete", {"model": name})
        assert answer.status in (400, 404), (name, answer.status, answer.body)
        if "\0" not in name:
            assert castool.run("rm", "--", name, status=None).status in (64, 66), name
    assert files_of(castool.folder) >= before
    assert [ref["name"] for ref in castool.run("ls", "--json").json] == ["m:latest"]


def test_a_writer_of_what_is_imported_changes_nothing_here(castool, tmp_path):
    source = tmp_path / "model"
    source.mkdir()
    (source / "config.json").write_text("{}")
    (source / "weights.bin").write_bytes(models.noise(3 * MIB, 1))
    writer = os.open(source / "weights.bin", os.O_RDWR)
    try:
        castool.run("import", source, "acme/m")
        os.pwrite(writer, b"changed afterwards", 5)
        os.fsync(writer)
        castool.run("fsck")
        castool.run("export", "acme/m", tmp_path / "out")
    finally:
        os.close(writer)
    assert (tmp_path / "out/weights.bin").read_bytes() == models.noise(3 * MIB, 1)


def exchange(one, other):
    """renameat2(RENAME_EXCHANGE): at no moment is either name missing."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.renameat2(-100, os.fsencode(one), -100, os.fsencode(other), 2)


def test_links_that_come_and_go_lead_an_import_nowhere(castool, tmp_path, outside):
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "weights.bin").write_bytes(b"canary" * 1000)
    source = tmp_path / "model"
    (source / "sub").mkdir(parents=True)
    (source / "config.json").write_text("{}")
    (source / "sub/weights.bin").write_bytes(b"harmless" * 1000)
    os.symlink(secret, tmp_path / "link")
    stop = threading.Event()

    def swap():
        while not stop.is_set():
            exchange(source / "sub", tmp_path / "link")

    swapper = threading.Thread(target=swap)
    swapper.start()
    try:
        ends = [castool.run("import", source, f"acme/m{n}", status=None).status for n in range(25)]
    finally:
        stop.set()
        swapper.join()
    assert set(ends) <= {0, 64, 65, 66, 74}
    canary = harness.sha256_of(secret / "weights.bin").removeprefix("sha256:")
    assert canary not in {path.name for path in (castool.store / "blobs").rglob("*")}


def test_secrets_are_in_no_log_and_no_file(hub, castool):
    hub.settings(tokens=[SECRET])
    hub.add_repository("acme/private", {"config.json": "{}", "weights.bin": Synthetic(3 * MIB, 3)},
                       private=True, tokens=[SECRET])
    # An answer that repeats what it was asked, and one that fails after a redirect with a signature.
    hub.fault({"status": 403}, times=-1, origin="cdn")
    failed = castool.run("pull", "-vv", "--json", "acme/private", env={"HF_TOKEN": SECRET}, status=None)
    hub.clear_faults()
    done = castool.run("pull", "-vv", "--json", "acme/private", env={"HF_TOKEN": SECRET})
    said = failed.out + failed.err + done.out + done.err
    checks.assert_nowhere(SECRET, said, folders=[castool.store])
    for word in ("Signature=", "Policy=", "Key-Pair-Id=", "X-Amz-"):
        assert word not in said
