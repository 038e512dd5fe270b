"""Pulls from a Hub: every byte arrives, the token stays home, nothing is fetched twice."""

import collections
import os
import subprocess
import time

import pytest

import checks
import harness
import models
from hub import Synthetic

MIB = 1 << 20
SECRET = "hf_canaryThatMustNotLeak0123456789"


def pull(castool, *words, **options):
    """The last object of `pull --json`."""
    return castool.run("pull", "--json", *words, **options).json[-1]


def content_requests(hub):
    """Requests that a pull makes for bytes of files, not for names and sizes."""
    return hub.log(origin="cdn") + [
        entry for entry in hub.log(method="GET")
        if "/resolve/" in entry["target"] or "/resolve-cache/" in entry["target"]]


def test_every_byte_arrives_and_none_twice(hub, castool, mountpoint):
    files = models.big_repository(checks.scaled(1 << 30))
    assert len(files) == 300 and b"" in files.values()
    hub.settings(page_size=37)
    commit = hub.add_repository("acme/big", files)

    first = pull(castool, "acme/big")
    size = checks.total_size(files)
    assert (first["name"], first["revision"], first["files"]) == ("acme/big", commit, 300)
    assert (first["bytes"], first["bytes_fetched"], first["bytes_reused"]) == (size, size, 0)
    assert len(hub.log(target="/tree/")) >= 300 // 37  # really in pages
    assert hub.bytes_sent(origin="cdn") <= 1.01 * size

    castool.run("mount", mountpoint)
    checks.assert_same_tree(mountpoint / "acme/big", files, hub)

    hub.clear_log()
    second = pull(castool, "acme/big")
    assert (second["bytes_fetched"], second["bytes_reused"]) == (0, size)
    assert second["manifest"] == first["manifest"]
    assert hub.log() and content_requests(hub) == []


def test_odd_names_keep_their_spelling(hub, castool, mountpoint):
    names = [f"deep dir/{name}" for name in models.ODD_NAMES]
    names += ["a+b&c;d.txt", "it's \"quoted\".txt", "%20.txt", "#.txt", "~tilde", "né.txt",
              "ne\u0301.txt", "名前/模型.txt", "$HOME.txt", "*.txt", "[a-b].txt", "x" * 255]
    files = {name: f"content of {name}" for name in names}
    hub.add_repository("acme/odd", files)
    castool.run("pull", "acme/odd")
    castool.run("mount", mountpoint)
    checks.assert_same_tree(mountpoint / "acme/odd", files)


