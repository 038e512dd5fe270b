"""Rows 38 to 45: manifests and listings that are damaged, or contradict what is there."""

import hashlib
import json

import pytest

import checks
from hub import Synthetic
from rows import MIB, PAGE

OTHER = "sha256:" + "ab" * 32


def listed(case):
    """The answer that lists files and digests, as text."""
    if not case.at_hub:
        return case.registry_model()[0].decode()
    return case.hub.get(f"/api/models/acme/m/tree/{case.commit}?recursive=true").body.decode()


def flipped(text, digest):
    """The text with one digit of that digest changed."""
    found = text.index(digest.removeprefix("sha256:"))
    other = "0" if text[found] != "0" else "1"
    return text[:found] + other + text[found + 1:]


def test_row_38_a_digest_in_the_listing_is_damaged(case):
    """Whoever is right, a blob under a name that is not its digest is never published."""
    case.always({"body": flipped(listed(case), case.digest)}, target=case.listing)
    case.fails(65, "digest_mismatch")


@pytest.mark.only("registry")
def test_row_38_by_tag_the_hash_of_what_came_is_recorded(case):
    text = listed(case) + "\n"  # as good a manifest, and other bytes
    case.always({"body": text, "remove_headers": ["Docker-Content-Digest"]}, target=case.listing)
    outcome = case.succeeds()
    assert outcome["manifest"] == "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def test_row_39_the_header_names_another_digest(case):
    name = "X-Linked-Etag" if case.at_hub else "Docker-Content-Digest"
    value = '"' + "ab" * 32 + '"' if case.at_hub else OTHER
    match = case.address if case.at_hub else {"target": case.listing}
    case.always({"headers": {name: value}}, **match)
    error = case.fails(65, "digest_mismatch")
    assert error["digest"] == (case.digest if case.at_hub else OTHER)
    assert not case.ranges_before_failure()


PORTAL = {"status": 200, "body": PAGE, "headers": {"Content-Type": "text/html"}}


@pytest.mark.parametrize("where", ["data", "metadata", "listing"])
def test_row_40_a_page_for_ever(case, where):
    match = {"data": {}, "metadata": {"target": case.metadata},
             "listing": {"target": case.listing}}[where]
    case.always(PORTAL, **match)
    error = case.fails(69, "unavailable", "proxy")
    # Not an error about JSON, and no word of the page.
    assert "JSON" not in error["message"] and "hotel" not in error["message"]
    assert len(case.faulted_before_failure()) <= 3 * case.connections


@pytest.mark.parametrize("where", ["data", "metadata", "listing"])
def test_row_40_a_page_once(case, where):
    match = {"data": {}, "metadata": {"target": case.metadata},
             "listing": {"target": case.listing}}[where]
    case.fault(PORTAL, 1, **match)
    case.succeeds()
    assert case.hub.fault_hits() == [1]


def test_row_40_a_page_as_long_as_the_blob(case):
    """Nothing in the head gives it away: the digest does."""
    case.put(Synthetic(2 * MIB, 5))
    page = PAGE + " " * (case.large.size - len(PAGE))
    case.always({"ignore_range": True, "body": page, "headers": {"Content-Type": "text/html"}})
    case.always({"body": page, "headers": {"Content-Type": "text/html"}}, origin="cdn",
                ranged=False)
    case.fails(65, "digest_mismatch", within=20)


@pytest.mark.parametrize("where", ["metadata", "listing"])
@pytest.mark.parametrize("keep", [0, 0.5, 0.98, None],
                         ids=["nothing", "half", "nearly all", "garbage"])
def test_row_41_cut_json_for_ever(case, where, keep):
    whole = listed(case)
    body = "<not json" if keep is None else whole[:int(len(whole) * keep)]
    case.always({"body": body, "status": 200},
                target=case.metadata if where == "metadata" else case.listing)
    case.fails(69, "unavailable")
    asked = case.faulted_before_failure()
    assert 2 <= len(asked) <= 10


@pytest.mark.parametrize("action", [{"cut_after": 50}, {"body": '{"id": "ac'}, {"body": "<not json"}],
                         ids=["connection", "text", "garbage"])
@pytest.mark.parametrize("where", ["metadata", "listing"])
def test_row_41_cut_json_once(case, where, action):
    case.fault(action, 1, target=case.metadata if where == "metadata" else case.listing)
    case.succeeds()
    assert case.hub.fault_hits() == [1]


EMPTY = "sha256:" + hashlib.sha256(b"").hexdigest()


