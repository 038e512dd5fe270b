"""castool mount -f as a service of systemd: Type=notify."""

import os
import pathlib
import signal
import socket
import subprocess

import pytest

import checks
import harness
import models


@pytest.fixture
def manager(tmp_path):
    """The socket that a service manager listens at."""
    if b"libsystemd" not in pathlib.Path(os.environ["CASTOOL"]).read_bytes():
        pytest.skip("built without libsystemd")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(20)
        yield listening


def test_ready_when_the_directory_is_and_stopping_before_it_goes(hub, castool, mountpoint,
                                                                 manager):
    files = models.small_repository()
    hub.add_repository("acme/small", files)
    castool.run("pull", "-q", "acme/small")
    process = castool.start("mount", "-f", mountpoint, stderr=subprocess.PIPE,
                            env={"NOTIFY_SOCKET": manager.getsockname()})
    said = manager.recv(4096).decode().splitlines()
    assert said[0] == "READY=1" and str(mountpoint) in said[1]
    assert harness.is_mounted(mountpoint), "at once, not soon"
    checks.assert_same_tree(mountpoint / "acme/small", files)
    process.send_signal(signal.SIGTERM)
    assert manager.recv(4096) == b"STOPPING=1"
    process.communicate(timeout=20)
    assert process.returncode == 0
    assert not harness.is_mounted(mountpoint)


def test_a_manager_that_is_away_is_no_obstacle(hub, castool, mountpoint, manager):
    hub.add_repository("acme/small", models.small_repository())
    castool.run("pull", "-q", "acme/small")
    process = castool.start("mount", "-f", mountpoint, stderr=subprocess.PIPE,
                            env={"NOTIFY_SOCKET": manager.getsockname() + ".gone"})
    harness.wait_until(lambda: harness.is_mounted(mountpoint), 20, "mount")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert process.returncode == 0
