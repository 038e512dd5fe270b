"""ls, show, rm, df, status, help and version: what people read and what scripts parse."""

import datetime
import os
import pathlib
import re
import subprocess

import pytest

import checks
import models
from hub import Synthetic

MIB = 1 << 20
REF_FIELDS = ["name", "source", "revision", "manifest", "bytes", "bytes_present", "state",
              "pinned", "pulled_at", "last_used_at"]


@pytest.fixture
def pulled(hub, castool):
    """Two models with a blob in common: the Hub's files and its commit, the registry's manifest."""
    gguf = models.gguf(tensor_bytes=2 * MIB)
    files = {"README.md": "# m\n", "deep/config.json": "{}", "tiny-F32.gguf": gguf}
    commit = hub.add_repository("acme/m", files)
    manifest, blobs = models.registry_model(gguf)
    hub.add_model("library/tiny:latest", manifest, blobs)
    castool.run("pull", "-q", "acme/m", "tiny")
    return {"files": files, "commit": commit, "manifest": manifest, "blobs": blobs, "gguf": gguf}


def test_ls_json(castool, pulled):
    refs = {ref["name"]: ref for ref in castool.run("ls", "--json").json}
    assert set(refs) == {"acme/m", "tiny:latest"}
    hub_ref, ollama_ref = refs["acme/m"], refs["tiny:latest"]
    assert list(hub_ref) == REF_FIELDS
    size = sum(map(checks.size_of, pulled["files"].values()))
    assert hub_ref | {"manifest": 0, "pulled_at": 0, "last_used_at": 0} == {
        "name": "acme/m", "source": "hf://acme/m@main", "revision": pulled["commit"],
        "manifest": 0, "bytes": size, "bytes_present": size, "state": "complete",
        "pinned": False, "pulled_at": 0, "last_used_at": 0}
    assert ollama_ref["source"] == "ollama://tiny:latest"
    assert ollama_ref["manifest"] == checks.digest_of(pulled["manifest"])
    assert ollama_ref["bytes"] == sum(map(len, pulled["blobs"]))
    when = datetime.datetime.fromisoformat(hub_ref["pulled_at"].replace("Z", "+00:00"))
    age = datetime.datetime.now(datetime.timezone.utc) - when
    assert datetime.timedelta(seconds=-2) < age < datetime.timedelta(minutes=5)


def test_ls_for_people(castool, pulled):
    head, *rows = castool.run("ls").out.splitlines()
    assert head.split() == ["NAME", "SOURCE", "REVISION", "SIZE", "PRESENT", "STATE", "AGE"]
    assert [row.split()[0] for row in rows] == ["acme/m", "tiny:latest"]
    assert pulled["commit"][:8] in rows[0] and "2.0 MiB" in rows[0] and "complete" in rows[0]
    assert not [row for row in [head, *rows] if row != row.rstrip()]


def test_show_json(castool, pulled):
    shown, other = castool.run("show", "--json", "acme/m", "tiny").json
    assert list(shown) == [*REF_FIELDS, "files", "options", "views"]
    assert shown["files"] == [
        {"path": path, "bytes": checks.size_of(source), "digest": checks.digest_of(source),
         "state": "verified"} for path, source in sorted(pulled["files"].items())]
    assert shown["views"]["ovms"] == "acme/m"
    assert shown["views"]["ollama"] == "manifests/hf.co/acme/m/F32"  # its GGUF
    assert isinstance(shown["options"], dict)
    assert other["name"] == "tiny:latest"
    assert {file["digest"] for file in other["files"]} == set(map(checks.digest_of,
                                                                  pulled["blobs"]))
    assert other["views"] == {"ovms": "library/tiny:latest",
                              "ollama": "manifests/registry.ollama.ai/library/tiny/latest",
                              "hf": other["views"]["hf"]}
    assert list(other["views"]["hf"]) == ["left_out"]
    assert shown["views"]["hf"] == "models--acme--m"


def test_show_for_people(castool, pulled):
    text = castool.run("show", "acme/m").out
    for source in pulled["files"].values():
        assert checks.digest_of(source) in text
    assert re.search(rf"^revision +{pulled['commit']}$", text, re.MULTILINE)
    assert re.search(r"^state +complete$", text, re.MULTILINE)
    assert re.search(r"^ollama view +manifests/hf.co/acme/m/F32$", text, re.MULTILINE)


@pytest.mark.parametrize("name", ["tiny", "tiny:latest", "library/tiny:latest",
                                  "registry.ollama.ai/library/tiny:latest"])
