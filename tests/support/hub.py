"""Drives castool-test-hub from a test: start it, give it models, break it, read what it was asked.

    with Hub() as hub:
        hub.add_repository("acme/tiny", models.small_repository())
        hub.fault({"cut_after": 1000}, origin="cdn", times=2)
        run_castool("pull", "acme/tiny", env=hub.environment())
        assert hub.log(origin="cdn", authorization=True) == []

The program is looked for in CASTOOL_TEST_HUB. It ends with this process, however that ends.
What a fault and a setting can be stands in tests/support/hub/fault.h and settings.h.
Standard library only.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import shutil
import subprocess
import tempfile
import time
import urllib.parse
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping, Union

__all__ = ["Answer", "Hub", "Synthetic"]


@dataclass(frozen=True)
class Synthetic:
    """A file of `size` made-up bytes that takes no disk; `seed` decides which bytes."""

    size: int
    seed: int = 1

    def read(self, offset: int = 0, length: int | None = None) -> bytes:
        """The same bytes as the hub serves; slow, for spot checks (see content.h)."""
        end = self.size if length is None else min(offset + length, self.size)
        first, last = offset // 8, (end + 7) // 8
        words = b"".join(self._word(i) for i in range(first, last))
        return words[offset - 8 * first : end - 8 * first]

    def _word(self, index: int) -> bytes:
        mask = (1 << 64) - 1
        z = (self.seed + (index + 1) * 0x9E3779B97F4A7C15) & mask
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        return (z ^ (z >> 31)).to_bytes(8, "little")


# What a file of a repository may be given as; a path is linked, else copied.
FileSource = Union[bytes, str, Path, Synthetic]


@dataclass(frozen=True)
class Answer:
    """One HTTP response; header names in lower case, the last of equal ones."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Hub:
    """A running test hub. Everything it is given lives in `root`, a temporary directory by default.

    url       of the Hub (HF_ENDPOINT) and of the registry (CASTOOL_OLLAMA_REGISTRY)
    cdn_url   of the second origin, where LFS files and blobs are redirected to
    """

    def __init__(
        self,
        program: str | os.PathLike[str] | None = None,
        *,
        root: Path | None = None,
        sample: bool = False,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self.program = str(program or os.environ["CASTOOL_TEST_HUB"])
        self._own_root = root is None
        self.root = Path(root or tempfile.mkdtemp(prefix="castool-hub-"))
        self._sample = sample
        self._settings = dict(settings or {})
        self._process: subprocess.Popen[bytes] | None = None
        self.url = self.cdn_url = ""

    # Life

    def __enter__(self) -> Hub:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self, port: int = 0, cdn_port: int = 0) -> None:
        """Starts the program; after `stop`, the same ports make it the same origin again."""
        command = [self.program, "--exit-with-stdin", "--root", str(self.root)]
        command += ["--port", str(port), "--cdn-port", str(cdn_port)]
        if self._sample:
            command.append("--sample")
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.program} ended with status {self._process.wait()}")
        addresses = json.loads(line)
        self.url, self.cdn_url = addresses["hub"], addresses["cdn"]
        if self._settings:
            self.settings(**self._settings)

    def stop(self) -> int:
        """Ends the program, keeps the models; its exit status."""
        if self._process is None:
            return 0
        process, self._process = self._process, None
        process.terminate()
        status = process.wait(timeout=30)
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()
        return status

    def restart(self) -> None:
        """Stops and starts on the same ports: connections are lost, addresses stay."""
        ports = self.ports()
        self.stop()
        self.start(*ports)

    def ports(self) -> list[int]:
        """Those of Hub and CDN, for a `start` that makes them the same origins again."""
        return [urllib.parse.urlsplit(url).port or 0 for url in (self.url, self.cdn_url)]

    def close(self) -> None:
        self.stop()
        if self._own_root:
            shutil.rmtree(self.root, ignore_errors=True)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def environment(self, **more: str) -> dict[str, str]:
        """os.environ with castool pointed here and no credential or proxy of the machine."""
        dropped = ("HF_", "HUGGING_FACE_", "CASTOOL_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY",
                   "NO_PROXY")
        kept = {k: v for k, v in os.environ.items() if not k.upper().startswith(dropped)}
        return {**kept, "HF_ENDPOINT": self.url, "CASTOOL_OLLAMA_REGISTRY": self.url, **more}

    # Models

    def add_repository(
        self,
        name: str,
        files: Mapping[str, FileSource],
        *,
        revision: str = "main",
        **circumstances: Any,
    ) -> str:
        """Makes `files` the repository's `revision` (all of it); the commit id.

        Circumstances: private=True, gated="auto", disabled=True, tokens=[who has access]. What was
        committed before stays served under its commit id.
        """
        organisation, bare = name.split("/")
        directory = self.root / "hub" / organisation / bare
        if revision != "main":
            directory = directory.with_name(bare + "@" + urllib.parse.quote(revision, safe=""))
        self._replace_directory(directory, files)
        if circumstances:
            self._write(self.root / "hub" / f"{name}.hub.json", circumstances)
        return self.reload()[name][revision]

    def rename_repository(self, old: str, new: str) -> None:
        """Asks for `old` (one part or two) are sent on to `new`."""
        self._write(self.root / "hub" / f"{old}.hub.json", {"renamed_to": new})
        self.reload()

    def set_circumstances(self, name: str, **circumstances: Any) -> None:
        """Replaces all circumstances of a repository; none: public."""
        self._write(self.root / "hub" / f"{name}.hub.json", circumstances)
        self.reload()

    def remove_repository(self, name: str) -> None:
        organisation, bare = name.split("/")
        for path in (self.root / "hub" / organisation).glob(f"{bare}*"):
            if path.name.split("@")[0] == bare:
                shutil.rmtree(path)
            elif path.name == f"{bare}.hub.json":
                path.unlink()
        self.reload()

    def add_model(
        self, name: str, manifest: bytes, blobs: Mapping[str, FileSource] | list[FileSource]
    ) -> str:
        """A registry model `ns/model:tag` (see models.registry_model); its manifest's digest.

        Manifest bytes are served as they are; blobs under the sha256 of their bytes.
        """
        path, _, tag = name.partition(":")
        model = self.root / "registry" / path
        sources = list(blobs.values()) if isinstance(blobs, Mapping) else list(blobs)
        for index, source in enumerate(sources):
            self._place(model / "blobs" / f"{tag}-{index}", source)
        self._place(model / "manifests" / (tag or "latest"), manifest)
        self.reload()
        return "sha256:" + hashlib.sha256(manifest).hexdigest()

    def remove_model(self, name: str) -> None:
        shutil.rmtree(self.root / "registry" / name.partition(":")[0])
        self.reload()

    def reload(self) -> dict[str, dict[str, str]]:
        """Reads `root` again, as the methods above do; {repository: {revision: commit}}."""
        return self._control("POST", "reload")

    # Faults and settings

    def fault(
        self, action: Mapping[str, Any], *, times: int = 1, after: int = 0, **match: Any
    ) -> None:
        """The next `times` requests that match (-1: all, after the first `after`) suffer `action`.

        match: origin="hub"|"cdn", method=, target= (part of it), glob=, ranged=, range_from=,
        covers=, range_over=, reused=
        """
        self.faults([{"match": match, "times": times, "after": after, "action": dict(action)}])

    def faults(self, rules: list[dict[str, Any]]) -> None:
        self._control("POST", "faults", rules)

    def fault_hits(self) -> list[int]:
        """How often each rule struck, in the order given."""
        return [rule["hits"] for rule in self._control("GET", "faults")]

    def hold(self, offset: int) -> None:
        """What the CDN has from `offset` of a file waits for `clear_faults`; whoever has asked by
        then has to give up and ask again."""
        self.fault({"stall_at": offset, "stall_ms": 3_600_000}, times=-1, origin="cdn")

    def clear_faults(self) -> None:
        self._control("DELETE", "faults")

    def settings(self, **values: Any) -> dict[str, Any]:
        """Changes what is given; all settings."""
        return self._control("POST" if values else "GET", "settings", values or None)

    def expire_signatures(self) -> None:
        self._control("POST", "expire")

    def revoke_tokens(self) -> None:
        """Every token of the registry's token endpoint is void."""
        self._control("POST", "revoke")

    def reset(self) -> None:
        """No faults, an empty log, counters at zero. Settings and models stay."""
        for what in ("faults", "log", "stats"):
            self._control("DELETE", what)

    # What happened

    def log(
        self,
        *,
        origin: str | None = None,
        method: str | None = None,
        target: str = "",
        **equal: Any,
    ) -> list[dict[str, Any]]:
        """Requests in order (see request_log.h) that have `target` in theirs and equal members."""
        given = {"origin": origin, "method": method, **equal}
        wanted = {key: value for key, value in given.items() if value is not None}
        return [
            entry
            for entry in self._control("GET", "log")
            if target in entry["target"] and all(entry[k] == v for k, v in wanted.items())
        ]

    def clear_log(self) -> None:
        self._control("DELETE", "log")

    def wait_for_request(self, *, timeout: float = 30, count: int = 1, **wanted: Any) -> None:
        """Returns when the log holds `count` such requests (see `log`); TimeoutError otherwise."""
        deadline = time.monotonic() + timeout
        while len(self.log(**wanted)) < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"the hub saw fewer than {count} of {wanted}")
            time.sleep(0.01)

    def bytes_sent(self, **wanted: Any) -> int:
        """Body bytes that went out for such requests."""
        return sum(entry["bytes_sent"] for entry in self.log(**wanted))

    def saw(self, secret: str) -> list[dict[str, Any]]:
        """The requests that carried `secret` anywhere in target or headers."""
        return [entry for entry in self.log()
                if secret in entry["target"] or secret in json.dumps(entry["headers"])]

    def stats(self) -> dict[str, dict[str, int]]:
        """{"hub" and "cdn": {"accepted", "refused", "active", "peak"}} connections."""
        return self._control("GET", "stats")

    # Plain requests

    def get(
        self,
        target: str,
        headers: Mapping[str, str] | None = None,
        *,
        method: str = "GET",
        body: bytes | None = None,
    ) -> Answer:
        """One request to a path on the Hub or an absolute address; follows no redirect."""
        parts = urllib.parse.urlsplit(urllib.parse.urljoin(self.url, target))
        connection = http.client.HTTPConnection(parts.netloc, timeout=30)
        try:
            path = parts.path + ("?" + parts.query if parts.query else "")
            connection.request(method, path, body=body, headers=dict(headers or {}))
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, found, response.read())
        finally:
            connection.close()

    # Below the surface

    def _control(self, method: str, what: str, value: Any = None) -> Any:
        body = None if value is None else json.dumps(value).encode()
        answer = self.get(f"/_hub/{what}", method=method, body=body)
        if answer.status != 200:
            raise ValueError(f"{what}: {answer.body.decode(errors='replace')}")
        return answer.json()

    @staticmethod
    def _write(path: Path, value: Any) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(value))

    def _replace_directory(self, directory: Path, files: Mapping[str, FileSource]) -> None:
        # Beside, then moved: the hub keeps the old files open for their commits.
        fresh = Path(tempfile.mkdtemp(dir=self.root))
        for path, source in files.items():
            self._place(fresh / path, source)
        directory.parent.mkdir(parents=True, exist_ok=True)
        if directory.exists():
            shutil.rmtree(directory)
        fresh.rename(directory)

    @staticmethod
    def _place(path: Path, source: FileSource) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        if isinstance(source, Synthetic):
            description = {"size": source.size, "seed": source.seed}
            path.with_name(path.name + ".synthetic").write_text(json.dumps(description))
        elif isinstance(source, Path):
            try:
                os.link(source, path)
            except OSError:
                shutil.copyfile(source, path)
        else:
            path.write_bytes(source.encode() if isinstance(source, str) else source)
