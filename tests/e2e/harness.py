"""castool as a person runs it, and the real servers it is run against.

Everything listens on loopback, lives in the test's own directory and is ended by its process id.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
import pathlib
import random
import signal
import socket
import subprocess
import time
import urllib.request

TMP_NAME = "tmp"  # of castool's TMPDIR

# Inherited as ignored where the tests are a shell's background job, and castool honours that.
signal.signal(signal.SIGINT, signal.default_int_handler)


def wait_until(condition, seconds=20, what="condition"):
    """Polls a condition that has no event to wait for; fails the test when it does not come true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come true in {seconds} s"
        time.sleep(0.02)


_given_ports = set()


def free_port():
    """Below the ports that the kernel gives to connections, so that it stays free a while; another
    one each time."""
    for _ in range(100):
        port = random.randrange(10_000, 32_000)
        if port in _given_ports:
            continue
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            _given_ports.add(port)
            return port
    raise RuntimeError("no port is free")


def answers(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def sha256_of(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return "sha256:" + digest.hexdigest()


@dataclasses.dataclass
class Outcome:
    """How one run of castool ended."""

    status: int
    out: str
    err: str

    @property
    def json(self):
        """Standard output as the objects of --json, one a line."""
        return [json.loads(line) for line in self.out.splitlines() if line]


class Castool:
    """Runs the installed binary with a store and a home directory of the test's own."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.store = self.folder / "store"
        self.prefix = []  # a program and its arguments that run castool
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder / "home"),
            "TMPDIR": str(self.folder / TMP_NAME),
            "CASTOOL_STORE": str(self.store),
            "LC_ALL": "C.UTF-8",
        }
        for name, value in os.environ.items():
            if name.endswith("SAN_OPTIONS"):
                self.environment[name] = value
        for name in ("home", TMP_NAME):
            (self.folder / name).mkdir(parents=True, exist_ok=True)

    @property
    def binary(self):
        return os.environ["CASTOOL"]

    def run(self, *words, status=0, timeout=120, env=None):
        """Runs to the end and checks the exit status; None accepts any."""
        done = subprocess.run([*self.prefix, self.binary, *map(str, words)], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              env=self.environment | (env or {}), timeout=timeout, check=False)
        said = f"castool {' '.join(map(str, words))}\n{done.stdout}\n{done.stderr}"
        assert status is None or done.returncode == status, f"exit {done.returncode}: {said}"
        assert "Sanitizer" not in done.stderr, said
        return Outcome(done.returncode, done.stdout, done.stderr)

    def start(self, *words, env=None, **options):
        """Starts without waiting; the caller ends it."""
        return subprocess.Popen([*self.prefix, self.binary, *map(str, words)], stdin=subprocess.DEVNULL,
                                env=self.environment | (env or {}), **options)

    def processes(self):
        """Ids of processes that still run with this store."""
        mark = f"CASTOOL_STORE={self.store}".encode()
        found = []
        for folder in pathlib.Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if mark in (folder / "environ").read_bytes().split(b"\0"):
                    state = (folder / "stat").read_text().rsplit(")", 1)[1].split()[0]
                    if state != "Z":
                        found.append(int(folder.name))
        return found

    def end_all(self):
        """Ends what a failed test left behind."""
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def with_own_mounts(script, *words):
    """The command that runs a shell's `script` in a mount namespace of its own.

    Mounts of the tests beside this one are let go of first: a copy keeps a mount's daemon running
    after it was unmounted elsewhere.
    """
    return ["unshare", "-m", "--propagation", "private", "sh", "-c",
            f"umount -a -l -t fuse.castool\n{script}", *map(str, words)]


def is_mounted(directory):
    field = str(directory).replace("\\", "\\134").replace(" ", "\\040")
    with open("/proc/self/mounts", encoding="utf-8", errors="surrogateescape") as mounts:
        return any(line.split(" ")[1] == field for line in mounts)


def force_unmount(directory):
    """Detaches whatever is mounted there, whether or not its daemon lives."""
    for command in (["fusermount3", "-uzq"], ["umount", "-l"]):
        if is_mounted(directory):
            subprocess.run([*command, str(directory)], stderr=subprocess.DEVNULL, check=False)


class Process:
    """A server of the test's, ended with the test."""

    def __init__(self, words, log, ready, **options):
        self.log = pathlib.Path(log)
        with open(self.log, "wb") as output:
            self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=output,
                                            stderr=subprocess.STDOUT, **options)
        try:
            wait_until(lambda: self.ended() or ready(), what=f"start of {words[0]}")
        except BaseException:
            self.stop()
            raise

    def ended(self):
        assert self.process.poll() is None, self.log.read_text(errors="replace")
        return False

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)


