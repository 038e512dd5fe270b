"""Models that are not here and are looked for in a mount (mount --on-demand)."""

import concurrent.futures
import errno
import json
import os
import signal
import subprocess
import time

import pytest

import harness
import models
from hub import Synthetic

MIB = 1 << 20
BIG = Synthetic(8 * MIB + 99, 3)


@pytest.fixture
def origin(hub, castool):
    """Two repositories and a registry model, of which nothing is here."""
    castool.environment["CASTOOL_TIME_SCALE"] = "0.1"
    hub.add_repository("acme/m", {"config.json": "{}", "weights.bin": BIG})
    hub.add_repository("other/m", {"config.json": "{}"})
    manifest, blobs = models.registry_model(models.gguf("m"))
    hub.add_model("library/m:latest", manifest, blobs)
    hub.reset()
    return manifest


@pytest.fixture
def mount(castool, mountpoint):
    def mount_with(*words):
        castool.run("mount", *words, mountpoint)
        return mountpoint
    return mount_with


def errno_of(path):
    """What looking for it gives: 0 or the errno."""
    try:
        os.stat(path)
    except OSError as error:
        return error.errno
    return 0


def asked(hub):
    """Every request to the Hub or registry for what a model consists of."""
    return [entry["target"] for entry in hub.log()]


def test_a_repository_that_is_looked_for(origin, hub, castool, mount):
    mnt = mount("--on-demand", "acme/*")
    assert sorted(os.listdir(mnt)) == ["config.json"]
    assert errno_of(mnt / "acme") == 0
    assert os.listdir(mnt / "acme") == []
    assert asked(hub) == []  # listing asks for nothing
    with open(mnt / "acme/m/weights.bin", "rb", buffering=0) as file:
        assert os.pread(file.fileno(), 100, 5 * MIB) == BIG.read(5 * MIB, 100)
    assert (mnt / "acme/m/config.json").read_text() == "{}"
    assert sorted(os.listdir(mnt / "acme/m")) == ["config.json", "weights.bin"]
    assert os.listdir(mnt / "acme") == ["m"]
    [ref] = castool.run("ls", "--json").json
    assert ref["name"] == "acme/m"


def test_a_model_of_a_registry_in_both_layouts(origin, hub, castool, mount, tmp_path):
    mnt = mount("--on-demand", "library/*:*", "--layout", "ollama")
    path = mnt / "manifests/registry.ollama.ai/library/m/latest"
    assert path.read_bytes() == origin
    for layer in json.loads(origin)["layers"]:
        blob = mnt / "blobs" / layer["digest"].replace(":", "-")
        assert harness.sha256_of(blob) == layer["digest"]
    second = tmp_path / "second"
    second.mkdir()
    castool.run("rm", "m")
    castool.run("mount", "--on-demand", "library/*:*", second)
    try:
        assert harness.sha256_of(second / "library/m:latest/m-latest.gguf") in str(origin)
    finally:
        castool.run("umount", second)


def test_a_miss_is_remembered(origin, hub, mount):
    mnt = mount("--on-demand", "acme/*")
    assert errno_of(mnt / "acme/none") == errno.ENOENT
    first = len(asked(hub))
    assert first >= 1
    # The kernel remembers for a moment too.
    end = time.monotonic() + 0.5
    while time.monotonic() < end:
        assert errno_of(mnt / "acme/none") == errno.ENOENT
    assert len(asked(hub)) == first


def test_what_does_not_match_causes_no_traffic(origin, hub, mount):
    mnt = mount("--on-demand", "acme/*", "--on-demand", "library/*:*")
    for name in ("other", "other/m", "acme/.git", "acme/1", "acme/x.json", "acme/model.xml",
                 "library/m", "config.json/x", "acme/m.gguf"):
        assert errno_of(mnt / name) in (errno.ENOENT, errno.ENOTDIR), name
    list(os.walk(mnt))
    assert asked(hub) == []


def test_nothing_without_a_pattern(origin, hub, mount):
    mnt = mount()
    assert errno_of(mnt / "acme/m") == errno.ENOENT
    assert asked(hub) == []


def test_unreachable_is_not_absent(origin, hub, castool, mount):
    mnt = mount("--on-demand", "acme/*")
    ports = hub.ports()
    hub.stop()
    assert errno_of(mnt / "acme/m") == errno.EIO
    hub.start(*ports)
    assert errno_of(mnt / "acme/m") == 0  # and that was not remembered


def test_what_may_not_be_had(origin, hub, mount):
    hub.set_circumstances("acme/m", gated="auto", tokens=["somebody else's"])
    mnt = mount("--on-demand", "acme/*")
    assert errno_of(mnt / "acme/m") == errno.EACCES


def test_config_lists_what_was_asked_for_by_name(origin, castool, hub, mount, tmp_path):
    hub.add_repository("acme/ov", models.openvino_repository())
    mnt = mount("--on-demand", "acme/*")
    assert errno_of(mnt / "acme/ov") == 0
    assert "acme/ov" not in (mnt / "config.json").read_text()
    second = tmp_path / "second"
    second.mkdir()
    castool.run("mount", "--on-demand", "acme/*", "--list-on-demand", second)
    try:
        assert "acme/ov" in (second / "config.json").read_text()
    finally:
        castool.run("umount", second)
    castool.run("pull", "-q", "acme/ov")
    harness.wait_until(lambda: "acme/ov" in (mnt / "config.json").read_text(), 5)


def test_many_who_look_for_one_model(origin, hub, castool, mount):
    hub.settings(latency_ms=50)
    mnt = mount("--on-demand", "acme/*")
    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        found = list(pool.map(lambda _: errno_of(mnt / "acme/m"), range(64)))
    assert found == [0] * 64
    assert len([target for target in asked(hub) if "/revision/" in target]) == 1


def test_an_origin_that_never_answers(origin, hub, castool, mount):
    castool.run("pull", "-q", "other/m")
    castool.environment["CASTOOL_TIME_SCALE"] = "0.5"  # a look-up gets 5 s
    hub.fault({"stall_after": 0, "stall_ms": 20_000}, times=-1, target="/api/models/acme/")
    mnt = mount("--on-demand", "acme/*")
    began = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(errno_of, mnt / f"acme/m{chr(97 + i)}") for i in range(8)]
        harness.wait_until(lambda: len(asked(hub)) >= 1)
        # Nobody else waits for it.
        looked = time.monotonic()
        assert (mnt / "other/m/config.json").read_text() == "{}"
        assert time.monotonic() - looked < 3
        assert {answer.result(60) for answer in waiting} == {errno.EIO}
    assert time.monotonic() - began < 15  # and they wait beside each other
    # Who is killed meanwhile is gone at once.
    reader = subprocess.Popen(["/usr/bin/stat", mnt / "acme/another"], stderr=subprocess.DEVNULL)
    harness.wait_until(lambda: "acme/another" in str(asked(hub)) or reader.poll() is not None)
    killed = time.monotonic()
    reader.send_signal(signal.SIGKILL)
    reader.wait(10)
    assert time.monotonic() - killed < 3


def test_a_pattern_that_is_none(castool, mountpoint):
    outcome = castool.run("mount", "--on-demand", "a/b/c", mountpoint, status=64)
    assert "--on-demand 'a/b/c'" in outcome.err
