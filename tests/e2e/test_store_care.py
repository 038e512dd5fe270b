"""gc, pin, cp, update and fsck: what goes, what stays, what is found and put right."""

import errno
import os
import random
import re
import signal

import pytest

import checks
import harness
import models
from hub import Synthetic
from running_pull import RunningPull

MIB = 1 << 20


def blobs(castool):
    return sorted(castool.store.glob("blobs/sha256/??/*"))


def names(castool):
    return [ref["name"] for ref in castool.run("ls", "--json").json]


def gc(castool, *words):
    return castool.run("gc", "--json", *words).json[-1]


@pytest.fixture
def two(hub, castool):
    """Two models that share a file."""
    shared = Synthetic(3 * MIB + 17, 1)
    hub.add_repository("acme/a", {"config.json": "{}", "shared.bin": shared})
    hub.add_repository("acme/b", {"own.bin": Synthetic(2 * MIB, 2), "shared.bin": shared})
    castool.run("pull", "-q", "acme/a", "acme/b")


def test_gc_deletes_what_no_model_needs(castool, hub, two):
    assert gc(castool) == {"removed_refs": 0, "removed_blobs": 0, "freed_bytes": 0}
    castool.run("rm", "acme/b")
    would = castool.run("gc", "--dry-run", "--json").json
    assert {entry["would_remove"] for entry in would[:-1]} == {"blob"}
    assert all(entry["why"] == "no model names it" for entry in would[:-1])
    before = len(blobs(castool))
    report = gc(castool)
    assert report == would[-1] and report["removed_blobs"] == 2
    assert len(blobs(castool)) == before - 2
    checks.assert_blobs_are_right(castool.store)
    hub.clear_log()
    castool.run("fsck")
    castool.run("pull", "-q", "acme/a")
    assert not hub.log(origin="cdn")


def test_gc_max_size_spares_what_is_pinned(castool, two):
    castool.run("pin", "acme/a")
    assert [ref["pinned"] for ref in castool.run("ls", "--json").json] == [True, False]
    assert gc(castool, "--max-size", "4M")["removed_refs"] == 1
    assert names(castool) == ["acme/a"]
    assert gc(castool, "--max-size", "0")["removed_refs"] == 0
    castool.run("unpin", "acme/a")
    assert gc(castool, "--max-size", "0")["removed_refs"] == 1
    assert not blobs(castool)


def test_a_second_name_keeps_the_files(castool, two):
    castool.run("cp", "acme/a", "mine:1")
    castool.run("rm", "acme/a", "acme/b")
    gc(castool)
    shown = castool.run("show", "--json", "mine:1").json[0]
    assert shown["state"] == "complete" and shown["source"] == "hf://acme/a@main"
    castool.run("fsck", "mine:1")
    checks.assert_error(castool.run("cp", "acme/none", "x", "--json", status=66), 66, "not_found")
    checks.assert_error(castool.run("cp", "mine:1", "../x", "--json", status=64), 64, "usage")


def test_update_tells_what_changed(castool, hub, two):
    old = castool.run("show", "--json", "acme/a").json[0]["revision"]
    new = hub.add_repository("acme/a", {"config.json": '{"a":1}', "shared.bin": Synthetic(3 * MIB + 17, 1)})
    lines = castool.run("update").out.splitlines()
    assert lines == [f"acme/a: {old[:8]} -> {new[:8]}", "acme/b: up to date"]
    assert castool.run("show", "--json", "acme/a").json[0]["source"] == "hf://acme/a@main"
    checks.assert_error(castool.run("update", "acme/none", "--json", status=66), 66, "not_found")


def test_update_keeps_the_patterns_and_a_dry_run_says_what_would_change(castool, hub):
    files = {"config.json": "{}", "a.bin": Synthetic(2 * MIB, 1), "b.bin": Synthetic(2 * MIB, 2)}
    hub.add_repository("acme/m", files)
    castool.run("pull", "-q", "--include", "*.json", "--include", "a*", "--exclude", "*.txt", "acme/m")
    assert castool.run("update", "--dry-run").out.splitlines() == ["acme/m: up to date"]
    hub.add_repository("acme/m", {"config.json": '{"a":1}', "a2.bin": Synthetic(3 * MIB, 3), "a.txt": "no",
                                  "b.bin": files["b.bin"]})
    hub.reset()
    assert castool.run("update", "--dry-run").out.splitlines() == [
        "+ a2.bin", "~ config.json", "- a.bin", "acme/m: 1 new, 1 changed, 1 gone, 3.0 MiB to fetch"]
    [told] = castool.run("update", "--dry-run", "--json").json
    assert (told["added"], told["changed"], told["removed"]) == (["a2.bin"], ["config.json"], ["a.bin"])
    assert hub.bytes_sent(origin="cdn") == 0
    castool.run("update", "-q")
    assert {file["path"] for file in castool.run("show", "--json", "acme/m").json[0]["files"]} == {
        "a2.bin", "config.json"}


