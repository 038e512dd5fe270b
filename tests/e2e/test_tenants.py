"""A hostile registry that lists what another tenant has, read through a mount."""

import hashlib
import os

import pytest

import harness
import models

MIB = 1 << 20
SECRET = models.gguf("secret", tensor_bytes=3 * MIB, seed=1)
DIGEST = "sha256:" + hashlib.sha256(SECRET).hexdigest()


@pytest.fixture
def hostile(hub, castool):
    """Lists the digest of a blob that it has not got."""
    castool.environment["CASTOOL_TIME_SCALE"] = "0.1"
    manifest, blobs = models.registry_model(SECRET)
    hub.add_model("victim/secret:latest", manifest, blobs)
    hub.add_model("evil/model:latest", manifest, [b for b in blobs if b is not SECRET])
    # Lists it under a type that nobody looks into, so that a lazy pull asks for nothing of it.
    listed = manifest.replace(b"vnd.ollama.image.model", b"vnd.ollama.image.system")
    hub.add_model("evil/silent:latest", listed, [b for b in blobs if b is not SECRET])
    hub.reset()
    return hub


def attacker(castool, *words, **more):
    return castool.run("--namespace", "attacker", *words, **more)


def look(castool, mountpoint):
    """All that the attacker can see of it."""
    [ref] = attacker(castool, "ls", "--json").json
    [shown] = attacker(castool, "show", "--json", ref["name"]).json
    [layer] = [file for file in shown["files"] if file["digest"] == DIGEST]
    path = mountpoint / "blobs" / DIGEST.replace(":", "-")
    with open(path, "rb", buffering=0) as file:
        try:
            read = os.pread(file.fileno(), 4096, 0)
        except OSError as error:
            read = error.errno
    exported = attacker(castool, "export", ref["name"], mountpoint.parent / "out", status=None)
    return {
        "ref": (ref["state"], ref["bytes_present"]),
        "file": layer["state"],
        "mount": (os.getxattr(path, "user.castool.state"),
                  os.getxattr(path, "user.castool.present")),
        "read": read,
        "export": (exported.status, exported.err),
        "quota": attacker(castool, "quota", "attacker").out,
    }


def test_a_digest_that_others_have_is_as_good_as_absent(hostile, castool, mountpoint):
    name = "evil/silent:latest"
    attacker(castool, "pull", "-q", "--insecure", "--lazy", name)
    attacker(castool, "mount", "--layout", "ollama", "--timeout", "5s", mountpoint)
    assert look(castool, mountpoint)["file"] == "absent"
    absent = look(castool, mountpoint)
    assert absent["ref"][0] == "partial" and absent["file"] == "partial"  # one read has begun it
    assert isinstance(absent["read"], int)

    # Named before the victim has it.
    castool.run("--namespace", "victim", "pull", "-q", "--insecure", "victim/secret:latest")
    assert look(castool, mountpoint) == absent

    # And after: what is pulled now, and a mount that is made now.
    attacker(castool, "rm", name)
    castool.run("umount", mountpoint)
    harness.wait_until(lambda: not castool.processes(), 60, "end of the mount's process")
    attacker(castool, "pull", "-q", "--insecure", "--lazy", name)
    attacker(castool, "mount", "--layout", "ollama", "--timeout", "5s", mountpoint)
    assert look(castool, mountpoint) == absent
    # What the victim has is whole.
    castool.run("fsck")
    attacker(castool, "pull", "--insecure", name, status=66)
