"""pull --lazy: a model has its name once its small files and headers are here."""

import pytest

import checks
import models
from hub import Synthetic

MIB = 1 << 20


def long_gguf(size):
    """A header and then zeros: nobody looks at the tensors."""
    head = models.gguf()
    return head + bytes(size - len(head))


@pytest.fixture
def repository(hub):
    files = {
        "config.json": "{}",
        "small.bin": models.noise(MIB),
        "weights.bin": Synthetic(40 * MIB + 7, 1),
        "model.gguf": long_gguf(150 * MIB),
        "model.safetensors": (1000).to_bytes(8, "little") + bytes(1000) + models.noise(5 * MIB),
    }
    hub.add_repository("acme/lazy", files)
    return files


def states(castool, name):
    return {file["path"]: file["state"] for file in castool.run("show", "--json", name).json[0]["files"]}


def test_small_files_and_headers_only(castool, hub, repository):
    done = castool.run("pull", "--lazy", "--json", "acme/lazy").json[-1]
    assert done["status"] == "success"
    # A chunk of each model file, which is less than a hundredth of the large one.
    assert done["bytes_fetched"] == 2 + MIB + 2 * MIB
    assert hub.bytes_sent(origin="cdn") == 3 * MIB
    assert done["bytes"] == checks.total_size(repository)
    assert states(castool, "acme/lazy") == {
        "config.json": "verified", "small.bin": "verified", "weights.bin": "absent",
        "model.gguf": "partial", "model.safetensors": "partial"}
    listed = castool.run("ls", "--json").json[0]
    assert listed["state"] == "partial"
    assert listed["bytes_present"] == 2 + 3 * MIB
    assert listed["bytes"] == done["bytes"]
    used = castool.run("df", "--json").json[0]
    assert used["saved_bytes"] == 0 and used["logical_bytes"] == done["bytes"]
    assert 2 * MIB <= used["partial_bytes"] < 4 * MIB  # nothing is reserved for what may never come
    assert castool.run("status", "--json").json == []


def test_a_plain_pull_fetches_the_rest(castool, hub, repository):
    castool.run("pull", "-q", "--lazy", "acme/lazy")
    castool.run("pull", "-q", "acme/lazy")
    large = sum(checks.size_of(source) for source in repository.values()) - 2
    assert hub.bytes_sent(origin="cdn") == large
    assert castool.run("ls", "--json").json[0]["state"] == "complete"
    # Complete it stays.
    hub.reset()
    castool.run("pull", "-q", "--lazy", "acme/lazy")
    assert castool.run("ls", "--json").json[0]["state"] == "complete"
    assert hub.bytes_sent(origin="cdn") == 0


def test_what_another_model_brought_is_not_left_out(castool, hub, repository):
    castool.run("pull", "-q", "acme/lazy")
    hub.add_repository("acme/copy", {"a": repository["weights.bin"], "b": repository["model.gguf"]})
    castool.run("pull", "-q", "--lazy", "acme/copy")
    by_name = {ref["name"]: ref["state"] for ref in castool.run("ls", "--json").json}
    assert by_name == {"acme/lazy": "complete", "acme/copy": "complete"}


def test_a_dry_run_counts_what_comes_now(castool, hub, repository):
    *files, result = castool.run("pull", "--lazy", "--dry-run", "--json", "acme/lazy").json
    assert len(files) == 5 and not any(file["present"] for file in files)
    assert result["bytes_to_fetch"] == 2 + MIB
    assert hub.bytes_sent(origin="cdn") == 0
    assert "on reading" in castool.run("pull", "--lazy", "--dry-run", "acme/lazy").out


def test_a_registry(castool, hub):
    manifest, blobs = models.registry_model(long_gguf(30 * MIB))
    hub.add_model("library/tiny:latest", manifest, blobs)
    castool.run("pull", "-q", "--lazy", "tiny")
    shown = castool.run("show", "--json", "tiny").json[0]
    assert shown["state"] == "partial"
    assert sorted(file["state"] for file in shown["files"]).count("partial") == 1
    assert hub.bytes_sent(origin="cdn") < 2 * MIB
    castool.run("pull", "-q", "tiny")
    assert castool.run("show", "--json", "tiny").json[0]["state"] == "complete"
