"""What people run against Ollama, as it stands in Ollama's documentation and examples: curl, and the
Python client that draws a bar for each layer with tqdm. Only host and port are other ones."""

import importlib.util
import json
import os
import subprocess
import sys

import pytest

import models

# From Ollama's docs/api.md.
CURL = [
    ("""curl http://localhost:11434/api/pull -d '{
  "model": "llama3.2"
}'""", "success"),
    ("""curl http://localhost:11434/api/pull -d '{"name": "llama3.2", "stream": false}'""", "success"),
    ("""curl http://localhost:11434/api/tags""", "llama3.2:latest"),
    ("""curl http://localhost:11434/api/show -d '{
  "model": "llama3.2"
}'""", "modified_at"),
    ("""curl http://localhost:11434/api/ps""", '{"models":[]}'),
    ("""curl http://localhost:11434/api/version""", "version"),
    ("""curl -I http://localhost:11434/api/blobs/DIGEST""", "200 OK"),
    ("""curl -X DELETE http://localhost:11434/api/delete -d '{
  "model": "llama3.2"
}'""", ""),
    ("""curl http://localhost:11434/api/tags""", '{"models":[]}'),
]

# A client over requests, with a tqdm bar for each digest.
TQDM = """
import json, sys
import requests
from tqdm import tqdm

bars = {}
with requests.post("http://localhost:11434/api/pull", json={"model": "llama3.2"}, stream=True) as response:
    response.raise_for_status()
    for line in response.iter_lines():
        event = json.loads(line)
        if "error" in event:
            sys.exit(event["error"])
        digest = event.get("digest")
        if not digest:
            print(event["status"])
            continue
        if digest not in bars:
            bars[digest] = tqdm(total=event["total"], desc=event["status"], unit="B", unit_scale=True)
        if completed := event.get("completed"):
            bars[digest].update(completed - bars[digest].n)
assert bars and all(bar.n == bar.total for bar in bars.values()), bars
"""


def at(server, text):
    return text.replace("localhost:11434", server.host.replace("127.0.0.1", "localhost"))


def add(hub):
    manifest, blobs = models.registry_model(models.gguf(tensor_bytes=3 << 20))
    hub.add_model("library/llama3.2:latest", manifest, blobs)
    return json.loads(manifest)["layers"][0]["digest"]


def test_curl(serve, hub):
    digest = add(hub)
    server = serve()
    for line, expected in CURL:
        done = subprocess.run(["sh", "-c", at(server, line).replace("DIGEST", digest)], check=True,
                              capture_output=True, text=True, timeout=60)
        assert expected in done.stdout, line


@pytest.mark.skipif(not all(importlib.util.find_spec(name) for name in ("tqdm", "requests")),
                    reason="tqdm or requests is not installed")
def test_python_with_tqdm(serve, hub):
    add(hub)
    server = serve()
    environment = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    done = subprocess.run([sys.executable, "-c", at(server, TQDM)], capture_output=True, text=True,
                          timeout=60, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "pulling manifest"
    assert done.stdout.splitlines()[-1] == "success"
