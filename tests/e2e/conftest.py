"""Fixtures: castool with a store of its own, the servers, and a mount point that never stays."""

import os
import pathlib
import shutil
import tempfile

import pytest

import api_client
import harness
from hub import Hub
from unprivileged import Unprivileged


@pytest.fixture
def castool(tmp_path):
    """castool with its own store; afterwards no process of that store may be left."""
    runner = harness.Castool(tmp_path / "castool")
    yield runner
    left = runner.processes()
    runner.end_all()
    assert not left, f"castool processes were left running: {left}"


@pytest.fixture
def mountpoint(tmp_path, castool):
    """An empty directory to mount at; detached afterwards, before castool's processes are counted."""
    if not os.path.exists("/dev/fuse"):
        pytest.skip("no /dev/fuse")
    directory = tmp_path / "mnt"
    directory.mkdir()
    yield directory
    if harness.is_mounted(directory):
        castool.run("umount", directory, status=None)
    harness.force_unmount(directory)
    try:
        harness.wait_until(lambda: not castool.processes(), 10, "end of the mount's process")
    except AssertionError:
        pass  # the castool fixture says it


@pytest.fixture
def hub(castool):
    """The test hub (tests/support/hub.py); castool runs with it as Hub and default registry."""
    with Hub() as running:
        castool.environment.update(HF_ENDPOINT=running.url, CASTOOL_OLLAMA_REGISTRY=running.url)
        yield running


@pytest.fixture
def nginx(tmp_path):
    """nginx(root, server="", http="") starts one that serves `root`."""
    running = []

    def start(root, server="", http=""):
        running.append(harness.Nginx(tmp_path / f"nginx{len(running)}", root, server, http))
        return running[-1]

    yield start
    for server in running:
        server.stop()


@pytest.fixture
def docker_registry(tmp_path):
    registry = harness.DockerRegistry(tmp_path / "registry")
    yield registry
    registry.stop()


@pytest.fixture
def serve(castool):
    """serve(*words) starts `castool serve`; each has to end well."""
    running = []

    def start(*words, **options):
        running.append(api_client.Serve(castool, *words, **options))
        return running[-1]

    yield start
    ends = [server.stop() for server in running]
    assert all(status == 0 for status, _ in ends), ends


@pytest.fixture
def unprivileged(hub):
    """See Unprivileged; its own folder, since nobody cannot look into root's."""
    if os.geteuid() != 0 or not os.path.exists("/dev/fuse"):
        pytest.skip("takes root and /dev/fuse")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="castool-nobody-", dir="/tmp"))
    folder.chmod(0o755)
    runner = Unprivileged(folder)
    runner.environment.update(HF_ENDPOINT=hub.url, CASTOOL_OLLAMA_REGISTRY=hub.url)
    yield runner
    runner.inside("umount", "-l", folder / "mnt")
    runner.end_all()
    runner.namespace.communicate()
    shutil.rmtree(folder)
