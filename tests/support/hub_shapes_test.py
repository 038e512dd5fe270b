"""The Hub's answers have the recorded shapes, and its signed addresses expire."""

from __future__ import annotations

import hashlib
import json
import re
import urllib.parse

import models
from hub import Synthetic
from hub_testing import DATA, REPOSITORY, assert_like, cdn_address, follow, recorded, shape


def test_tree_entries_have_the_recorded_members(hub):
    ours = hub.get(f"/api/models/{REPOSITORY}/tree/main?recursive=true&expand=false").json()
    by_kind = {("lfs" in entry, entry["type"]): shape(entry) for entry in ours}
    for entry in json.loads((DATA / "01_tree_recursive.json").read_text()):
        assert by_kind[("lfs" in entry, entry["type"])] == shape(entry)


def test_tree_is_paged_by_link(hub):
    hub.settings(page_size=2)
    target, pages = f"/api/models/{REPOSITORY}/tree/main?recursive=true&limit=1000", []
    while target:
        answer = hub.get(target)
        assert len(answer.json()) <= 2
        pages.append([entry["path"] for entry in answer.json()])
        link = re.fullmatch(r'<(.*)>; rel="next"', answer.headers.get("link", ""))
        target = link.group(1) if link else None
        if len(pages) == 1:
            assert_like(answer, recorded("02_tree_page1_headers.http")[0])
            assert target.startswith(hub.url + "/")
    assert pages == [["config.json", "dir"], ["dir/inner.txt", "empty.txt"], ["model.bin"]]


def test_tree_without_recursive_shows_one_level(hub):
    def paths(suffix):
        return [e["path"] for e in hub.get(f"/api/models/{REPOSITORY}/tree/main{suffix}").json()]

    assert paths("") == ["config.json", "dir", "empty.txt", "model.bin"]
    assert paths("/dir") == ["dir/inner.txt"]
    assert hub.get(f"/api/models/{REPOSITORY}/tree/main/none").status == 404


def test_hashes_are_those_of_git_and_lfs(hub):
    tree = {e["path"]: e for e in
            hub.get(f"/api/models/{REPOSITORY}/tree/main?recursive=true").json()}
    assert tree["config.json"]["oid"] == hashlib.sha1(b"blob 2\0{}").hexdigest()
    data = Synthetic(3_000_000, 5).read()
    lfs = tree["model.bin"]["lfs"]
    assert lfs["oid"] == hashlib.sha256(data).hexdigest()
    pointer = (f"version https://git-lfs.github.com/spec/v1\noid sha256:{lfs['oid']}\n"
               f"size {len(data)}\n").encode()
    assert lfs["pointerSize"] == len(pointer)
    git_object = b"blob %d\0" % len(pointer) + pointer
    assert tree["model.bin"]["oid"] == hashlib.sha1(git_object).hexdigest()
    assert "lfs" not in tree["empty.txt"]


def test_lfs_file_redirects_to_the_other_origin(hub):
    answer = hub.get(f"/{REPOSITORY}/resolve/main/model.bin", method="HEAD")
    assert_like(answer, recorded("03_resolve_head_lfs_302.http")[0])
    location = urllib.parse.urlsplit(answer.headers["location"])
    assert f"http://{location.netloc}" == hub.cdn_url != hub.url
    assert {"Expires", "Policy", "Signature", "Key-Pair-Id"} <= set(
        urllib.parse.parse_qs(location.query))
    ranged = hub.get(answer.headers["location"], {"Range": "bytes=0-99"})
    assert_like(ranged, recorded("04_cdn_range_206.http")[0])
    assert ranged.headers["content-range"] == "bytes 0-99/3000000"
    assert ranged.headers["etag"] == f'"{answer.headers["x-xet-hash"]}"'
    assert ranged.body == Synthetic(3_000_000, 5).read(0, 100)


def test_regular_file_redirects_to_the_cache_and_answers_there(hub):
    first, second = recorded("05_resolve_head_regular_307_then_200.http")
    answer = hub.get(f"/{REPOSITORY}/resolve/main/config.json", method="HEAD")
    assert_like(answer, first)
    assert answer.headers["location"].startswith(f"/api/resolve-cache/models/{REPOSITORY}/")
    cached = hub.get(answer.headers["location"])
    assert_like(cached, second)
    assert cached.body == b"{}"
    etag = cached.headers["etag"]
    assert etag == answer.headers["x-linked-etag"]
    again = hub.get(answer.headers["location"], {"If-None-Match": etag})
    assert (again.status, again.body) == (304, b"")


