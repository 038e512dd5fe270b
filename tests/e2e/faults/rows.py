"""What the tests of the catalogue share: a model with one large blob, and pulls of it.

The model is the same at both origins: `large`, several chunks that are fetched as ranges from the
CDN, and small files. A fault hits the ranges of `large` unless it is told what else.
"""

import json
import os
import re
import subprocess
import time
import urllib.parse

import checks
import models
from hub import Synthetic

MIB = 1 << 20
# Bounds hold for the program as it is installed; a sanitizer makes it several times slower.
SLACK = 4 if os.environ.get("CASTOOL_SANITIZE") else 1
# Waits are this much shorter: 30 s without a byte are 0.6 s. A sanitizer slows everything else.
SCALE = 0.05 if os.environ.get("CASTOOL_SANITIZE") else 0.02
HUB_TOKEN = "hf_canaryOfTheCatalogue"
PAGE = "<!DOCTYPE html><html><body>Please log in to the hotel</body></html>"
CONFIG = b'{"hidden_size": 8}'


def row_of(name):
    """The row that a test is for, from its name test_row_NN_what."""
    return int(re.match(r"test_row_(\d\d)_", name).group(1))


def most_at_once(entries):
    """How many of these requests were under way at the same time."""
    ends = [(entry["began_ms"], 1) for entry in entries]
    # An entry ends a moment after its client has the last byte; a millisecond is no overlap.
    ends += [(max(entry["ended_ms"] - 1, entry["began_ms"]), -1) for entry in entries]
    running = most = 0
    for _, step in sorted(ends):
        running += step
        most = max(most, running)
    return most


