"""The test hub says what the Hub, a registry and their CDN say, and breaks as it is told to.

The shapes come from tests/data/hub, recorded exchanges; faults are looked at on the wire.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import re
import secrets
import socket
import struct
import subprocess
import threading
import time
import urllib.parse
from pathlib import Path

import models
import pytest
from hub import Hub, Synthetic

DATA = Path(__file__).resolve().parent.parent / "data" / "hub"
# Headers that tell of the Hub's own infrastructure, or of content that differs here.
UNCHECKED = {"date", "x-powered-by", "vary", "x-cache", "content-length", "etag",
             "access-control-expose-headers", "content-security-policy"}
REPOSITORY = "acme/shapes"


@pytest.fixture(scope="module")
def shared():
    with Hub(sample=True) as hub:
        hub.add_repository(REPOSITORY, {
            "config.json": b"{}",
            "model.bin": Synthetic(3_000_000, 5),
            "empty.txt": b"",
            "dir/inner.txt": b"inner",
        })
        manifest, blobs = models.registry_model()
        hub.add_model("acme/tiny:latest", manifest, blobs)
        yield hub


@pytest.fixture
def hub(shared):
    before = shared.settings()
    shared.reset()
    yield shared
    shared.reset()
    shared.settings(**before)


def recorded(name):
    """The (status, {header: value}) of each response in a recorded exchange."""
    responses = []
    for block in re.split(r"\n\n", (DATA / name).read_text()):
        lines = block.strip().splitlines()
        if lines and lines[0].startswith("HTTP/2"):
            headers = dict(line.split(": ", 1) for line in lines[1:])
            responses.append((int(lines[0].split()[1]), headers))
    return responses


def assert_like(answer, record):
    status, headers = record
    assert answer.status == status
    assert {name for name in headers if name not in UNCHECKED} <= set(answer.headers)
    for name in ("content-type", "x-error-code", "www-authenticate", "accept-ranges"):
        if name in headers:
            assert answer.headers[name] == headers[name]


def shape(value):
    """A JSON value with its leaves replaced by their types' names."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shape(item) for item in value]
    return type(value).__name__


def follow(hub, target, headers=None):
    """Follows redirects, sending the same headers; the last answer."""
    address = urllib.parse.urljoin(hub.url, target)
    for _ in range(10):
        answer = hub.get(address, headers)
        if answer.status // 100 != 3:
            return answer
        address = urllib.parse.urljoin(address, answer.headers["location"])
    raise AssertionError("too many redirects")


def cdn_address(hub, path="model.bin"):
    return hub.get(f"/{REPOSITORY}/resolve/main/{path}").headers["location"]


def on_the_wire(address, headers="", timeout=10):
    """Everything that comes for one GET until the connection ends, and how it ended."""
    parts = urllib.parse.urlsplit(address)
    received = b""
    with socket.create_connection((parts.hostname, parts.port), timeout=timeout) as connection:
        target = parts.path + ("?" + parts.query if parts.query else "")
        request = f"GET {target} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n{headers}\r\n"
        connection.sendall(request.encode())
        try:
            while piece := connection.recv(1 << 16):
                received += piece
            return received, "closed"
        except ConnectionResetError:
            return received, "reset"


def body_of(received):
    return received.split(b"\r\n\r\n", 1)[1]


# The Hub's shapes


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
    assert tree["model.bin"]["oid"] == hashlib.sha1(b"blob %d\0" % len(pointer) + pointer).hexdigest()
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


# Signatures


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


# The registry


def test_registry_serves_manifest_bytes_and_blobs(hub):
    manifest, blobs = models.registry_model()
    digest = "sha256:" + hashlib.sha256(manifest).hexdigest()
    for reference in ("latest", digest):
        answer = hub.get(f"/v2/acme/tiny/manifests/{reference}")
        assert answer.body == manifest
        assert answer.headers["content-type"] == json.loads(manifest)["mediaType"]
        assert answer.headers["docker-content-digest"] == digest
    for blob in blobs:
        target = f"/v2/acme/tiny/blobs/sha256:{hashlib.sha256(blob).hexdigest()}"
        assert hub.get(target, method="HEAD").headers["content-length"] == str(len(blob))
        assert follow(hub, target).body == blob
    for target in ("acme/tiny/manifests/none", "acme/none/manifests/latest",
                   "acme/tiny/blobs/sha256:" + "0" * 64):
        answer = hub.get("/v2/" + target)
        assert answer.status == 404 and answer.json()["errors"][0]["code"].endswith("_UNKNOWN")