def test_empty_private_and_direct_files_are_served_at_once(hub):
    assert hub.get(f"/{REPOSITORY}/resolve/main/empty.txt").status == 200
    hub.settings(regular_style="direct")
    assert hub.get(f"/{REPOSITORY}/resolve/main/config.json").body == b"{}"


def test_gates_and_privacy(hub):
    hub.settings(tokens=["hf_good", "hf_other"])
    hub.add_repository("acme/gated", {"config.json": b"{}"}, gated="auto", tokens=["hf_good"])
    hub.add_repository("acme/private", {"config.json": b"{}"}, private=True, tokens=["hf_good"])
    hub.add_repository("acme/disabled", {"config.json": b"{}"}, disabled=True)

    def ask(target, token=None):
        return hub.get(target, {"Authorization": f"Bearer {token}"} if token else {})

    gated = "/acme/gated/resolve/main/config.json"
    assert_like(ask(gated), recorded("06_resolve_401_gated_anonymous.http")[0])
    assert_like(ask(gated, "garbage"), recorded("06_resolve_401_gated_anonymous.http")[0])
    refused = recorded("07_resolve_403_gated_not_authorized.http")[0]
    refused[1].pop("ratelimit", None)
    assert_like(ask(gated, "hf_other"), refused)
    assert ask(gated, "hf_good").status == 200
    assert ask("/api/models/acme/gated").json()["gated"] == "auto"
    assert ask("/api/models/acme/gated/tree/main").status == 200

    anonymous = recorded("08_repo_missing_anonymous_401.http")[0]
    missing = recorded("09_repo_missing_authenticated_404.http")[0]
    for name in ("acme/private", "acme/missing"):
        assert_like(ask(f"/{name}/resolve/main/config.json"), anonymous)
        assert_like(ask(f"/api/models/{name}/revision/main", "hf_other"), missing)
        bad = ask(f"/api/models/{name}", "garbage")
        assert bad.status == 401 and "Invalid credentials" in bad.headers["x-error-message"]
    assert ask("/acme/private/resolve/main/config.json", "hf_good").body == b"{}"
    disabled = ask("/acme/disabled/resolve/main/config.json")
    assert (disabled.status, disabled.headers["x-error-message"]) == (
        403, "Access to this resource is disabled.")
    assert ask("/api/models/acme/disabled").json()["disabled"] is True


def test_missing_entries_and_revisions(hub):
    entry = hub.get(f"/{REPOSITORY}/resolve/main/none.bin", method="HEAD")
    assert_like(entry, recorded("10_entry_not_found_404.http")[0])
    revision = hub.get(f"/api/models/{REPOSITORY}/revision/nope-zz")
    assert_like(revision, recorded("11_revision_not_found_404.http")[0])
    assert revision.json() == {"error": "Invalid rev id: nope-zz"}


def test_rate_limit_is_told_and_enforced_on_demand(hub):
    hub.settings(enforce_rate_limits=True, rate_limit_api=2, rate_limit_window=60)
    answers = [hub.get(f"/api/models/{REPOSITORY}", {"Authorization": "Bearer limited"})
               for _ in range(3)]
    assert [a.status for a in answers] == [200, 200, 429]
    assert_like(answers[2], recorded("12_rate_limited_429.http")[0])
    assert re.fullmatch(r'"api";r=0;t=\d+', answers[2].headers["ratelimit"])
    assert answers[2].headers["ratelimit-policy"] == '"fixed window";"api";q=2;w=60'


def test_renamed_repository(hub):
    hub.rename_repository("shapes", REPOSITORY)
    answer = hub.get("/api/models/shapes")
    assert_like(answer, recorded("13_rename_307.http")[0])
    assert answer.headers["location"] == f"/api/models/{REPOSITORY}"
    assert follow(hub, "/shapes/resolve/main/config.json").body == b"{}"


