"""Mounting and unmounting: twice, busy, without a daemon, without privilege."""

import os
import pathlib
import shutil
import signal
import subprocess

import pytest

import checks
import harness
import models
from unprivileged import AS_NOBODY, NOBODY


def options_of(directory):
    """Fields of the mount table's lines for this directory, the oldest first."""
    lines = pathlib.Path("/proc/self/mounts").read_text().splitlines()
    return [line.split() for line in lines if line.split()[1] == str(directory)]


@pytest.fixture
def pulled(hub, castool):
    files = models.small_repository()
    hub.add_repository("acme/small", files)
    hub.add_model("library/tiny:latest", *models.registry_model())
    castool.run("pull", "-q", "acme/small", "tiny")
    return files


def test_two_mounts_of_one_store(pulled, castool, mountpoint, tmp_path):
    other = tmp_path / "other mount"
    other.mkdir()
    castool.run("mount", mountpoint)
    try:
        castool.run("mount", "--layout", "ollama", other)
        checks.assert_same_tree(mountpoint / "acme/small", pulled)
        assert (other / "manifests/registry.ollama.ai/library/tiny/latest").is_file()
        castool.run("rm", "tiny")
        harness.wait_until(lambda: not (mountpoint / "library").exists()
                           and os.listdir(other / "manifests") == [], 2, "removal in both")
        castool.run("umount", other)
        assert not harness.is_mounted(other)
        checks.assert_same_tree(mountpoint / "acme/small", pulled)
    finally:
        harness.force_unmount(other)


def test_a_copy_in_another_mount_namespace_is_served_after_umount(pulled, castool, mountpoint):
    if os.geteuid() != 0:
        pytest.skip("a mount namespace takes root")
    castool.run("mount", mountpoint)
    script = 'echo copied && read go && cat "$0"'
    words = ["unshare", "-m", "sh", "-c", script, mountpoint / "acme/small/config.json"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as container:
        assert container.stdout.readline() == b"copied\n"
        castool.run("umount", mountpoint)
        assert os.listdir(mountpoint) == []
        assert len(castool.processes()) == 1
        text, _ = container.communicate(b"go\n", timeout=60)
    assert text.decode() == pulled["config.json"]
    harness.wait_until(lambda: not castool.processes(), 60, "end of the daemon")


def test_what_is_mounted_is_not_mounted_again(pulled, castool, mountpoint):
    castool.run("mount", mountpoint)
    checks.assert_error(castool.run("mount", mountpoint, "--json", status=None), 75, "busy",
                        str(mountpoint))
    assert len(options_of(mountpoint)) == 1
    checks.assert_same_tree(mountpoint / "acme/small", pulled)


def test_a_mount_of_somebody_else_is_left_alone(castool, mountpoint):
    subprocess.run(["mount", "-t", "tmpfs", "none", mountpoint], check=True)
    try:
        checks.assert_error(castool.run("mount", mountpoint, status=None), 75, None, "tmpfs")
        checks.assert_error(castool.run("umount", mountpoint, status=None), 66, None)
        assert [fields[2] for fields in options_of(mountpoint)] == ["tmpfs"]
    finally:
        subprocess.run(["umount", mountpoint], check=True)


def test_a_busy_mount_stays_and_goes_lazily(pulled, castool, mountpoint):
    castool.run("mount", mountpoint)
    with open(mountpoint / "acme/small/model.safetensors", "rb") as file:
        checks.assert_error(castool.run("umount", "--json", mountpoint, status=None), 75, "busy",
                            "--lazy")
        checks.assert_same_tree(mountpoint / "acme/small", pulled)
        castool.run("umount", "--lazy", mountpoint)
        assert not harness.is_mounted(mountpoint)
        assert os.listdir(mountpoint) == []
        assert file.read() == pulled["model.safetensors"]
        assert castool.processes()
    harness.wait_until(lambda: not castool.processes(), 20, "end of the mount's process")


def test_umount_ends_the_process(pulled, castool, mountpoint):
    castool.run("mount", mountpoint)
    assert len(castool.processes()) == 1
    castool.run("umount", mountpoint)
    harness.wait_until(lambda: not castool.processes(), 10, "end of the mount's process")


def test_a_daemon_that_ends_late_leaves_the_next_mount_alone(pulled, castool, mountpoint):
    """The next mount mostly has the device number that the old one had."""
    castool.run("mount", mountpoint)
    [late] = castool.processes()
    os.kill(late, signal.SIGSTOP)
    try:
        castool.run("umount", mountpoint)
        castool.run("mount", mountpoint)
    finally:
        os.kill(late, signal.SIGCONT)
    harness.wait_until(lambda: late not in castool.processes(), 60, "end of the old process")
    checks.assert_same_tree(mountpoint / "acme/small", pulled)
    castool.run("mount", "--replace", mountpoint)  # by the new one's own socket
    checks.assert_same_tree(mountpoint / "acme/small", pulled)


def test_in_the_foreground_until_a_signal(pulled, castool, mountpoint):
    process = castool.start("mount", "-f", mountpoint, stderr=subprocess.PIPE)
    harness.wait_until(lambda: harness.is_mounted(mountpoint), 20, "mount")
    checks.assert_same_tree(mountpoint / "acme/small", pulled)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=20)
    assert (process.returncode, said) == (0, b"")
    assert not harness.is_mounted(mountpoint)