def test_gc_beside_a_running_pull(castool, hub):
    """What a pull has brought, and what it found here, stays until its name is there."""
    files = {"first.bin": Synthetic(2 * MIB, 5), "config.json": "{}", "last.bin": Synthetic(8 * MIB, 6)}
    hub.add_repository("acme/m", files)
    hub.add_repository("acme/old", {"first.bin": files["first.bin"]})
    castool.run("pull", "-q", "acme/old")
    digest = checks.digest_of(files["last.bin"], hub)
    # Held back until gc has been here.
    hub.fault({"stall_after": 0, "stall_ms": 600_000}, times=-1, origin="cdn", covers=7 * MIB)
    pull = RunningPull(castool, "acme/m", "--connections", "2")
    pull.read_until(digest, 1 * MIB)
    castool.run("rm", "acme/old")
    for _ in range(3):
        gc(castool, "--partials", "--max-size", "0")
    # Found here, fetched already, and still arriving.
    assert checks.blob_path(castool.store, checks.digest_of(files["first.bin"], hub)).exists()
    assert checks.blob_path(castool.store, checks.digest_of(files["config.json"])).exists()
    assert list((castool.store / "partials").iterdir())
    hub.clear_faults()
    os.kill(pull.pid, signal.SIGKILL)
    pull.process.communicate(timeout=60)
    # Nobody needs it any more, and everything that it had goes.
    gc(castool, "--partials")
    assert not blobs(castool) and not list((castool.store / "partials").iterdir())
    castool.run("pull", "-q", "acme/m")
    castool.run("fsck")


def test_gc_while_a_mount_reads(castool, two, mountpoint):
    castool.run("mount", mountpoint)
    with open(mountpoint / "acme/b/own.bin", "rb") as file:
        castool.run("rm", "acme/b")
        gc(castool, "--max-size", "0")
        content = Synthetic(2 * MIB, 2)
        assert file.read() == content.read(0, content.size)
    harness.wait_until(lambda: not (mountpoint / "acme/b").exists(), 60)


def plant(castool, chance, path):
    """One bit of one byte; the file is otherwise as it was."""
    os.chmod(path, 0o644)
    with open(path, "r+b") as file:
        size = os.fstat(file.fileno()).st_size
        at = chance.randrange(size)
        file.seek(at)
        old = file.read(1)[0]
        file.seek(at)
        file.write(bytes([old ^ 1 << chance.randrange(8)]))
    os.chmod(path, 0o444)
    return at


