"""/metrics: each counter moves with what it counts, and the text is what Prometheus reads."""

import re

import api_client
import harness
import models

MIB = 1 << 20
LIMIT = 60


def check_format(text):
    """Prometheus' text format 0.0.4: each metric described once, its samples behind that."""
    described = {}
    for line in text.splitlines():
        if line.startswith("# HELP "):
            name = line.split()[2]
            assert name not in described and len(line.split()) > 3, line
            described[name] = None
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            assert described[name] is None and kind in ("counter", "gauge")
            assert (kind == "counter") == name.endswith("_total"), line
            described[name] = kind
        else:
            match = re.fullmatch(r'([a-z_]+)(\{[a-z]+="[^"]*"\})? \d+', line)
            assert match and described.get(match[1]), line
    return described


def test_a_server(serve, hub, castool):
    manifest, blobs = models.registry_model(models.gguf(tensor_bytes=3 * MIB))
    hub.add_model("library/tiny:latest", manifest, blobs)
    server = serve("--registry", "--max-size", "1G")
    first = server.get("/metrics")
    assert first.headers["content-type"].startswith("text/plain; version=0.0.4")
    described = check_format(first.body.decode())
    for name in ("castool_pulls_total", "castool_pull_errors_total", "castool_fetched_bytes_total",
                 "castool_reused_bytes_total", "castool_verified_bytes_total", "castool_http_requests_total",
                 "castool_pulls_running", "castool_gc_runs_total",
                 "castool_gc_removed_models_total", "castool_gc_removed_blobs_total",
                 "castool_gc_freed_bytes_total"):
        assert name in described, name

    server.pull("tiny")
    fetched = server.metric("castool_fetched_bytes_total")
    assert fetched > 3 * MIB and server.metric("castool_verified_bytes_total") == fetched
    assert server.metric("castool_pulls_total") == 1
    server.pull("tiny")
    assert server.metric("castool_reused_bytes_total") == fetched
    server.pull("nothing")
    assert server.metric('castool_pull_errors_total{kind="not_found"}') == 1
    assert server.metric('castool_http_requests_total{code="404"}') == 1
    # What is brought here for another host.
    hub.add_model("library/other:latest", *models.registry_model(models.gguf(tensor_bytes=3 * MIB, seed=2)))
    assert server.get("/v2/library/other/manifests/latest").status == 200
    assert server.metric("castool_pulls_total") == 3
    check_format(server.get("/metrics").body.decode())
    server.stop()
    # The store is larger than it may be: the keeper removes models when it begins.
    keeping = serve("--max-size", "2M")
    harness.wait_until(lambda: keeping.metric("castool_gc_runs_total") > 0, LIMIT, "gc")
    assert keeping.metric("castool_gc_removed_models_total") > 0
    assert keeping.metric("castool_gc_removed_blobs_total") > 0
    assert keeping.metric("castool_gc_freed_bytes_total") > 3 * MIB


def test_a_mount(hub, castool, mountpoint):
    """Opens by the way they are read."""
    hub.add_repository("acme/pets", {"small.txt": "x\n", "big.safetensors": models.noise(3 * MIB)})
    hub.add_repository("acme/lazy", {"big.safetensors": models.noise(3 * MIB, 2), "config.json": "{}"})
    castool.run("pull", "acme/pets")
    castool.run("pull", "--lazy", "acme/lazy")
    path = castool.folder / "mount.sock"
    castool.run("mount", "--layout", "hf", "--trust-store", "--fill", "none", "--socket-listen", path,
                mountpoint)
    server = api_client.Reached(path)

    def opens(way):
        return server.metric(f'castool_mount_opens_total{{way="{way}"}}')

    check_format(server.get("/metrics").body.decode())
    before = {way: opens(way) for way in ("cache", "passthrough", "fetching")}

    def read(name, file):
        (found,) = mountpoint.glob(f"models--acme--{name}/snapshots/*/{file}")
        return len(found.read_bytes())

    assert read("pets", "small.txt") == 2
    assert opens("cache") == before["cache"] + 1
    assert read("pets", "big.safetensors") == 3 * MIB
    assert opens("cache") + opens("passthrough") == before["cache"] + before["passthrough"] + 2
    assert read("lazy", "big.safetensors") == 3 * MIB
    assert opens("fetching") == before["fetching"] + 1
    assert server.metric("castool_mount_open_errors_total") == 0