def test_blob_styles(hub):
    blob = models.registry_model()[1][0]
    target = f"/v2/acme/tiny/blobs/sha256:{hashlib.sha256(blob).hexdigest()}"
    answer = hub.get(target)
    assert answer.status == 307 and answer.headers["location"].startswith(hub.cdn_url)
    assert "X-Amz-Expires=3600" in answer.headers["location"]
    hub.settings(blob_style="found")
    assert hub.get(target).status == 302
    hub.settings(blob_style="direct")
    assert (hub.get(target).body, "location" in hub.get(target).headers) == (blob, False)
    hub.settings(blob_style="location")
    assert (hub.get(target).body, "location" in hub.get(target).headers) == (blob, True)


class Key:
    """An ed25519 key that signs token requests as Ollama does, with the openssl program."""

    EMPTY = base64.b64encode(hashlib.sha256(b"").hexdigest().encode()).decode()

    def __init__(self, directory):
        self.path = directory / "key.pem"
        self._run("genpkey", "-algorithm", "ed25519", "-out", str(self.path))
        raw = self._run("pkey", "-in", str(self.path), "-pubout", "-outform", "DER")[-32:]
        fields = (b"ssh-ed25519", raw)
        self.blob = b"".join(struct.pack(">I", len(field)) + field for field in fields)

    @staticmethod
    def _run(*arguments):
        return subprocess.run(["openssl", *arguments], check=True, capture_output=True).stdout

    def authorization(self, url):
        message = self.path.with_name("message")
        message.write_bytes(f"GET,{url},{self.EMPTY}".encode())
        signature = self._run("pkeyutl", "-sign", "-inkey", str(self.path), "-rawin", "-in",
                              str(message))
        return ":".join(base64.b64encode(part).decode() for part in (self.blob, signature))


def test_registry_token_flow(hub, tmp_path):
    hub.settings(registry_auth=True)
    target = "/v2/acme/tiny/manifests/latest"
    challenge = hub.get(target)
    assert challenge.status == 401
    assert challenge.headers["www-authenticate"] == (
        f'Bearer realm="{hub.url}/v2/token",service="ollama",scope="-"')
    key = Key(tmp_path)

    def token_url(**changes):
        query = {"nonce": secrets.token_urlsafe(16), "scope": "-", "service": "ollama",
                 "ts": str(int(time.time())), **changes}
        return f"{hub.url}/v2/token?{urllib.parse.urlencode(query)}"

    url = token_url()
    signed = {"Authorization": key.authorization(url)}
    token = hub.get(url, signed).json()["token"]
    assert hub.get(target, {"Authorization": f"Bearer {token}"}).status == 200
    assert "nonce" in hub.get(url, signed).json()["error"]
    other = token_url()
    assert "signature" in hub.get(other, signed).json()["error"]
    stale = token_url(ts="1000")
    assert "ts" in hub.get(stale, {"Authorization": key.authorization(stale)}).json()["error"]
    assert hub.get(token_url()).status == 401
    assert hub.get(target, {"Authorization": "Bearer made-up"}).status == 401
    hub.revoke_tokens()
    assert hub.get(target, {"Authorization": f"Bearer {token}"}).status == 401


# Faults, on the wire


@pytest.fixture
def address(hub):
    return cdn_address(hub)


DATA_100 = Synthetic(3_000_000, 5).read(0, 100)
FIRST_100 = "Range: bytes=0-99\r\n"


def test_cut_and_reset(hub, address):
    for action, end in (({"cut_after": 40}, "closed"), ({"reset_after": 40}, "reset")):
        hub.fault(action, origin="cdn")
        received, how = on_the_wire(address, FIRST_100)
        assert (body_of(received), how) == (DATA_100[:40], end)
        assert b"Content-Length: 100\r\n" in received
    for action, end in (({"close": True}, "closed"), ({"reset": True}, "reset")):
        hub.fault(action, origin="cdn")
        assert on_the_wire(address) == (b"", end)
    hub.fault({"reset_after": 2_000_000}, origin="cdn")
    assert len(body_of(on_the_wire(address)[0])) == 2_000_000
    assert body_of(on_the_wire(address, FIRST_100)[0]) == DATA_100