def test_fsck_finds_and_repairs_every_flip(castool, hub):
    """A sample; CASTOOL_FLIPS=1000 plants a thousand."""
    source = Synthetic(5 * MIB + 1234, 9)
    gguf = models.gguf(tensor_bytes=MIB // 2)
    hub.add_repository("acme/m", {"model.bin": source, "config.json": "{}", "s.gguf": gguf})
    manifest, layers = models.registry_model(models.gguf(tensor_bytes=3 * MIB, seed=4))
    hub.add_model("library/tiny:latest", manifest, layers)
    castool.run("pull", "-q", "acme/m", "tiny")
    whole = {path: path.read_bytes() for path in blobs(castool) if path.stat().st_size}
    chance = random.Random(1)
    for _ in range(int(os.environ.get("CASTOOL_FLIPS", "6"))):
        path = chance.choice(sorted(whole))
        at = plant(castool, chance, path)
        hub.clear_log()
        found = castool.run("fsck", "--dry-run", "--json", status=65).json[0]
        [damage] = found["damaged"]
        assert damage["digest"] == "sha256:" + path.name and not damage["repaired"]
        [[offset, length]] = damage["chunks"]
        assert offset <= at < offset + max(length, 1) or length == 0
        mended = castool.run("fsck", "--repair", "--json").json[0]
        assert [entry["repaired"] for entry in mended["damaged"]] == [True]
        assert path.read_bytes() == whole[path]
        assert hub.bytes_sent(origin="cdn") <= MIB, hub.log()
        assert castool.run("fsck", "--json").json[0]["damaged"] == []
    assert not list((castool.store / "quarantine").iterdir())
    assert not list((castool.store / "partials").iterdir())


def test_fsck_finds_bytes_missing_and_added_modes_and_strays(castool, hub, two):
    large = checks.blob_path(castool.store, checks.digest_of(Synthetic(3 * MIB + 17, 1), hub))
    whole = large.read_bytes()
    for damage in (whole[:-1], whole + b"x", whole[:MIB], b""):
        os.chmod(large, 0o644)
        large.write_bytes(damage)
        os.chmod(large, 0o444)
        castool.run("fsck", "--dry-run", status=65)
        castool.run("fsck", "--repair")
        assert large.read_bytes() == whole
    os.chmod(large, 0o644)
    castool.run("fsck", status=65)
    castool.run("fsck", "--repair")
    checks.assert_blobs_are_right(castool.store)
    (large.parent / "stray").write_text("x")
    castool.run("fsck")
    assert not (large.parent / "stray").exists()
    # Without --repair it is only taken out of the way, and a name that lacks it is told.
    os.chmod(large, 0o644)
    large.write_bytes(whole[:5])
    castool.run("fsck", status=65)
    assert not large.exists()
    report = castool.run("fsck", "--json", status=65).json[0]
    assert [entry["problem"] for entry in report["damaged"]] == ["missing"]
    castool.run("fsck", "--repair")
    assert large.read_bytes() == whole
    # A manifest, too.
    manifest = castool.run("show", "--json", "acme/a").json[0]["manifest"]
    checks.blob_path(castool.store, manifest).unlink()
    checks.assert_error(castool.run("gc", "--json", status=65), 65, "bad_manifest", "acme/a")
    castool.run("fsck", status=65)
    castool.run("fsck", "--repair")
    assert castool.run("show", "--json", "acme/a").json[0]["manifest"] == manifest
    gc(castool)


def test_fsck_subsets_cover_everything_once(castool, two):
    total = castool.run("fsck", "--json").json[0]["checked"]
    parts = [castool.run("fsck", "--json", "--subset", f"{n}/3").json[0]["checked"] for n in (1, 2, 3)]
    assert sum(parts) == total == len(blobs(castool))
    for bad in ("0/3", "4/3", "x", "1", "1/0"):
        checks.assert_error(castool.run("fsck", "--subset", bad, "--json", status=64), 64, "usage")


def test_import_needs_no_network(castool, tmp_path, mountpoint):
    """A tree of Ollama and a directory, read back through a mount."""
    castool.environment.update(HF_ENDPOINT="http://127.0.0.1:9", HF_HUB_OFFLINE="1")
    manifest, layers = models.registry_model(models.gguf(tensor_bytes=MIB))
    ollama = tmp_path / "ollama"
    (ollama / "manifests/registry.ollama.ai/library/tiny").mkdir(parents=True)
    (ollama / "manifests/registry.ollama.ai/library/tiny/latest").write_bytes(manifest)
    (ollama / "blobs").mkdir()
    for layer in layers:
        (ollama / "blobs" / checks.digest_of(layer).replace(":", "-")).write_bytes(layer)
    files = {"config.json": b"{}", "deep/w.bin": models.noise(2 * MIB)}
    for path, content in files.items():
        (tmp_path / "plain" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "plain" / path).write_bytes(content)
    before = checks.snapshot(ollama), checks.snapshot(tmp_path / "plain")
    castool.run("import", ollama)
    result = castool.run("import", tmp_path / "plain", "acme/plain", "--json").json[0]
    assert result["status"] == "success" and result["files"] == 2
    assert (checks.snapshot(ollama), checks.snapshot(tmp_path / "plain")) == before
    assert names(castool) == ["acme/plain", "tiny:latest"]
    castool.run("gc")
    castool.run("fsck")
    castool.run("mount", mountpoint)
    for path, content in files.items():
        assert (mountpoint / "acme/plain" / path).read_bytes() == content


def test_quota_refuses_a_pull(castool, hub, two):
    castool.run("quota", "team", "4M")
    both = {line["namespace"]: line for line in castool.run("quota", "--json").json}
    assert both["team"] == {"namespace": "team", "used_bytes": 0, "quota_bytes": 4 * MIB}
    assert both["default"]["used_bytes"] > 5 * MIB and both["default"]["quota_bytes"] is None
    castool.run("--namespace", "team", "pull", "-q", "acme/a")
    # What is shared counts for both.
    used = castool.run("quota", "team", "--json").json[0]["used_bytes"]
    assert used > 3 * MIB
    refused = castool.run("--namespace", "team", "pull", "acme/b", "--json", status=73)
    assert [entry["error"]["code"] for entry in refused.json if "error" in entry] == ["quota"]
    assert [ref["name"] for ref in castool.run("--namespace", "team", "ls", "--json").json] == ["acme/a"]
    castool.run("quota", "team", "none")
    castool.run("--namespace", "team", "pull", "-q", "acme/b")


def test_quota_refuses_a_read(castool, hub, mountpoint):
    castool.environment["CASTOOL_TIME_SCALE"] = "0.1"
    big = Synthetic(8 * MIB, 5)
    hub.add_repository("acme/lazy", {"config.json": "{}", "weights.bin": big})
    castool.run("pull", "-q", "--lazy", "acme/lazy")
    castool.run("quota", "default", "3M")
    castool.run("mount", "--fill", "none", mountpoint)
    with open(mountpoint / "acme/lazy/weights.bin", "rb", buffering=0) as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
        with pytest.raises(OSError) as refused:
            for chunk in range(8):
                assert os.pread(file.fileno(), 100, chunk * MIB) == big.read(chunk * MIB, 100)
        assert refused.value.errno == errno.EDQUOT and 0 < chunk <= 3
        [ref] = castool.run("ls", "--json").json
        assert ref["bytes_present"] <= 3 * MIB
        castool.run("quota", "default", "none")
        assert os.pread(file.fileno(), 100, 7 * MIB) == big.read(7 * MIB, 100)


def test_fsck_forgets_what_rotted_in_an_unfinished_pull(castool, hub, mountpoint):
    castool.environment["CASTOOL_TIME_SCALE"] = "0.1"
    big = Synthetic(8 * MIB, 6)
    hub.add_repository("acme/lazy", {"config.json": "{}", "weights.bin": big})
    castool.run("pull", "-q", "--lazy", "acme/lazy")
    castool.run("mount", "--fill", "none", mountpoint)
    with open(mountpoint / "acme/lazy/weights.bin", "rb", buffering=0) as file:
        assert os.pread(file.fileno(), 100, 5 * MIB) == big.read(5 * MIB, 100)
    castool.run("umount", mountpoint)
    harness.wait_until(lambda: not castool.processes(), 60, "end of the mount's process")
    [data] = (castool.store / "partials").glob("*/data")
    with open(data, "r+b") as file:
        file.seek(5 * MIB + 99)
        byte = file.read(1)
        file.seek(5 * MIB + 99)
        file.write(bytes([byte[0] ^ 1]))
    digest = checks.digest_of(big, hub)
    wrong = {"digest": digest, "chunks": [[5 * MIB, MIB]], "repaired": False, "name": "",
             "problem": "wrong bytes of an unfinished blob"}
    assert castool.run("fsck", "--dry-run", "--json", status=65).json[0]["damaged"] == [wrong]
    assert castool.run("fsck", "--json").json[0]["damaged"] == [wrong | {"repaired": True}]
    assert castool.run("fsck", "--json").json[0]["damaged"] == []
    castool.run("mount", mountpoint)
    checks.assert_same_file(mountpoint / "acme/lazy/weights.bin", big, hub)


def test_gc_beside_an_export(castool, hub, tmp_path):
    """What is being exported stays until it has been, whatever becomes of its name."""
    files = {f"{number:03}.bin": Synthetic(64 << 10, number) for number in range(200)}
    hub.add_repository("acme/m", files)
    castool.run("pull", "-q", "acme/m")
    out = tmp_path / "place" / "out"
    out.parent.mkdir()
    export = castool.start("export", "acme/m", out)
    harness.wait_until(lambda: any(out.parent.rglob("*.bin")), 60, "the first copy")
    os.kill(export.pid, signal.SIGSTOP)
    castool.run("rm", "acme/m")
    gc(castool)
    os.kill(export.pid, signal.SIGCONT)
    assert export.wait(60) == 0
    checks.assert_same_tree(out, files, hub)
    assert gc(castool)["removed_blobs"] > 0 and not blobs(castool)


def test_a_mount_keeps_the_store_small(castool, hub, two, mountpoint):
    """--max-size by itself; what is being read stays, and reading is noted."""
    castool.environment["CASTOOL_TIME_SCALE"] = "0.002"
    with open(checks.blob_path(castool.store, checks.digest_of(Synthetic(2 * MIB, 2), hub)), "rb"):
        castool.run("mount", "--max-size", "1M", mountpoint)
        harness.wait_until(lambda: names(castool) == ["acme/b"], 60)
    harness.wait_until(lambda: names(castool) == [], 60)


def test_reading_is_noted(castool, hub, two, mountpoint):
    record = castool.store / "refs/default/acme%2Fa"
    text = record.read_text()
    used = castool.run("show", "--json", "acme/a").json[0]["last_used_at"]
    assert used
    record.write_text(re.sub(r'"last_used_at":\d+', '"last_used_at":1000', text))
    castool.run("mount", mountpoint)
    (mountpoint / "acme/a/config.json").read_bytes()
    harness.wait_until(
        lambda: castool.run("show", "--json", "acme/a").json[0]["last_used_at"] >= used, 60)