@pytest.mark.parametrize("way", ["variable", "option", "path", "home"])
def test_the_token_goes_to_the_endpoint_alone(hub, castool, tmp_path, way):
    files = models.small_repository() | {"weights.bin": Synthetic(24 * MIB, 3)}
    hub.settings(tokens=[SECRET])
    hub.add_repository("acme/private", files, private=True, tokens=[SECRET])
    token_file = tmp_path / "secret" / "token"
    token_file.parent.mkdir()
    token_file.write_text(SECRET + "\n")
    token_file.chmod(0o600)
    words, environment = {
        "variable": ([], {"HF_TOKEN": SECRET}),
        "option": (["--token-file", token_file], {}),
        "path": ([], {"HF_TOKEN_PATH": str(token_file)}),
        "home": ([], {"HF_HOME": str(token_file.parent)}),
    }[way]

    process = castool.start("pull", "-vv", "--limit-rate", "16M", "acme/private", *words,
                            env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    hub.wait_for_request(origin="cdn", count=2)
    looked_at = ["cmdline", "comm", "maps"] + ([] if way == "variable" else ["environ"])
    seen = [open(f"/proc/{process.pid}/{name}", "rb").read() for name in looked_at]
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert len(seen) == len(looked_at) and seen[0]

    checks.assert_nowhere(SECRET, out, err, *seen, folders=[castool.store])
    assert hub.log(origin="cdn") and hub.log(origin="cdn", authorization=True) == []
    assert {entry["origin"] for entry in hub.saw(SECRET)} == {"hub"}
    assert not [entry for entry in hub.saw(SECRET) if SECRET in entry["target"]]


def test_a_token_does_not_follow_a_redirect_to_another_host(hub, castool):
    hub.settings(tokens=[SECRET])
    hub.add_repository("acme/tiny", {"config.json": b"{}"})
    hub.fault({"location": hub.cdn_url + "/elsewhere"}, origin="hub", target="/resolve/", times=-1)
    outcome = castool.run("pull", "--json", "acme/tiny", env={"HF_TOKEN": SECRET}, status=None)
    assert outcome.status in (66, 77), outcome.err
    assert hub.log(origin="cdn", target="/elsewhere")
    assert hub.log(origin="cdn", authorization=True) == []


@pytest.mark.parametrize("source,words,revision", [
    ("acme/m@dev", [], "dev"),
    ("acme/m@refs/pr/1", [], "refs/pr/1"),
    ("acme/m", ["--revision", "refs/pr/1"], "refs/pr/1"),
    ("hf://acme/m@dev", [], "dev"),
    ("hf:acme/m", [], "main"),
    ("https://huggingface.co/acme/m", [], "main"),
    ("acme/m", ["--from", "hf"], "main"),
])
def test_a_revision_is_resolved_to_its_commit(hub, castool, source, words, revision):
    commits = {name: hub.add_repository("acme/m", {"which.txt": name}, revision=name)
               for name in ("main", "dev", "refs/pr/1")}
    assert len(set(commits.values())) == 3
    outcome = pull(castool, source, *words)
    assert (outcome["name"], outcome["revision"]) == ("acme/m", commits[revision])
    shown = castool.run("show", "--json", "acme/m").json[0]
    assert [file["digest"] for file in shown["files"]] == [checks.digest_of(revision)]
    # By commit, so that a branch that moves in between changes nothing.
    assert all(commits[revision] in entry["target"] for entry in hub.log(target="/resolve/"))


def test_a_commit_can_be_named(hub, castool):
    old = hub.add_repository("acme/m", {"f": "old"})
    new = hub.add_repository("acme/m", {"f": "new"})
    assert pull(castool, "acme/m")["revision"] == new
    assert pull(castool, f"acme/m@{old}")["revision"] == old
    shown = castool.run("show", "--json", "acme/m").json[0]
    assert shown["revision"] == old
    assert shown["files"][0]["digest"] == checks.digest_of("old")


def test_a_moved_branch_costs_what_changed(hub, castool, mountpoint):
    files = models.many_files(20) | {"weights.bin": Synthetic(8 * MIB, 1)}
    hub.add_repository("acme/m", files)
    pull(castool, "acme/m")
    files = files | {"weights-2.bin": Synthetic(2 * MIB, 2), "part0/layer0/file00000.json": "new"}
    del files["part1/layer1/file00001.json"]
    commit = hub.add_repository("acme/m", files)
    hub.clear_log()

    outcome = pull(castool, "acme/m")
    assert (outcome["revision"], outcome["files"]) == (commit, 21)
    assert outcome["bytes_fetched"] == 2 * MIB + 3
    assert hub.bytes_sent(origin="cdn") == 2 * MIB
    castool.run("mount", mountpoint)
    checks.assert_same_tree(mountpoint / "acme/m", files, hub)


def test_a_renamed_repository_is_found(hub, castool):
    files = models.small_repository()
    hub.add_repository("acme/new-name", files)
    hub.rename_repository("acme/old-name", "acme/new-name")
    assert pull(castool, "acme/old-name")["name"] == "acme/old-name"
    hub.clear_log()
    again = pull(castool, "acme/new-name")
    assert (again["name"], again["bytes_fetched"]) == ("acme/new-name", 0)
    assert hub.log(origin="cdn") == []


def test_expired_signatures_are_asked_for_again(hub, castool):
    source = Synthetic(48 * MIB, 5)
    hub.add_repository("acme/m", {"weights.bin": source})
    process = castool.start("pull", "--limit-rate", "24M", "-q", "acme/m")
    hub.wait_for_request(origin="cdn", status=206)
    hub.expire_signatures()
    assert process.wait(60) == 0
    assert hub.log(origin="cdn", status=403)
    assert len(hub.log(method="HEAD", target="/resolve/")) >= 2
    path = checks.blob_path(castool.store, checks.digest_of(source, hub))
    checks.assert_same_file(path, source, hub)


def test_short_lived_signatures_do_not_stop_a_pull(hub, castool):
    source = Synthetic(32 * MIB, 6)
    hub.settings(signature_seconds=1)
    hub.add_repository("acme/m", {"weights.bin": source})
    castool.run("pull", "--limit-rate", "12M", "acme/m")
    assert len(hub.log(method="HEAD", target="/resolve/")) >= 2
    checks.assert_same_file(checks.blob_path(castool.store, checks.digest_of(source, hub)),
                            source, hub)


@pytest.mark.parametrize("words,expected", [
    (["--include", "*.json"], {"config.json", "sub/other.json"}),
    (["--include", "*.json", "--include", "sub/"], {"config.json", "sub/other.json", "sub/w.bin"}),
    (["--exclude", "*.bin"], {"config.json", "sub/other.json", "README.md"}),
    (["--include", "sub/*", "--exclude", "*.bin"], {"sub/other.json"}),
    (["--exclude", "SUB/*"], {"config.json", "sub/other.json", "sub/w.bin", "w.bin", "README.md"}),
])
def test_patterns_choose_the_files(hub, castool, words, expected):
    files = {"README.md": "r", "config.json": "c", "sub/other.json": "o", "sub/w.bin": b"1",
             "w.bin": b"2"}
    hub.add_repository("acme/m", files)
    outcome = pull(castool, *words, "acme/m")
    shown = castool.run("show", "--json", "acme/m").json[0]
    assert {file["path"] for file in shown["files"]} == expected
    assert outcome["files"] == len(expected)
    asked = {entry["target"].split("/resolve/")[1].split("/", 1)[1]
             for entry in hub.log(target="/resolve/")}
    assert asked == expected


def test_a_dry_run_fetches_and_writes_nothing(hub, castool):
    files = models.small_repository() | {"weights.bin": Synthetic(4 * MIB, 1)}
    hub.add_repository("acme/m", files)
    hub.add_repository("acme/other", {"README.md": files["README.md"]})
    castool.run("pull", "acme/other")
    before = checks.snapshot(castool.folder)
    hub.clear_log()

    planned = castool.run("pull", "--dry-run", "--json", "acme/m").json
    assert checks.snapshot(castool.folder) == before
    assert content_requests(hub) == []
    listed = {entry["path"]: entry for entry in planned if "path" in entry}
    assert set(listed) == set(files)
    assert all(set(entry) == {"path", "bytes", "digest", "present"} for entry in listed.values())
    assert listed["weights.bin"]["digest"] == checks.digest_of(files["weights.bin"], hub)
    assert not listed["weights.bin"]["present"]
    total = checks.total_size(files)
    assert planned[-1] == {"status": "dry-run", "files": len(files), "bytes": total,
                           "bytes_to_fetch": planned[-1]["bytes_to_fetch"]}
    assert planned[-1]["bytes_to_fetch"] == sum(
        entry["bytes"] for entry in listed.values() if not entry["present"])

    castool.run("pull", "acme/m")
    planned = castool.run("pull", "--dry-run", "--json", "acme/m").json
    assert planned[-1]["bytes_to_fetch"] == 0
    assert all(entry["present"] for entry in planned if "path" in entry)


def test_a_dry_run_names_no_model(hub, castool):
    hub.add_repository("acme/m", models.small_repository())
    castool.run("pull", "--dry-run", "acme/m")
    assert castool.run("ls", "--json").out == ""
    assert not castool.store.exists()


def test_a_name_of_ones_own(hub, castool, mountpoint):
    files = models.small_repository()
    hub.add_repository("acme/m", files)
    assert pull(castool, "--name", "my/own/name:v1", "acme/m")["name"] == "my/own/name:v1"
    assert [ref["name"] for ref in castool.run("ls", "--json").json] == ["my/own/name:v1"]
    pull(castool, "--name", "short", "acme/m")
    assert castool.run("show", "--json", "short").json[0]["name"] == "short"
    castool.run("rm", "short")
    castool.run("show", "short", status=66)
    castool.run("mount", mountpoint)
    checks.assert_same_tree(mountpoint / "my/own/name:v1", files)


def test_the_rate_is_limited(hub, castool):
    hub.add_repository("acme/m", {"weights.bin": Synthetic(32 * MIB, 1)})
    began = time.monotonic()
    outcome = pull(castool, "--limit-rate", "8M", "acme/m")
    seconds = time.monotonic() - began
    # 4 s at that rate; a burst at the start is allowed, and a busy machine.
    assert 3 <= seconds <= 12, seconds
    assert 2.5 <= outcome["seconds"] <= seconds


def test_few_connections_when_told_so(hub, castool):
    hub.add_repository("acme/m", {"weights.bin": Synthetic(24 * MIB, 1)} | models.many_files(20))
    castool.run("pull", "--connections", "2", "acme/m")
    assert hub.stats()["cdn"]["peak"] <= 2


def test_events_come_in_order(hub, castool):
    files = models.small_repository() | {"weights.bin": Synthetic(24 * MIB, 1)}
    hub.add_repository("acme/m", files)
    objects = castool.run("pull", "--json", "--limit-rate", "24M", "acme/m").json
    assert objects[0] == {"status": "pulling manifest"}
    assert [entry["status"] for entry in objects[-3:]] == [
        "verifying sha256 digest", "writing manifest", "success"]
    assert set(objects[-1]) == {"status", "name", "manifest", "revision", "files", "bytes",
                                "bytes_fetched", "bytes_reused", "seconds"}
    completed = collections.defaultdict(list)
    for entry in objects[1:-3]:
        assert entry["status"].startswith("pulling ")
        assert set(entry) <= {"status", "digest", "total", "completed"}
        assert entry.get("completed", 0) <= entry.get("total", 0)
        completed[entry["status"]].append(entry.get("completed", 0))
    assert len(completed) == len(files)
    assert all(values == sorted(values) for values in completed.values())
    weights = checks.digest_of(files["weights.bin"], hub)
    assert len(completed[f"pulling {weights[7:19]}"]) >= 3
    assert completed[f"pulling {weights[7:19]}"][-1] == 24 * MIB


def test_offline_asks_nobody(hub, castool):
    hub.add_repository("acme/m", models.small_repository())
    online = pull(castool, "acme/m")
    hub.clear_log()
    offline = {"HF_HUB_OFFLINE": "1"}
    outcome = pull(castool, "acme/m", env=offline)
    assert outcome["manifest"] == online["manifest"]
    assert outcome["bytes_fetched"] == 0
    checks.assert_error(castool.run("pull", "--json", "acme/unknown", env=offline, status=None),
                        69, "unavailable", "offline")
    assert hub.log() == []


def test_force_finds_damage_and_overwrites_nothing(hub, castool):
    source = Synthetic(3 * MIB, 1)
    hub.add_repository("acme/m", {"weights.bin": source})
    castool.run("pull", "acme/m")
    castool.run("pull", "--force", "acme/m")
    digest = checks.digest_of(source, hub)
    path = checks.blob_path(castool.store, digest)
    with open(path, "r+b") as file:
        file.seek(2 * MIB)
        file.write(b"rot")
    damaged = harness.sha256_of(path)
    outcome = castool.run("pull", "--json", "--force", "acme/m", status=65)
    assert outcome.json[-1]["error"]["digest"] == digest
    assert harness.sha256_of(path) == damaged


def test_same_content_is_stored_once(hub, castool):
    files = {"a/one.bin": Synthetic(2 * MIB, 1), "b/two.bin": Synthetic(2 * MIB, 1),
             "three.txt": "same", "four.txt": "same"}
    hub.add_repository("acme/m", files)
    outcome = pull(castool, "acme/m")
    assert (outcome["files"], outcome["bytes"]) == (4, 2 * MIB + 4)
    assert outcome["bytes_fetched"] == 2 * MIB + 4
    assert hub.bytes_sent(origin="cdn") == 2 * MIB


def test_the_store_is_private(hub, castool):
    hub.add_repository("acme/m", models.small_repository())
    castool.run("pull", "acme/m")
    for place, _, _ in os.walk(castool.store):
        assert os.stat(place).st_mode & 0o777 == 0o700, place
