"""What the bench pulls: a static registry for nginx, whose models have one or more large layers."""

import hashlib
import json
import os
import pathlib
import subprocess

import harness

MIB = 1 << 20


class Registry:
    """A folder laid out as a registry; nginx needs nothing else to serve it."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)

    def add_model(self, name, sizes):
        """library/NAME:latest with layers of random bytes; gives [(path, hex digest)]."""
        blobs = self._folder_of(name)
        layers = [self._add_blob(blobs, size) for size in sizes]
        self._add_manifest(name, [digest for _, digest in layers], sizes)
        return layers

    def add_sparse(self, name, size, head=b""):
        """library/NAME:latest with one layer that takes no disk; the hex of the digest that it is said
        to have, which nobody will find out to be wrong before all of it has come."""
        blobs = self._folder_of(name)
        digest = hashlib.sha256(name.encode()).hexdigest()
        with open(blobs / f"sha256:{digest}", "wb") as file:
            file.write(head)
            file.truncate(size)
        self._add_manifest(name, [digest], [size])
        return digest

    def _folder_of(self, name):
        blobs = self.folder / f"v2/library/{name}/blobs"
        blobs.mkdir(parents=True)
        return blobs

    def _add_manifest(self, name, digests, sizes):
        manifests = self.folder / f"v2/library/{name}/manifests"
        manifests.mkdir()
        blobs = self.folder / f"v2/library/{name}/blobs"
        config = b"{}"
        config_hex = hashlib.sha256(config).hexdigest()
        (blobs / f"sha256:{config_hex}").write_bytes(config)
        (manifests / "latest").write_text(json.dumps({
            "schemaVersion": 2,
            "mediaType": harness.DockerRegistry.MANIFEST_TYPE,
            "config": {"mediaType": "application/vnd.docker.container.image.v1+json",
                       "digest": f"sha256:{config_hex}", "size": len(config)},
            "layers": [{"mediaType": "application/vnd.ollama.image.model",
                        "digest": f"sha256:{digest}", "size": size}
                       for digest, size in zip(digests, sizes)],
        }))

    def warm(self):
        """Everything into the page cache: an origin's disk is not what is measured."""
        buffer = bytearray(4 * MIB)
        for path in self.folder.rglob("sha256:*"):
            with open(path, "rb", buffering=0) as file:
                while file.readinto(buffer):
                    pass

    @staticmethod
    def _add_blob(folder, size):
        draft = folder / "draft"
        digest = hashlib.sha256()
        with open(draft, "wb") as file:
            for start in range(0, size, 4 * MIB):
                block = os.urandom(min(4 * MIB, size - start))
                digest.update(block)
                file.write(block)
        blob = folder / f"sha256:{digest.hexdigest()}"
        draft.rename(blob)
        return blob, digest.hexdigest()


class Link:
    """castool-test-link before a port: `rtt_ms` round trip, `bytes_per_second` for all together."""

    def __init__(self, program, to, rtt_ms, bytes_per_second):
        self.process = subprocess.Popen(
            [program, "--to", str(to), "--delay-ms", str(rtt_ms // 2),
             "--bytes-per-second", str(bytes_per_second)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())

    def stop(self):
        self.process.stdin.close()
        self.process.wait(10)
