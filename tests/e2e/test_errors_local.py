"""What goes wrong here: the disk, the store's state, and what was typed."""

import os
import subprocess

import pytest

import checks
import harness
import models
from hub import Synthetic

MIB = 1 << 20


@pytest.fixture
def small_disk(castool):
    """castool's store on a file system of 48 MiB."""
    disk = castool.folder / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m,mode=755", "none", disk], check=True)
    castool.store = disk / "store"
    castool.environment["CASTOOL_STORE"] = str(castool.store)
    yield disk
    castool.end_all()
    subprocess.run(["umount", "-l", disk], check=True)


def fill(disk, leave):
    """Takes all room but `leave` bytes; the ballast."""
    ballast = disk / "ballast"
    free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
    with open(ballast, "wb") as file:
        os.posix_fallocate(file.fileno(), 0, free - leave)
    return ballast


def test_too_little_room_is_seen_first(hub, castool, small_disk):
    files = {"config.json": "{}", "weights.bin": Synthetic(32 * MIB, 1)}
    hub.add_repository("acme/m", files)
    castool.run("df")
    ballast = fill(small_disk, 20 * MIB)
    outcome = castool.run("pull", "--json", "acme/m", status=None)
    checks.assert_error(outcome, 73, "no_space", "free")
    assert hub.bytes_sent(origin="cdn") == 0 and hub.log(target="/resolve/", method="GET") == []
    ballast.unlink()
    assert castool.run("pull", "--json", "acme/m").json[-1]["bytes_fetched"] == 32 * MIB + 2


