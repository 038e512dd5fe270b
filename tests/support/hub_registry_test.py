"""The registry: bytes as they are, four ways to a blob, and the token flow."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import struct
import subprocess
import time
import urllib.parse

import models
from hub_testing import follow


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