def test_every_spelling_of_a_name(castool, pulled, name):
    assert castool.run("show", "--json", name).json[0]["name"] == "tiny:latest"
    assert castool.run("rm", name).out == "tiny:latest: removed\n"
    castool.run("show", name, status=66)


def test_a_file_that_went_missing_is_shown(castool, pulled):
    digest = checks.digest_of(pulled["gguf"])
    os.unlink(checks.blob_path(castool.store, digest))
    shown = castool.run("show", "--json", "acme/m").json[0]
    assert {file["path"]: file["state"] for file in shown["files"]} == {
        "README.md": "verified", "deep/config.json": "verified", "tiny-F32.gguf": "absent"}
    assert shown["state"] == "partial" and shown["bytes_present"] == 6
    castool.run("pull", "acme/m")  # and a pull brings it back
    assert castool.run("show", "--json", "acme/m").json[0]["state"] == "complete"


def test_rm(castool, pulled):
    blobs = checks.assert_blobs_are_right(castool.store)
    assert castool.run("rm", "--json", "acme/m", "tiny").json == [
        {"removed_refs": 2, "removed_blobs": 0, "freed_bytes": 0}]
    assert castool.run("ls", "--json").out == ""
    # Only the names go; the bytes are there for whoever pulls again.
    assert checks.assert_blobs_are_right(castool.store) == blobs
    assert castool.run("pull", "--json", "acme/m").json[-1]["bytes_fetched"] == 0


def test_rm_goes_on_after_a_wrong_name(castool, pulled):
    outcome = castool.run("rm", "acme/none", "acme/m", status=66)
    assert outcome.out == "acme/m: removed\n"
    assert [ref["name"] for ref in castool.run("ls", "--json").json] == ["tiny:latest"]


def test_df(castool, pulled):
    usage = castool.run("df", "--json").json
    assert len(usage) == 1
    assert list(usage[0]) == ["logical_bytes", "stored_bytes", "saved_bytes", "partial_bytes",
                              "free_bytes", "blobs", "refs"]
    logical = (sum(map(checks.size_of, pulled["files"].values())) + sum(map(len, pulled["blobs"])))
    stored = [path.stat().st_size for path in castool.store.glob("blobs/sha256/??/*")]
    assert usage[0]["logical_bytes"] == logical
    assert (usage[0]["stored_bytes"], usage[0]["blobs"]) == (sum(stored), len(stored))
    assert usage[0]["saved_bytes"] == logical - sum(stored)
    assert usage[0]["saved_bytes"] > len(pulled["gguf"]) - 10_000
    assert (usage[0]["partial_bytes"], usage[0]["refs"]) == (0, 2)
    free = os.statvfs(castool.store).f_bavail * os.statvfs(castool.store).f_frsize
    assert abs(usage[0]["free_bytes"] - free) < 4 << 30  # others write here too
    head, row = castool.run("df").out.splitlines()
    assert head.split() == ["REFS", "BLOBS", "LOGICAL", "STORED", "SAVED", "PARTIAL", "FREE",
                            "STORE"]
    assert row.split()[0] == "2" and row.endswith(str(castool.store))


def test_without_a_store(castool):
    assert castool.run("ls", "--json").out == castool.run("status", "--json").out == ""
    usage = castool.run("df", "--json").json[0]
    assert usage["free_bytes"] > 0
    assert not any(value for name, value in usage.items() if name != "free_bytes")


def test_namespaces_are_apart(hub, castool, pulled):
    castool.run("--namespace", "team-b", "pull", "acme/m")
    castool.run("rm", "acme/m")
    assert [ref["name"] for ref in castool.run("ls", "--json").json] == ["tiny:latest"]
    named = castool.run("ls", "--json", env={"CASTOOL_NAMESPACE": "team-b"}).json
    assert [ref["name"] for ref in named] == ["acme/m"]
    everywhere = castool.run("ls", "--all-namespaces", "--json").json
    assert [(ref["namespace"], ref["name"]) for ref in everywhere] == [
        ("default", "tiny:latest"), ("team-b", "acme/m")]
    assert list(everywhere[0])[1:] == REF_FIELDS
    castool.run("show", "acme/m", status=66)
    assert castool.run("df", "--json").json[0]["refs"] == 2