def test_info_refs_and_paths_info(hub):
    def members(entries):
        return {("lfs" in e): shape(e) for e in entries}

    info = hub.get(f"/api/models/{REPOSITORY}?blobs=true").json()
    wanted = json.loads((DATA / "14_model_info_blobs.json").read_text())
    assert members(info.pop("siblings")) == members(wanted.pop("siblings"))
    assert {k: type(v) for k, v in info.items()} == {k: type(v) for k, v in wanted.items()}
    refs = hub.get(f"/api/models/{REPOSITORY}/refs").json()
    assert shape(refs) == shape(json.loads((DATA / "15_refs.json").read_text()))
    assert refs["branches"][0]["targetCommit"] == info["sha"]
    body = json.dumps({"paths": ["model.bin", "config.json", "absent.bin"]}).encode()
    found = hub.get(f"/api/models/{REPOSITORY}/paths-info/main", method="POST", body=body).json()
    record = json.loads((DATA / "16_paths_info.http").read_text().strip().splitlines()[-1])
    assert members(found) == members(record)


def test_odd_names_and_revisions(hub):
    files = {f"odd/{name}": name for name in models.ODD_NAMES}
    main = hub.add_repository("acme/odd", files)
    branch = hub.add_repository("acme/odd", {"only.txt": b"here"}, revision="refs/pr/1")
    assert main != branch
    listed = hub.get("/api/models/acme/odd/tree/main?recursive=true").json()
    assert {e["path"] for e in listed if e["type"] == "file"} == set(files)
    for path, text in files.items():
        target = f"/acme/odd/resolve/main/{urllib.parse.quote(path)}"
        assert follow(hub, target).body == text.encode()
    assert follow(hub, "/acme/odd/resolve/refs%2Fpr%2F1/only.txt").body == b"here"
    assert hub.get("/api/models/acme/odd/revision/refs%2Fpr%2F1").json()["sha"] == branch


def test_old_commits_stay_served(hub):
    first = hub.add_repository("acme/moving", {"a.bin": b"old bytes", "b.txt": b"old"})
    second = hub.add_repository("acme/moving", {"a.bin": b"new bytes", "b.txt": b"new"})
    assert first != second
    for commit, word in ((first, b"old"), (second, b"new"), ("main", b"new")):
        assert follow(hub, f"/acme/moving/resolve/{commit}/a.bin").body == word + b" bytes"
        assert follow(hub, f"/acme/moving/resolve/{commit}/b.txt").body == word


def test_ranges(hub):
    address, data = cdn_address(hub), Synthetic(3_000_000, 5)
    for header, status, content_range, expected in (
        ("bytes=5-8", 206, "bytes 5-8/3000000", data.read(5, 4)),
        ("bytes=2999990-", 206, "bytes 2999990-2999999/3000000", data.read(2_999_990)),
        ("bytes=-3", 206, "bytes 2999997-2999999/3000000", data.read(2_999_997)),
        ("bytes=2999999-9999999", 206, "bytes 2999999-2999999/3000000", data.read(2_999_999)),
        ("bytes=3000000-", 416, "bytes */3000000", b""),
        ("bytes=-0", 416, "bytes */3000000", b""),
    ):
        answer = hub.get(address, {"Range": header})
        assert (answer.status, answer.headers["content-range"], answer.body) == (
            status, content_range, expected)
    for header in ("bytes=8-5", "bytes=a-b", "bytes=0-1,5-6", "lines=1-2"):
        answer = hub.get(address, {"Range": header}, method="HEAD")
        assert (answer.status, answer.headers["content-length"]) == (200, "3000000")
    etag = hub.get(address, method="HEAD").headers["etag"]
    assert hub.get(address, {"Range": "bytes=0-0", "If-Range": etag}).status == 206
    assert hub.get(address, {"Range": "bytes=0-0", "If-Range": '"x"'}, method="HEAD").status == 200
    assert hub.get(address, {"If-Match": '"x"'}).status == 412


def test_signature_expires_and_cannot_be_bent(hub):
    address = cdn_address(hub)
    assert hub.get(address, method="HEAD").status == 200
    assert hub.get(address.replace("Signature=", "Signature=0"), method="HEAD").status == 403
    assert hub.get(address.split("?")[0], method="HEAD").status == 403
    hub.expire_signatures()
    assert hub.get(address, method="HEAD").status == 403
    assert hub.get(cdn_address(hub), method="HEAD").status == 200
    hub.settings(signature_seconds=0)
    expired = hub.get(cdn_address(hub))
    assert expired.status == 403 and b"Request has expired" in expired.body
    hub.settings(signature_seconds=3600)
    hub.fault({"expire_signatures": True}, origin="cdn", after=1)
    address = cdn_address(hub)
    assert [hub.get(address, method="HEAD").status for _ in range(3)] == [200, 403, 403]