def test_after_the_daemon_died(pulled, castool, mountpoint):
    castool.run("mount", mountpoint)
    for pid in castool.processes():
        os.kill(pid, signal.SIGKILL)
    harness.wait_until(lambda: not castool.processes(), 10, "death of the mount's process")
    with pytest.raises(OSError):
        os.listdir(mountpoint)  # an error, not an empty directory
    castool.run("mount", mountpoint)  # replaces what is left
    assert len(options_of(mountpoint)) == 1
    checks.assert_same_tree(mountpoint / "acme/small", pulled)


@pytest.mark.parametrize("place,status", [("missing", 64), ("file", 64), ("store", 64),
                                          ("store/blobs", 64), (".", 64)])
def test_where_it_cannot_be_mounted(pulled, castool, place, status):
    (castool.folder / "file").write_text("")
    directory = castool.folder / place
    checks.assert_error(castool.run("mount", directory, status=None), status, None)
    assert not harness.is_mounted(directory)


def test_a_store_that_cannot_be_written_can_be_mounted(pulled, castool, mountpoint):
    subprocess.run(["mount", "--bind", castool.store, castool.store], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", castool.store], check=True)
        castool.run("mount", mountpoint)
        checks.assert_same_tree(mountpoint / "acme/small", pulled)
        castool.run("umount", mountpoint)
        harness.wait_until(lambda: not castool.processes(), 10, "end of the mount's process")
    finally:
        subprocess.run(["umount", castool.store], check=True)


def test_anybody_can_pull(hub, unprivileged):
    files = models.small_repository()
    hub.add_repository("acme/small", files)
    unprivileged.run("pull", "acme/small")
    assert unprivileged.store.stat().st_uid == NOBODY
    assert checks.assert_blobs_are_right(unprivileged.store) > len(files) - 1
    assert unprivileged.run("ls", "--json").json[0]["state"] == "complete"


def test_without_fusermount_the_message_says_what_to_install(hub, unprivileged):
    hub.add_repository("acme/small", models.small_repository())
    unprivileged.run("pull", "-q", "acme/small")
    outcome = unprivileged.run("mount", unprivileged.folder / "mnt",
                               env={"PATH": str(unprivileged.folder)}, status=None)
    checks.assert_error(outcome, 1, None, "fusermount3", "fuse3")
    assert not harness.is_mounted(unprivileged.folder / "mnt")


def test_anybody_can_mount_with_fusermount(hub, unprivileged):
    if shutil.which("fusermount3") is None:
        pytest.skip("no fusermount3")
    files = models.small_repository()
    hub.add_repository("acme/small", files)
    unprivileged.run("pull", "-q", "acme/small")
    mountpoint = unprivileged.folder / "mnt"
    unprivileged.run("mount", mountpoint)
    table = unprivileged.inside("cat", "/proc/self/mounts").stdout.decode().splitlines()
    fields = next(line.split() for line in table if line.split()[1] == str(mountpoint))
    assert fields[2] == "fuse.castool" and f"user_id={NOBODY}" in fields[3]
    assert {"nosuid", "nodev", "default_permissions"} <= set(fields[3].split(","))
    assert "allow_other" not in fields[3]
    for path in ("model.safetensors", "deep/er/and/deeper/notes.txt"):
        read = unprivileged.inside(*AS_NOBODY, "cat", mountpoint / "acme/small" / path)
        assert read.stdout == checks.content(files[path]), read.stderr
    # Nobody else sees it, not even root.
    assert b"Permission denied" in unprivileged.inside("ls", mountpoint).stderr
    unprivileged.run("umount", mountpoint)
    harness.wait_until(lambda: not unprivileged.processes(), 10, "end of the mount's process")


def test_an_unwritable_place_is_said(hub, unprivileged):
    hub.add_repository("acme/small", {"f": "x"})
    place = unprivileged.folder / "roots"
    place.mkdir(mode=0o755)
    checks.assert_error(unprivileged.run("pull", "--json", "--store", place / "store", "acme/small",
                                         status=None), 73, None, str(place), "--store")
    assert list(place.iterdir()) == []