@pytest.mark.parametrize("words", [
    ["--json", "ls"], ["ls", "--json"], ["--store", "STORE", "ls", "--json"],
    ["ls", "--json", "--store", "STORE"], ["ls", "--store=STORE", "--json", "--namespace=default"],
    ["-q", "--json", "ls", "-v"], ["--no-progress", "--timeout", "5s", "ls", "--json"]])
def test_global_options_stand_before_and_after(castool, pulled, words):
    place = str(castool.store)
    words = [word.replace("STORE", place) for word in words]
    env = {"CASTOOL_STORE": "/nowhere"} if place in "".join(words) else {}
    assert len(castool.run(*words, env=env).json) == 2


def test_options_beat_the_environment(hub, castool, pulled):
    other = castool.folder / "other"
    castool.run("pull", "--store", other, "acme/m")
    assert (other / "format").exists()
    assert len(castool.run("ls", "--json", env={"CASTOOL_STORE": str(other)}).json) == 1
    assert len(castool.run("ls", "--json", "--store", other).json) == 1


COMMANDS = ["pull", "mount", "umount", "serve", "ls", "show", "rm", "update", "cp", "pin", "unpin",
            "gc", "import", "quota", "fsck", "df", "status", "set", "export", "list-models",
            "add-to-config", "remove-from-config"]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command(castool, command):
    outcome = castool.run(command, "--help")
    assert f"castool {command}" in outcome.out and "Examples" in outcome.out
    assert outcome.err == "" and castool.run(command, "-h").out == outcome.out
    assert max(map(len, outcome.out.splitlines())) <= 100


def test_help_and_version(castool):
    text = castool.run("--help").out
    listed = text.split("Commands:\n")[1].split("\n\n")[0]
    assert sorted(line.split()[0] for line in listed.splitlines()) == sorted(COMMANDS)
    for option in ("--store", "--namespace", "--json", "--quiet", "--verbose", "--no-progress",
                   "--token-file", "--timeout", "--version"):
        assert option in text
    for status in (0, 64, 65, 66, 69, 73, 74, 75, 77, 130, 1):
        assert re.search(rf"^ +{status} ", text, re.MULTILINE), status
    assert re.fullmatch(r"castool \d+\.\d+\.\d+.*\n", castool.run("--version").out)
    assert not castool.store.exists()


def test_the_readme_names_every_command():
    text = (pathlib.Path(os.environ["CASTOOL_SOURCE_DIR"]) / "README.md").read_text()
    table = text.split("## Commands")[1].split("\n## ")[0]
    named = {word.split()[0] for row in re.findall(r"^\|([^|]*)\|", table, re.MULTILINE)
             for word in re.findall(r"`([^`]+)`", row)}
    assert named == set(COMMANDS)


def test_what_a_pull_says(hub, castool):
    hub.add_repository("acme/m", {"README.md": "# m\n", "weights.bin": Synthetic(2 * MIB, 1)})
    outcome = castool.run("pull", "acme/m")
    assert re.fullmatch(r"acme/m: 2 files, 2\.0 MiB \(fetched 2\.0 MiB, reused 0 B\) in [\d.]+ s, "
                        r"sha256:[0-9a-f]{64}\n", outcome.out)
    quiet = castool.run("pull", "-q", "acme/m")
    assert quiet.out == quiet.err == ""
    plan = castool.run("pull", "--dry-run", "acme/m").out.splitlines()
    assert plan[0].split() == ["SIZE", "STATE", "FILE"]
    assert plan[-1] == "acme/m: 2 files, 2.0 MiB, 0 B to fetch"


def test_a_closed_pipe_is_no_error(castool, pulled):
    with subprocess.Popen([castool.binary, "ls"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env=castool.environment) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(10) in (0, -13, 141)


def test_a_full_output_is_an_error(castool, pulled):
    with open("/dev/full", "wb") as full:
        done = subprocess.run([castool.binary, "ls", "--json"], stdout=full, text=True,
                              stderr=subprocess.PIPE, env=castool.environment, check=False)
    assert done.returncode == 74
    assert done.stderr.startswith("castool: ") and len(done.stderr.splitlines()) == 1


def test_names_from_far_away_cannot_drive_the_terminal(hub, castool):
    hub.add_repository("acme/m", {"a\u202eb.txt": "x"})  # legal, and turns the line around
    castool.run("pull", "acme/m")
    shown = castool.run("show", "--json", "acme/m").json[0]
    assert shown["files"][0]["path"] == "a\u202eb.txt"
    assert "\x1b" not in castool.run("show", "acme/m").out