class Case:
    """One combination of origin and connections. `scale` may be changed before a pull."""

    def __init__(self, hub, castool, origin, connections):
        self.hub, self.castool = hub, castool
        self.origin, self.connections = origin, connections
        self.scale = SCALE
        self.words = ["--connections", connections]
        self.outputs = []
        self.seconds = 0.0  # of the last pull
        self.log_of_failure = []  # what the origin was asked by the last pull that failed
        self.secrets = [HUB_TOKEN]
        castool.environment["HF_TOKEN"] = HUB_TOKEN
        if origin == "registry":
            self.make_key()
        self.large = Synthetic(6 * MIB + 17, 4)
        self.put(self.large)

    def make_key(self):
        """What the registry's tokens are asked for with."""
        key = self.castool.folder / "home/.ollama/id_ed25519"
        key.parent.mkdir()
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", key],
                       check=True, stdin=subprocess.DEVNULL)
        self.secrets += key.read_text().splitlines()[2:-1]

    # The model

    def put(self, large, second=None, **more):
        """Makes `large`, small files and what else is given the model at the origin."""
        self.large = large
        files = {"config.json": CONFIG, "weights.bin": large, **more}
        if second is not None:
            files["second.bin"] = second
        # At both: the Hub says what digests made-up files have.
        self.commit = self.hub.add_repository("acme/m", files)
        self.digest = checks.digest_of(large, self.hub)
        if not self.at_hub:
            self.hub.settings(registry_auth=True)
            self.hub.add_model("library/m:latest", *self.registry_model(second))
        self.hub.clear_log()

    def registry_model(self, second=None):
        """Manifest and blobs of the model as the registry has it."""
        manifest, blobs = models.registry_model(self.large, model_digest=self.digest)
        if second is not None:
            parsed = json.loads(manifest)
            parsed["layers"].append({"mediaType": "application/vnd.ollama.image.projector",
                                     "digest": checks.digest_of(second, self.hub),
                                     "size": second.size})
            manifest, blobs = json.dumps(parsed).encode(), [*blobs, second]
        return manifest, blobs

    @property
    def at_hub(self):
        return self.origin == "hub"

    @property
    def source(self):
        return "acme/m" if self.at_hub else "m"

    @property
    def metadata(self):
        """Part of the target of the request that resolves the name."""
        return "/api/models/acme/m/revision" if self.at_hub else "/manifests/"

    @property
    def listing(self):
        """Of the request whose answer lists files and digests."""
        return "/tree/" if self.at_hub else "/manifests/"

    @property
    def address(self):
        """What matches the requests that ask where the large blob is."""
        if self.at_hub:
            return {"origin": "hub", "method": "HEAD", "target": "/weights.bin"}
        return {"origin": "hub", "method": "GET", "target": f"/blobs/{self.digest}"}

    def at(self, address):
        """castool asks there from now on."""
        self.castool.environment.update(HF_ENDPOINT=address, CASTOOL_OLLAMA_REGISTRY=address)
        self.hub.settings(registry_auth=False)

    @property
    def data(self):
        """What matches every request for bytes of the large blob, ranges or not."""
        if not self.at_hub:
            return {"origin": "cdn", "target": self.digest.removeprefix("sha256:")}
        answer = self.hub.get(f"/acme/m/resolve/{self.commit}/weights.bin", method="HEAD")
        self.hub.clear_log()
        return {"origin": "cdn", "target": urllib.parse.urlsplit(answer.headers["location"]).path}

    # Faults and what was asked

    def fault(self, action, times=1, **match):
        self.hub.fault(action, times=times, **(match or {"origin": "cdn", "ranged": True}))

    def always(self, action, **match):
        self.fault(action, -1, **match)

    def ranges(self, log=None):
        """The requests for parts of the large blob, in order; of the hub's log or of this one."""
        return [entry for entry in (self.hub.log() if log is None else log)
                if entry["origin"] == "cdn" and entry["range"]]

    def addresses(self, log=None):
        """The requests that asked where the large blob is, in order."""
        wanted = self.address
        return [entry for entry in (self.hub.log() if log is None else log)
                if entry["origin"] == "hub" and entry["method"] == wanted["method"]
                and wanted["target"] in entry["target"]]

    def faulted(self):
        """The requests for parts of the large blob that a fault hit."""
        return [entry for entry in self.ranges() if entry["faulted"]]

    def ranges_before_failure(self):
        return self.ranges(self.log_of_failure)

    def addresses_before_failure(self):
        return self.addresses(self.log_of_failure)

    def faulted_before_failure(self):
        """The requests that a fault hit before the pull failed."""
        return [entry for entry in self.log_of_failure if entry["faulted"]]

    # Pulls

    def run(self, *words, timeout=60, env=None):
        self.castool.environment["CASTOOL_TIME_SCALE"] = str(self.scale)
        began = time.monotonic()
        outcome = self.castool.run("pull", "-q", "--json", *self.words, *words, self.source,
                                   status=None, timeout=timeout, env=env)
        self.seconds = time.monotonic() - began
        self.outputs += [outcome.out, outcome.err]
        return outcome

    def succeeds(self, *words, within=20, env=None):
        """The pull succeeds within so many seconds and every byte is right; its last object."""
        outcome = self.run(*words, env=env)
        assert outcome.status == 0, outcome.err
        assert self.seconds <= SLACK * within, f"took {self.seconds:.1f} s"
        self.check_right()
        return outcome.json[-1]

    def fails(self, status, code, *said, words=(), within=20, then="succeeds", env=None):
        """The pull fails so within the time, and publishes nothing wrong; the error object.

        When the origin is well again the same pull succeeds, unless told else.
        """
        outcome = self.run(*words, env=env)
        checks.assert_error(outcome, status, code, *said)
        assert self.seconds <= SLACK * within, f"took {self.seconds:.1f} s"
        self.check_unpublished()
        error = outcome.json[-1]["error"]
        self.log_of_failure = self.hub.log()
        if then == "succeeds":
            self.hub.clear_faults()
            self.succeeds()
        return error

    def check_right(self):
        """The model is complete, and every published blob has the digest that is its name."""
        path = checks.blob_path(self.castool.store, self.digest)
        assert path.stat().st_size == self.large.size
        # The digest is the hub's word; the generator here is another writing of the same function.
        with open(path, "rb") as file:
            file.seek(MIB - 50)
            assert file.read(100) == self.large.read(MIB - 50, 100)
        assert checks.assert_blobs_are_right(self.castool.store) >= 2
        [ref] = [ref for ref in self.castool.run("ls", "--json").json]
        assert ref["state"] == "complete"

    def check_unpublished(self):
        assert self.castool.run("ls", "--json").out == ""
        checks.assert_blobs_are_right(self.castool.store)

    def check_secrets(self):
        """No credential went to the CDN or stands in what castool wrote."""
        assert [entry["target"] for entry in self.hub.log(origin="cdn", authorization=True)] == []
        tokens = {entry["headers"].get("Authorization", "") for entry in self.hub.log()}
        secrets = self.secrets + [token.removeprefix("Bearer ") for token in tokens if token]
        for secret in set(secrets):
            checks.assert_nowhere(secret, *self.outputs, folders=[self.castool.store])
            assert all(entry["origin"] == "hub" for entry in self.hub.saw(secret))