class Nginx:
    """Serves `root` as static files; `server` and `http` are added to the blocks of these names."""

    def __init__(self, folder, root, server="", http=""):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        (self.folder / "nginx.conf").write_text(f"""
daemon off;
master_process off;
pid {self.folder}/pid;
error_log {self.folder}/error.log;
events {{ worker_connections 512; }}
http {{
  access_log {self.folder}/access.log;
  client_body_temp_path {self.folder}/body;
  proxy_temp_path {self.folder}/proxy;
  fastcgi_temp_path {self.folder}/fastcgi;
  uwsgi_temp_path {self.folder}/uwsgi;
  scgi_temp_path {self.folder}/scgi;
  sendfile on;
  default_type application/octet-stream;
  {http}
  server {{
    listen 127.0.0.1:{self.port};
    root {root};
    {server}
  }}
}}
""")
        self.process = None
        self.start()

    def start(self):
        self.process = Process(["/usr/sbin/nginx", "-c", f"{self.folder}/nginx.conf",
                                "-p", f"{self.folder}/", "-e", f"{self.folder}/error.log"],
                               self.folder / "output", lambda: answers(self.port))

    def requests(self):
        """Lines of the access log so far."""
        return (self.folder / "access.log").read_text().splitlines()

    def stop(self):
        self.process.stop()


class DockerRegistry:
    """Debian's docker-registry: a real registry, filled over its own API."""

    MANIFEST_TYPE = "application/vnd.docker.distribution.manifest.v2+json"

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.host = f"127.0.0.1:{self.port}"
        self.url = f"http://{self.host}"
        (self.folder / "config.yml").write_text(f"""
version: 0.1
log: {{level: warn}}
storage:
  filesystem: {{rootdirectory: {self.folder}/data}}
  delete: {{enabled: true}}
http: {{addr: {self.host}}}
""")
        self.process = Process(["docker-registry", "serve", f"{self.folder}/config.yml"],
                               self.folder / "output", lambda: answers(self.port),
                               env={"PATH": os.environ["PATH"], "OTEL_TRACES_EXPORTER": "none"})

    def ask(self, method, url, body=None, headers=None):
        request = urllib.request.Request(url, data=body, method=method, headers=headers or {})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.headers, answer.read()

    def push_blob(self, repository, content):
        """Uploads in one piece; gives the digest."""
        digest = "sha256:" + hashlib.sha256(content).hexdigest()
        headers, _ = self.ask("POST", f"{self.url}/v2/{repository}/blobs/uploads/")
        place = headers["Location"]
        joint = "&" if "?" in place else "?"
        self.ask("PUT", f"{place}{joint}digest={digest}", content,
                 {"Content-Type": "application/octet-stream"})
        return digest

    def push_manifest(self, repository, tag, text):
        self.ask("PUT", f"{self.url}/v2/{repository}/manifests/{tag}", text.encode(),
                 {"Content-Type": self.MANIFEST_TYPE})

    def push_model(self, repository, tag, layers, config=b"{}"):
        """Pushes an Ollama model of [(media type, bytes)]; gives the manifest's text as stored."""
        def described(media_type, content):
            return {"mediaType": media_type, "digest": self.push_blob(repository, content),
                    "size": len(content)}
        manifest = {
            "schemaVersion": 2,
            "mediaType": self.MANIFEST_TYPE,
            "config": described("application/vnd.docker.container.image.v1+json", config),
            "layers": [described(media_type, content) for media_type, content in layers],
        }
        text = json.dumps(manifest)
        self.push_manifest(repository, tag, text)
        return text

    def stop(self):
        self.process.stop()