def test_a_disk_that_fills_up_on_the_way(hub, castool, small_disk):
    # More than are fetched at once: the later ones get their room when the first are through.
    files = {f"part-{i}.bin": Synthetic(6 * MIB, i) for i in range(6)} | {"config.json": "{}"}
    hub.add_repository("acme/m", files)
    process = castool.start("pull", "-q", "--json", "--limit-rate", "12M",
                            "--connections", "2", "acme/m",
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    hub.wait_for_request(origin="cdn", status=206, count=2)
    ballast = fill(small_disk, 64 << 10)
    out, err = process.communicate(timeout=60)
    outcome = harness.Outcome(process.returncode, out.decode(), err.decode())
    checks.assert_error(outcome, 73, "no_space")
    assert castool.run("ls", "--json").out == ""
    checks.assert_blobs_are_right(castool.store)

    ballast.unlink()
    hub.clear_log()
    again = castool.run("pull", "--json", "acme/m").json[-1]
    assert again["bytes_fetched"] < 30 * MIB  # what came before is still good
    assert hub.bytes_sent(origin="cdn") < 30 * MIB
    for source in files.values():
        path = checks.blob_path(castool.store, checks.digest_of(source, hub))
        checks.assert_same_file(path, source, hub)


def test_no_room_for_a_name(hub, castool, small_disk):
    hub.add_repository("acme/m", models.small_repository())
    castool.run("pull", "acme/m")
    ballast = fill(small_disk, 0)
    outcome = castool.run("pull", "--json", "--name", "other", "acme/m", status=None)
    checks.assert_error(outcome, 73, "no_space")
    assert [ref["name"] for ref in castool.run("ls", "--json").json] == ["acme/m"]
    ballast.unlink()
    castool.run("pull", "--name", "other", "acme/m")


# The store

def make_group_writable(castool):
    castool.store.chmod(0o770)


def make_world_writable(castool):
    castool.store.chmod(0o707)


def make_newer(castool):
    (castool.store / "format").write_text("2\n")


def make_damaged(castool):
    (castool.store / "format").write_text("one\n")


def make_read_only(castool):
    subprocess.run(["mount", "--bind", castool.store, castool.store], check=True)
    subprocess.run(["mount", "-o", "remount,bind,ro", castool.store], check=True)


@pytest.fixture
def store_with_model(hub, castool):
    hub.add_repository("acme/m", models.small_repository())
    hub.add_repository("acme/other", {"f": "another"})
    castool.run("pull", "acme/m")
    yield castool.store
    subprocess.run(["umount", "-q", castool.store], check=False)


@pytest.mark.parametrize("make,said,readable", [
    (make_group_writable, "chmod", False), (make_world_writable, "chmod", False),
    (make_newer, "newer castool", False), (make_damaged, "format", False),
    (make_read_only, "--store", True)])
def test_a_store_that_cannot_be_used(hub, castool, store_with_model, make, said, readable):
    make(castool)
    before = checks.snapshot(castool.folder)
    hub.clear_log()
    for words in (["pull", "acme/other"], ["pull", "acme/m"], ["rm", "acme/m"]):
        outcome = castool.run("--json", *words, status=None)
        line = checks.assert_error(outcome, 73, None, said)
        assert str(castool.store) in line
        assert "error" in outcome.json[-1]
    for words in (["ls"], ["show", "acme/m"], ["df"], ["status"]):
        outcome = castool.run("--json", *words, status=0 if readable else 73)
        assert readable or said in outcome.err
    assert hub.bytes_sent(origin="cdn") == 0
    assert checks.snapshot(castool.folder) == before


@pytest.mark.parametrize("place,status", [("a-file", 73), ("a-file/store", 74), ("papers", 73)])
def test_a_place_that_is_no_store(hub, castool, place, status):
    (castool.folder / "a-file").write_text("x")
    (castool.folder / "papers").mkdir()
    (castool.folder / "papers" / "letter.txt").write_text("dear")
    hub.add_repository("acme/m", models.small_repository())
    before = checks.snapshot(castool.folder)
    outcome = castool.run("pull", "--json", "--store", castool.folder / place, "acme/m",
                          status=None)
    checks.assert_error(outcome, status, None, str(castool.folder / place))
    assert checks.snapshot(castool.folder) == before


def test_a_store_behind_a_link_and_below_missing_folders(hub, castool):
    hub.add_repository("acme/m", models.small_repository())
    (castool.folder / "elsewhere").mkdir(mode=0o700)
    (castool.folder / "link").symlink_to("elsewhere")
    castool.run("pull", "--store", castool.folder / "link", "acme/m")
    assert (castool.folder / "elsewhere/format").read_text() == "1\n"
    castool.run("pull", "--store", castool.folder / "a/b/c", "acme/m")
    assert (castool.folder / "a/b/c/format").read_text() == "1\n"


def test_looking_makes_no_store(castool):
    for words in (["ls"], ["df"], ["status"]):
        castool.run(*words)
    for words in (["show", "acme/m"], ["rm", "acme/m"]):
        castool.run(*words, status=66)
    assert not castool.store.exists()


@pytest.mark.parametrize("mask", [0o000, 0o077, 0o777])
def test_the_umask_of_the_caller_does_not_matter(hub, castool, mask):
    hub.add_repository("acme/m", models.small_repository())
    before = os.umask(mask)
    try:
        castool.run("pull", "acme/m")
        castool.run("pull", "acme/m")
    finally:
        os.umask(before)
    assert checks.assert_blobs_are_right(castool.store) > 5
    assert castool.store.stat().st_mode & 0o777 == 0o700


# What was typed

USAGE = [
    [], ["no-such-command"], ["--no-such-option", "ls"], ["ls", "--no-such-option"],
    ["pull"], ["pull", "a//b"], ["pull", "acme/../m"], ["pull", "acme/m@"], ["pull", "/etc/passwd"],
    ["pull", "../m"], ["pull", ""], ["pull", "acme/m\nx"], ["pull", "ftp://host/ns/m:tag"],
    ["pull", "--name", "../x", "acme/m"], ["pull", "--name", "/x", "acme/m"],
    ["pull", "--name", "a/b/c/d/e", "acme/m"], ["pull", "--name", "", "acme/m"],
    ["pull", "--name", "one", "acme/m", "acme/n"], ["pull", "--from", "git", "acme/m"],
    ["pull", "--connections", "0", "acme/m"], ["pull", "--connections", "many", "acme/m"],
    ["pull", "--limit-rate", "3x", "acme/m"], ["pull", "--limit-rate", "-1", "acme/m"],
    ["pull", "--timeout", "soon", "acme/m"], ["pull", "--namespace", "../x", "acme/m"],
    ["mount"], ["mount", "--layout", "git", "/tmp"], ["mount", "-o", "uid=me", "/tmp"],
    ["umount"], ["show"], ["rm"], ["ls", "extra"], ["df", "extra"], ["show", "a//b"],
]


@pytest.mark.parametrize("words", USAGE, ids=[" ".join(words)[:40] or "nothing" for words in USAGE])
def test_usage(castool, words):
    outcome = castool.run("--json", *words, status=None)
    checks.assert_error(outcome, 64, "usage")
    assert not castool.store.exists()


@pytest.mark.parametrize("variable,value", [("CASTOOL_TIME_SCALE", "fast"),
                                            ("CASTOOL_NAMESPACE", "../x"),
                                            ("HF_ENDPOINT", "not an address"),
                                            ("HF_ENDPOINT", "ftp://host"),
                                            ("HF_TOKEN", "two words")])
def test_usage_in_the_environment(castool, variable, value):
    outcome = castool.run("pull", "--json", "acme/m", env={variable: value}, status=None)
    checks.assert_error(outcome, 64, "usage")


def test_a_token_typed_as_an_option_is_not_repeated(castool):
    outcome = castool.run("pull", "--token=hf_canary1234", "acme/m", status=64)
    checks.assert_nowhere("hf_canary1234", outcome.out, outcome.err)


@pytest.mark.parametrize("command", ["show", "rm"])
@pytest.mark.parametrize("name", ["acme/none", "none", "none:v1"])
def test_unknown_names(hub, castool, store_with_model, command, name):
    checks.assert_error(castool.run("--json", command, name, status=None), 66, "not_found", name)
    assert len(castool.run("ls", "--json").json) == 1


def test_one_of_several_sources_is_wrong(hub, castool):
    hub.add_repository("acme/good", models.small_repository())
    hub.add_model("library/tiny:latest", *models.registry_model())
    outcome = castool.run("pull", "--json", "acme/none", "acme/good", "none:v1", "tiny", status=66)
    assert len(outcome.err.splitlines()) == 2
    names = [ref["name"] for ref in castool.run("ls", "--json").json]
    assert sorted(names) == ["acme/good", "tiny:latest"]
    # A wrong name among them is seen before anything is fetched.
    hub.clear_log()
    castool.run("pull", "acme/good", "a//b", status=64)
    assert hub.log() == []