def test_wrong_ranges(hub, address):
    hub.fault({"ignore_range": True}, origin="cdn")
    received, _ = on_the_wire(address, "Range: bytes=7-9\r\n")
    assert received.startswith(b"HTTP/1.1 200 ") and len(body_of(received)) == 3_000_000
    hub.fault({"content_range": {"start": 1, "end": 2, "total": -3}}, origin="cdn")
    assert hub.get(address, {"Range": "bytes=7-9"}).headers["content-range"] == "bytes 8-11/2999997"
    hub.fault({"remove_headers": ["Content-Range"]}, origin="cdn")
    answer = hub.get(address, {"Range": "bytes=7-9"})
    assert answer.status == 206 and "content-range" not in answer.headers
    hub.fault({"shorten": 60}, origin="cdn")
    answer = hub.get(address, {"Range": "bytes=0-99"})
    assert (answer.headers["content-range"], answer.body) == ("bytes 0-39/3000000", DATA_100[:40])
    hub.fault({"multipart": True}, origin="cdn")
    answer = hub.get(address, {"Range": "bytes=0-99"})
    assert answer.headers["content-type"].startswith("multipart/byteranges")
    assert DATA_100 in answer.body and len(answer.body) > 100


def test_wrong_lengths_and_framings(hub, address):
    hub.fault({"extra_bytes": 5}, origin="cdn")
    received, _ = on_the_wire(address, FIRST_100)
    assert b"Content-Length: 100\r\n" in received and body_of(received) == DATA_100 + b"+" * 5
    hub.fault({"length_delta": 50}, origin="cdn")
    received, how = on_the_wire(address, FIRST_100)
    assert b"Content-Length: 150\r\n" in received and (body_of(received), how) == (DATA_100, "closed")
    hub.fault({"no_length": True}, origin="cdn")
    received, _ = on_the_wire(address, FIRST_100)
    assert b"Content-Length" not in received and body_of(received) == DATA_100
    hub.fault({"chunked": True}, origin="cdn")
    answer = hub.get(address, {"Range": "bytes=0-99"})
    assert "content-length" not in answer.headers and answer.body == DATA_100
    hub.fault({"chunked_no_end": True}, origin="cdn")
    received, _ = on_the_wire(address, FIRST_100)
    assert body_of(received) == b"64\r\n" + DATA_100 + b"\r\n"
    hub.fault({"add_headers": [["Content-Length", "100"], ["Content-Length", "7"]]}, origin="cdn")
    assert on_the_wire(address, FIRST_100)[0].count(b"Content-Length: ") == 2


def test_wrong_bytes(hub, address):
    hub.fault({"flip_at": 1_500_000}, origin="cdn")
    assert hub.get(address, {"Range": "bytes=0-99"}).body == DATA_100
    good = Synthetic(3_000_000, 5).read(1_499_999, 3)
    flipped = hub.get(address, {"Range": "bytes=1499999-1500001"}).body
    assert flipped == bytes([good[0], good[1] ^ 1, good[2]])
    assert hub.get(address, {"Range": "bytes=1499999-1500001"}).body == good
    assert hub.fault_hits() == [1]
    hub.fault({"garble": True}, origin="cdn")
    garbled = hub.get(address, {"Range": "bytes=0-99"}).body
    assert len(garbled) == 100 and not any(a == b for a, b in zip(garbled, DATA_100))


def test_slow_answers(hub, address):
    def seconds(action):
        hub.fault(action, origin="cdn")
        start = time.monotonic()
        assert hub.get(address, {"Range": "bytes=0-99"}).body == DATA_100
        return time.monotonic() - start

    assert seconds({}) < 0.15
    assert seconds({"delay_ms": 200}) >= 0.2
    assert seconds({"stall_after": 0, "stall_ms": 200}) >= 0.2
    assert seconds({"stall_after": 50, "stall_ms": 200}) >= 0.2
    assert seconds({"trickle_bytes": 10, "trickle_ms": 20}) >= 0.17
    assert seconds({"header_trickle_ms": 1}) >= 0.15
    hub.settings(bytes_per_second=400)
    assert 0.2 <= seconds({}) < 2
    hub.settings(bytes_per_second=0, latency_ms=200)
    assert seconds({}) >= 0.2


