"""castool --socket: the command line through a server, as if it were the store."""

import signal

import api_client
import harness
import models

MIB = 1 << 20


def start(serve, castool, *words):
    path = castool.folder / "api.sock"
    serve("--socket-listen", path, *words, command=("serve",))
    return path


def test_it_says_the_same(serve, hub, castool):
    manifest, blobs = models.registry_model()
    hub.add_model("library/tiny:latest", manifest, blobs)
    hub.add_repository("acme/pets", models.small_repository())
    path = start(serve, castool)
    nowhere = {"CASTOOL_STORE": "/nonexistent/store"}  # this client has none

    lines = castool.run("--socket", path, "pull", "--json", "tiny", env=nowhere).json
    assert lines[0] == {"status": "pulling manifest"}
    result = lines[-1]
    assert list(result) == ["status", "name", "manifest", "revision", "files", "bytes",
                            "bytes_fetched", "bytes_reused", "seconds"]
    assert (result["status"], result["name"]) == ("success", "tiny:latest")
    assert result["bytes"] == result["bytes_fetched"] > 0
    said = castool.run("pull", "acme/pets", env=nowhere | {"CASTOOL_SOCKET": str(path)})
    assert said.out.startswith("acme/pets: ")

    for words in [("ls",), ("ls", "--json"), ("show", "tiny"), ("show", "--json", "acme/pets", "tiny")]:
        here = castool.run(*words)
        there = castool.run("--socket", path, *words, env=nowhere)
        assert (there.out, there.err) == (here.out, here.err) and here.out
    missing = castool.run("--socket", path, "show", "--json", "none", env=nowhere, status=66)
    assert missing.json[0]["error"]["code"] == "not_found"
    assert missing.err == castool.run("show", "none", status=66).err

    castool.run("--socket", path, "cp", "tiny", "second:v1", env=nowhere)
    castool.run("--socket", path, "pin", "second:v1", env=nowhere)
    castool.run("--socket", path, "set", "acme/pets", "--task", "text_generation", "--target_device", "GPU",
                env=nowhere)
    copied, options = castool.run("show", "--json", "second:v1", "acme/pets").json
    assert copied["pinned"] and options["options"]["target_device"] == "GPU"
    castool.run("--socket", path, "unpin", "second:v1", env=nowhere)
    assert not castool.run("show", "--json", "second:v1").json[0]["pinned"]
    castool.run("--socket", path, "rm", "second:v1", env=nowhere)

    assert castool.run("--socket", path, "rm", "tiny", env=nowhere).out == "tiny:latest: removed\n"
    assert [entry["name"] for entry in castool.run("ls", "--json").json] == ["acme/pets"]


def test_errors_and_limits(serve, hub, castool):
    path = start(serve, castool)
    for words, status in [(("pull", "nobody/none:v1"), 66), (("pull", "--json", "hf://nobody/none"), 66),
                          (("pull", "evil.example/a/b"), 77), (("pull", "--lazy", "tiny"), 64),
                          (("pull", "--name", "x", "tiny"), 64), (("ls", "--all-namespaces"), 64),
                          (("df",), 64), (("status",), 64), (("show", "a b"), 64), (("gc",), 64),
                          (("fsck",), 64), (("quota",), 64), (("update",), 64), (("import", "x"), 64),
                          (("export", "a", "b"), 64), (("cp", "none:v1", "x"), 66),
                          (("pin", "none:v1"), 66), (("set", "none:v1", "--target_device", "GPU"), 66)]:
        failed = castool.run("--socket", path, *words, status=status)
        assert failed.err.startswith("castool: ") and failed.err.count("\n") == 1, words
        assert str(castool.store) not in failed.err
    manifest, blobs = models.registry_model(models.gguf(tensor_bytes=3 * MIB))
    hub.add_model("library/bad:latest", manifest, blobs)
    hub.fault({"garble": True}, times=-1, target="/blobs/", origin="hub")
    hub.fault({"garble": True}, times=-1, origin="cdn")
    castool.run("--socket", path, "pull", "bad", status=65)
    nobody = castool.run("--socket", castool.folder / "none.sock", "ls", status=69)
    assert "no server answers there" in nobody.err
    # Over TCP nobody has commands run.
    server = serve()
    assert server.ask("POST", "/castool/run", {"words": ["ls"]}).status == 404
    by_hand = api_client.Reached(path)
    for words in (["mount", "/mnt"], ["serve"], ["--help"], [], ["gc"], "ls", ["ls", "--all-namespaces"]):
        answer = by_hand.ask("POST", "/castool/run", {"words": words})
        assert answer.status == 200 and answer.json["status"] == 64, words


def test_an_interrupted_pull(serve, hub, castool):
    manifest, blobs = models.registry_model(models.gguf(tensor_bytes=12 * MIB))
    hub.add_model("library/big:latest", manifest, blobs)
    hub.fault({"stall_after": 0, "stall_ms": 3_600_000}, times=-1, origin="cdn", covers=9 * MIB)
    path = start(serve, castool)
    server = api_client.Reached(path)
    client = castool.start("--socket", path, "pull", "--no-progress", "big")
    harness.wait_until(lambda: server.metric("castool_pulls_running") == 1, 60, "the pull")
    client.send_signal(signal.SIGINT)
    assert client.wait(60) == 130
    harness.wait_until(lambda: server.metric("castool_pulls_running") == 0, 60, "its end")
