"""Pulls from a real nginx: as a static registry, and as the CDN behind the Hub."""

import json
import re

import pytest

import checks
import models

MIB = 1 << 20


@pytest.fixture
def registry_root(tmp_path):
    """A registry as plain files below www: the folder, and the model's layers by digest."""
    manifest, blobs = models.registry_model(models.gguf(tensor_bytes=checks.scaled(128 * MIB)))
    model = tmp_path / "www" / "v2" / "library" / "static"
    (model / "manifests").mkdir(parents=True)
    (model / "blobs").mkdir()
    (model / "manifests" / "latest").write_bytes(manifest)
    layers = {checks.digest_of(blob): blob for blob in blobs}
    for digest, blob in layers.items():
        (model / "blobs" / digest).write_bytes(blob)
    return tmp_path / "www", manifest, layers


def pull(castool, server, *words):
    return castool.run("pull", "--json", *words, f"{server.url}/library/static").json[-1]


def assert_layers(castool, layers):
    for digest, blob in layers.items():
        checks.assert_same_file(checks.blob_path(castool.store, digest), blob)


def statuses(server, part):
    """The statuses of answers for targets with `part`, from the access log."""
    found = [re.search(r'" (\d{3}) \d+ ', line) for line in server.requests() if part in line]
    return [int(match.group(1)) for match in found]


@pytest.mark.parametrize("connections", [1, 16])
def test_ranges(nginx, castool, registry_root, connections):
    root, manifest, layers = registry_root
    server = nginx(root)
    outcome = pull(castool, server, "--connections", connections)
    assert outcome["manifest"] == checks.digest_of(manifest)
    assert outcome["bytes_fetched"] == sum(map(len, layers.values()))
    assert_layers(castool, layers)
    large = max(layers, key=lambda digest: len(layers[digest]))
    answers = statuses(server, large)
    assert set(answers) == {206} and len(answers) > 1


def test_without_ranges(nginx, castool, registry_root):
    root, _, layers = registry_root
    server = nginx(root, "max_ranges 0;")
    outcome = pull(castool, server)
    assert_layers(castool, layers)
    large = max(layers, key=lambda digest: len(layers[digest]))
    answers = statuses(server, large)
    # Found out once or twice, then streamed whole: never a copy per connection.
    assert set(answers) == {200} and len(answers) <= 16
    assert outcome["bytes_fetched"] <= 1.2 * outcome["bytes"]


def test_many_slow_connections_are_faster_than_one(nginx, castool, registry_root):
    root, _, layers = registry_root
    server = nginx(root, "limit_rate 8m;")
    seconds = pull(castool, server)["seconds"]
    assert_layers(castool, layers)
    # One connection would take this long.
    assert seconds < 0.6 * max(map(len, layers.values())) / (8 * MIB)


def test_compression_of_the_server_is_not_asked_for(nginx, castool, registry_root):
    root, _, layers = registry_root
    server = nginx(root, "gzip on; gzip_types *; gzip_min_length 1; gzip_proxied any;")
    pull(castool, server)
    assert_layers(castool, layers)


def test_a_limit_of_connections(nginx, castool, registry_root):
    root, _, layers = registry_root
    castool.environment["CASTOOL_TIME_SCALE"] = "0.05"
    # Whatever comes on a third connection at the same time gets 503. nginx sends the bytes of the
    # first second at once: a range has to be longer than that for requests to overlap.
    server = nginx(root, f"limit_conn few 2; limit_rate {checks.scaled(8 * MIB)};",
                   "limit_conn_zone $binary_remote_addr zone=few:1m;")
    pull(castool, server)
    assert_layers(castool, layers)
    assert {206, 503} <= set(statuses(server, "/blobs/"))


def test_as_the_cdn_of_the_hub(hub, nginx, castool, mountpoint, tmp_path):
    weights = models.noise(checks.scaled(64 * MIB) + 5, 3)
    (tmp_path / "www").mkdir()
    (tmp_path / "www" / "weights").write_bytes(weights)
    server = nginx(tmp_path / "www", 'add_header Cache-Control "no-store";')
    files = models.small_repository() | {"weights.bin": weights}
    hub.add_repository("acme/m", files)
    hub.fault({"headers": {"Location": f"{server.url}/weights?Signature=secret"}},
              target="/weights.bin", times=-1)
    outcome = castool.run("pull", "-vv", "acme/m", env={"HF_TOKEN": "hf_forTheHubAlone"})
    castool.run("mount", mountpoint)
    checks.assert_same_tree(mountpoint / "acme/m", files)
    assert {206} == set(statuses(server, "/weights"))
    # The signature of an address is a secret as well.
    checks.assert_nowhere("Signature=secret", outcome.out, outcome.err, folders=[castool.store])


def test_a_file_that_changes_at_the_origin(nginx, castool, registry_root):
    root, _, layers = registry_root
    server = nginx(root)
    large = max(layers, key=lambda digest: len(layers[digest]))
    path = root / "v2/library/static/blobs" / large
    path.write_bytes(layers[large][:-1] + b"?")
    outcome = castool.run("pull", "-q", "--json", f"{server.url}/library/static", status=None)
    checks.assert_error(outcome, 65, "digest_mismatch")
    assert json.loads(outcome.out.splitlines()[-1])["error"]["digest"] == large
    path.write_bytes(layers[large])
    pull(castool, server)
    assert_layers(castool, layers)