def test_stalled_bytes_arrive_before_the_stall(hub, address):
    hub.fault({"stall_after": 40, "stall_ms": 60_000}, origin="cdn")
    parts = urllib.parse.urlsplit(address)
    connection = http.client.HTTPConnection(parts.netloc, timeout=10)
    connection.request("GET", f"{parts.path}?{parts.query}", headers={"Range": "bytes=0-99"})
    assert connection.getresponse().read(40) == DATA_100[:40]
    assert hub.log(origin="cdn")[-1]["ended_ms"] == -1
    connection.close()
    # The stall ends with the client, so the connection's thread is free again.
    hub.wait_for_request(origin="cdn", bytes_sent=40, timeout=10)


def test_statuses_pages_and_headers(hub, address):
    hub.fault({"status": 503, "retry_after": 7}, origin="cdn")
    answer = hub.get(address)
    assert (answer.status, answer.headers["retry-after"], answer.body) == (503, "7", b"")
    hub.fault({"status": 429, "retry_after_date": 60}, target="/api/models/")
    answer = hub.get(f"/api/models/{REPOSITORY}")
    assert answer.status == 429
    assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT", answer.headers["retry-after"])
    hub.fault({"body": "<html>Log in</html>", "headers": {"Content-Type": "text/html"}},
              target="/tree/")
    answer = hub.get(f"/api/models/{REPOSITORY}/tree/main")
    assert (answer.status, answer.headers["content-type"], answer.body) == (
        200, "text/html", b"<html>Log in</html>")
    hub.fault({"headers": {"Content-Encoding": "gzip"}, "etag": '"changed"'}, origin="cdn")
    answer = hub.get(address, {"Range": "bytes=0-1"})
    assert (answer.headers["content-encoding"], answer.headers["etag"]) == ("gzip", '"changed"')
    hub.fault({"location": "http://127.0.0.1:1/x", "status": 307}, origin="cdn")
    answer = hub.get(address)
    assert (answer.status, answer.headers["location"]) == (307, "http://127.0.0.1:1/x")
    hub.fault({"redirect_loop": True}, origin="cdn")
    assert urllib.parse.urljoin(address, hub.get(address).headers["location"]) == address
    hub.fault({"before": "HTTP/1.1 103 Early Hints\r\n\r\n"}, origin="cdn")
    assert on_the_wire(address, FIRST_100)[0].startswith(b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 206 ")
    hub.fault({"raw": "garbage"}, origin="cdn")
    assert on_the_wire(address) == (b"garbage", "closed")


def test_connection_that_closes_after_a_good_answer(hub, address):
    hub.fault({"close_after": True}, origin="cdn")
    parts = urllib.parse.urlsplit(address)
    connection = http.client.HTTPConnection(parts.netloc, timeout=10)
    connection.request("GET", f"{parts.path}?{parts.query}", headers={"Range": "bytes=0-99"})
    response = connection.getresponse()
    assert response.read() == DATA_100 and response.getheader("Connection") is None
    with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
        connection.request("GET", f"{parts.path}?{parts.query}")
        connection.getresponse()


def test_rules_count_and_choose(hub, address):
    hub.faults([
        {"match": {"origin": "cdn", "range_from": 1000}, "times": 2, "after": 1,
         "action": {"status": 500}},
        {"match": {"origin": "cdn", "method": "HEAD"}, "times": -1, "action": {"status": 502}},
        {"match": {"glob": "/api/*/refs"}, "action": {"status": 504}},
        {"match": {"origin": "cdn", "covers": 55}, "action": {"status": 418}},
    ])
    far = [hub.get(address, {"Range": "bytes=1000-1001"}).status for _ in range(4)]
    assert far == [206, 500, 500, 206]
    assert [hub.get(address, method="HEAD").status for _ in range(2)] == [502, 502]
    assert hub.get(f"/api/models/{REPOSITORY}/refs").status == 504
    assert hub.get(address, {"Range": "bytes=0-54"}).status == 206
    assert hub.get(address, {"Range": "bytes=50-60"}).status == 418
    assert hub.fault_hits() == [2, 2, 1, 1]
    hub.clear_faults()
    assert hub.get(address, method="HEAD").status == 200


@pytest.mark.parametrize("wrong", [
    {"action": {"cut_aftr": 1}}, {"action": {"cut_after": "1"}}, {"match": {"orgin": "cdn"}},
    {"time": 1}, "text", {"action": {"headers": {"A": 1}}}, {"action": {"remove_headers": "A"}},
    {"action": {"content_range": {"start": "x"}}}, {"action": {"add_headers": ["A"]}},
])
def test_misspelt_faults_are_refused(hub, wrong):
    with pytest.raises(ValueError, match="faults"):
        hub.faults([wrong])


def test_misspelt_settings_are_refused(hub):
    with pytest.raises(ValueError, match="unknown setting: page_sise"):
        hub.settings(page_sise=1)
    with pytest.raises(ValueError, match="wrong type: page_size"):
        hub.settings(page_size="1")


# Log, connections, life


def test_log_tells_who_saw_the_token(hub):
    canary = "hf_canary_" + secrets.token_hex(8)
    answer = hub.get(f"/{REPOSITORY}/resolve/main/model.bin", {"Authorization": f"Bearer {canary}"})
    hub.get(answer.headers["location"], {"Range": "bytes=0-9"})
    first, second = hub.log()
    assert (first["origin"], first["authorization"], first["status"]) == ("hub", True, 302)
    assert (second["origin"], second["authorization"], second["status"]) == ("cdn", False, 206)
    assert (second["range"], second["bytes_sent"], second["method"]) == ("bytes=0-9", 10, "GET")
    assert second["seq"] == first["seq"] + 1
    assert [entry["origin"] for entry in hub.saw(canary)] == ["hub"]
    hub.get(answer.headers["location"], {"Authorization": f"Bearer {canary}", "Range": "bytes=0-9"})
    assert [entry["origin"] for entry in hub.saw(canary)] == ["hub", "cdn"]
    hub.clear_log()
    assert hub.log() == []


def test_keep_alive_and_many_connections(hub, address):
    parts = urllib.parse.urlsplit(address)
    target = f"{parts.path}?{parts.query}"
    connection = http.client.HTTPConnection(parts.netloc, timeout=10)
    for _ in range(300):
        connection.request("GET", target, headers={"Range": "bytes=0-99"})
        assert connection.getresponse().read() == DATA_100
    assert len({entry["connection"] for entry in hub.log(origin="cdn")}) == 1
    connection.close()
    # 250 stalled clients do not keep the 251st waiting.
    hub.fault({"stall_after": 0, "stall_ms": 60_000}, origin="cdn", times=250)
    stalled = []
    for _ in range(250):
        stalled.append(socket.create_connection((parts.hostname, parts.port)))
        stalled[-1].sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    hub.wait_for_request(origin="cdn", ended_ms=-1, count=250)
    assert hub.get(address, {"Range": "bytes=0-99"}).body == DATA_100
    assert hub.stats()["cdn"]["peak"] >= 251
    for one in stalled:
        one.close()


def test_connection_limit_resets_the_rest(hub, address):
    hub.settings(max_connections=0)
    parts = urllib.parse.urlsplit(address)
    deadline = time.monotonic() + 10
    while hub.stats()["cdn"]["active"] and time.monotonic() < deadline:
        threading.Event().wait(0.01)
    hub.settings(max_connections=3)
    held = [socket.create_connection((parts.hostname, parts.port)) for _ in range(3)]
    with pytest.raises(ConnectionResetError):
        hub.get(address)
    for one in held:
        one.close()
    assert hub.stats()["cdn"]["refused"] == 1


def test_restart_keeps_addresses(tmp_path):
    with Hub() as hub:
        commit = hub.add_repository("a/b", {"f.txt": b"x"})
        url = hub.url
        hub.restart()
        assert hub.url == url
        assert hub.get("/api/models/a/b").json()["sha"] == commit
        root = hub.root
    assert not root.exists()


def test_ends_on_sigterm_and_with_its_input():
    hub = Hub()
    hub.start()
    assert hub.stop() == 0
    hub.start()
    process = hub._process
    process.stdin.close()
    assert process.wait(timeout=10) == 0
    hub.close()


def test_ends_while_answers_are_stalled(tmp_path):
    hub = Hub(sample=True)
    hub.start()
    hub.fault({"stall_after": 0, "stall_ms": 600_000})
    with socket.create_connection(("127.0.0.1", urllib.parse.urlsplit(hub.url).port)) as client:
        client.sendall(b"GET /api/models/sample/tiny-ir HTTP/1.1\r\nHost: x\r\n\r\n")
        hub.wait_for_request(target="tiny-ir")
        start = time.monotonic()
        assert hub.stop() == 0
        assert time.monotonic() - start < 5
    hub.close()


def test_wrong_arguments(hub):
    for arguments in (["--port", "x"], ["--port"], ["--what"]):
        ended = subprocess.run([hub.program, *arguments], capture_output=True, check=False)
        assert ended.returncode == 64 and b"usage:" in ended.stderr


# The sample models


def parse_gguf(data):
    """Reads a GGUF strictly: ({key: value}, [(name, offset, size in bytes)], start of the data)."""
    position = 0

    def take(form):
        nonlocal position
        values = struct.unpack_from("<" + form, data, position)
        position += struct.calcsize("<" + form)
        return values[0]

    def text():
        nonlocal position
        size = take("Q")
        position += size
        return data[position - size : position].decode()

    scalars = {4: "I", 5: "i", 6: "f", 7: "?", 10: "Q"}

    def value(kind):
        if kind == 8:
            return text()
        if kind == 9:
            inner, count = take("I"), take("Q")
            return [value(inner) for _ in range(count)]
        return take(scalars[kind])

    assert data[:4] == b"GGUF"
    position = 4
    assert take("I") == 3
    tensor_count, pair_count = take("Q"), take("Q")
    pairs = {}
    for _ in range(pair_count):
        key = text()
        pairs[key] = value(take("I"))
    tensors = []
    for _ in range(tensor_count):
        name = text()
        count = 1
        for _ in range(take("I")):
            count *= take("Q")
        assert take("I") == 0  # F32
        tensors.append((name, take("Q"), 4 * count))
    alignment = pairs["general.alignment"]
    return pairs, tensors, (position + alignment - 1) // alignment * alignment


@pytest.mark.parametrize("make", ["sample", "models"])
def test_gguf_is_valid(hub, make):
    if make == "sample":
        data = follow(hub, "/sample/tiny-gguf/resolve/main/tiny-F32.gguf").body
        assert 1 << 20 < len(data) < 8 << 20
    else:
        data = models.gguf("name", tensor_bytes=4096)
    pairs, tensors, start = parse_gguf(data)
    assert pairs["general.architecture"] == "llama" and pairs["general.name"]
    assert "tokenizer.ggml.tokens" in pairs and tensors
    end = 0
    for _, offset, size in tensors:
        assert offset % 32 == 0 and offset >= end
        end = offset + size
    assert start + end <= len(data) < start + end + 32


def test_sample_registry_model_shares_the_gguf(hub):
    manifest = hub.get("/v2/library/tiny/manifests/latest").json()
    blobs = [manifest["config"], *manifest["layers"]]
    for blob in blobs:
        data = follow(hub, f"/v2/library/tiny/blobs/{blob['digest']}").body
        assert len(data) == blob["size"]
        assert "sha256:" + hashlib.sha256(data).hexdigest() == blob["digest"]
    kinds = [layer["mediaType"].rsplit(".", 1)[1] for layer in manifest["layers"]]
    assert kinds == ["model", "template", "params", "license"]
    tree = hub.get("/api/models/sample/tiny-gguf/tree/main").json()
    lfs = next(entry["lfs"]["oid"] for entry in tree if entry["path"] == "tiny-F32.gguf")
    assert manifest["layers"][0]["digest"] == f"sha256:{lfs}"


def test_sample_ir_repository(hub):
    tree = hub.get("/api/models/sample/tiny-ir/tree/main?recursive=true").json()
    files = {entry["path"]: entry for entry in tree if entry["type"] == "file"}
    assert {"openvino_model.xml", "openvino_model.bin", "openvino_tokenizer.xml", "config.json",
            "generation_config.json", "README.md", "assets/notes/100% #1.txt"} <= set(files)
    assert any(entry["size"] == 0 for entry in files.values())
    for path, entry in files.items():
        data = follow(hub, f"/sample/tiny-ir/resolve/main/{urllib.parse.quote(path)}").body
        assert len(data) == entry["size"]
        if "lfs" in entry:
            assert hashlib.sha256(data).hexdigest() == entry["lfs"]["oid"]
        else:
            assert hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest() == entry["oid"]


def test_sample_on_disk_is_the_same(hub, tmp_path):
    subprocess.run([hub.program, "--write-sample", str(tmp_path)], check=True)
    with Hub(root=tmp_path) as copy:
        for name in ("tiny-gguf", "tiny-ir"):
            target = f"/api/models/sample/{name}"
            assert copy.get(target).json()["sha"] == hub.get(target).json()["sha"]
        target = "/v2/library/tiny/manifests/latest"
        assert copy.get(target).body == hub.get(target).body


def test_big_repository_has_what_it_says():
    files = models.big_repository(1 << 20)
    assert len(files) == 300
    assert b"" in files.values() and any("#" in path for path in files)