def with_an_empty_one(case, digest=EMPTY):
    """A model with one more file, of size 0."""
    if case.at_hub:
        case.put(case.large, **{"empty.bin": b""})
        if digest != EMPTY:
            tree = json.loads(listed(case))
            [entry] = [entry for entry in tree if entry["path"] == "empty.bin"]
            entry["lfs"] = {"oid": digest[7:], "size": 0, "pointerSize": 130}
            case.always({"body": json.dumps(tree)}, target=case.listing)
        return
    manifest, blobs = case.registry_model()
    parsed = json.loads(manifest)
    parsed["layers"].append({"mediaType": "application/vnd.ollama.image.system",
                             "digest": digest, "size": 0})
    case.hub.add_model("library/m:latest", json.dumps(parsed).encode(), blobs)


def test_row_42_an_empty_file(case):
    with_an_empty_one(case)
    case.hub.clear_log()
    case.succeeds()
    assert checks.blob_path(case.castool.store, EMPTY).stat().st_size == 0
    for part in ("empty.bin", EMPTY):  # no request for it
        assert case.hub.log(target=part) == []


def test_row_42_an_empty_file_with_another_digest(case):
    with_an_empty_one(case, OTHER)
    case.fails(65, None, then="nothing")
    assert [entry for entry in case.hub.log(origin="cdn")] == []


@pytest.mark.parametrize("more", [1, -1, 5 * MIB])
def test_row_43_a_size_that_is_not_the_blobs(case, more):
    if case.at_hub:
        size = {"X-Linked-Size": str(case.large.size + more)}
        case.always({"headers": size}, **case.address)
        then = "succeeds"
    else:
        manifest, blobs = case.registry_model()
        parsed = json.loads(manifest)
        for layer in parsed["layers"]:
            if layer["digest"] == case.digest:
                layer["size"] += more
        case.hub.add_model("library/m:latest", json.dumps(parsed).encode(), blobs)
        then = "nothing"
    error = case.fails(65, "digest_mismatch", then=then)
    assert error["digest"] == case.digest
    # Before the download: an answer that tells of another size ends at its head.
    assert len(case.ranges_before_failure()) <= 2 * case.connections
    if case.at_hub:
        assert case.ranges_before_failure() == []


@pytest.mark.parametrize("more", [1, -1])
def test_row_43_a_listed_size_that_is_not_the_blobs(case, more):
    """Only the bytes themselves tell: nothing is kept of them."""
    text = listed(case).replace(str(case.large.size), str(case.large.size + more))
    case.always({"body": text, "remove_headers": ["Docker-Content-Digest"]}, target=case.listing)
    case.always({"remove_headers": ["X-Linked-Size"]}, **case.address)
    case.fails(65, "digest_mismatch")
    assert len(case.ranges_before_failure()) <= 2 * case.connections


def test_row_44_one_content_under_many_names(case):
    if case.at_hub:
        case.put(case.large, **{f"copy{i}.bin": case.large for i in range(5)})
    else:
        manifest, blobs = case.registry_model()
        parsed = json.loads(manifest)
        parsed["layers"] += [layer for layer in parsed["layers"]
                             if layer["digest"] == case.digest] * 5
        case.hub.add_model("library/m:latest", json.dumps(parsed).encode(), blobs)
        case.hub.clear_log()
    outcome = case.succeeds()
    assert outcome["bytes_fetched"] <= outcome["bytes"]
    assert case.hub.bytes_sent(origin="cdn") <= case.large.size + 100_000
    files = case.castool.run("show", "--json", case.source).json[0]["files"]
    assert len([file for file in files if file["digest"] == case.digest]) >= (6 if case.at_hub
                                                                                 else 1)


@pytest.mark.parametrize("change", [
    {"digest": "sha512:" + "ab" * 64}, {"mediaType": "application/vnd.oci.image.index.v1+json"},
    {"schemaVersion": 1}], ids=["algorithm", "media type", "schema"])
@pytest.mark.only("registry")
def test_row_45_what_is_not_known(case, change):
    manifest, blobs = case.registry_model()
    parsed = json.loads(manifest)
    (parsed["layers"][0] if "digest" in change else parsed).update(change)
    case.hub.add_model("library/m:latest", json.dumps(parsed).encode(), blobs)
    case.fails(1, "unsupported", then="nothing")
    assert case.hub.log(target="/blobs/") == []


@pytest.mark.parametrize("oid", ["sha512:" + "ab" * 64, "ab" * 64, "ab" * 16])
@pytest.mark.only("hub")
def test_row_45_an_algorithm_that_is_not_known(case, oid):
    tree = json.loads(listed(case))
    [entry] = [entry for entry in tree if entry["path"] == "weights.bin"]
    entry["lfs"]["oid"] = oid
    case.always({"body": json.dumps(tree)}, target=case.listing)
    case.fails(65, "bad_manifest")
    assert [entry for entry in case.log_of_failure if "/resolve/" in entry["target"]] == []
