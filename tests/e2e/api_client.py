"""`castool serve` under test, and requests to it as a client sends them."""

import contextlib
import http.client
import json
import signal
import socket
import subprocess

LIMIT = 60  # seconds that a slow machine may take


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path):
        super().__init__("localhost", timeout=LIMIT)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(LIMIT)
        self.sock.connect(self.path)


class Answer:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = {name.lower(): value for name, value in headers}
        self.body = body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def lines(self):
        return [json.loads(line) for line in self.body.splitlines()]


class Stream:
    """A streaming /api/pull; its lines are read as they come."""

    def __init__(self, connection, response):
        self.connection = connection
        self.response = response
        self.status = response.status
        self.seen = []

    def next(self):
        """The next line as an object; None at the end."""
        line = self.response.readline()
        if not line:
            return None
        self.seen.append(json.loads(line))
        return self.seen[-1]

    def until(self, condition):
        while (line := self.next()) is not None:
            if condition(line):
                return line
        raise AssertionError(f"the stream ended: {self.seen[-5:]}")

    def rest(self):
        while self.next() is not None:
            pass
        self.connection.close()
        return self.seen

    def hang_up(self):
        self.response.close()
        self.connection.close()


class Reached:
    """A server that somebody else started, at "host:port" or a socket's path."""

    def __init__(self, host):
        self.host = str(host)

    @property
    def url(self):
        return f"http://{self.host}"

    def connection(self):
        if self.host.startswith("/"):
            return UnixConnection(self.host)
        return http.client.HTTPConnection(self.host, timeout=LIMIT)

    def ask(self, method, target, body=None, headers=None):
        """One request on a connection of its own; `body` as it is, or as JSON."""
        with contextlib.closing(self.connection()) as connection:
            data = body if body is None or isinstance(body, (str, bytes)) else json.dumps(body)
            connection.request(method, target, body=data, headers=headers or {})
            response = connection.getresponse()
            return Answer(response.status, response.getheaders(), response.read())

    def get(self, target, **headers):
        return self.ask("GET", target, headers=headers)

    def pull(self, model, **more):
        """A pull to its end."""
        return self.ask("POST", "/api/pull", {"model": model, **more})

    def stream(self, model, **more):
        """A streaming pull whose head has come."""
        connection = self.connection()
        connection.request("POST", "/api/pull", body=json.dumps({"model": model, **more}))
        return Stream(connection, connection.getresponse())

    def metric(self, name):
        """The value of a metric with its labels as they are written; 0 when it is not there."""
        for line in self.get("/metrics").body.decode().splitlines():
            if line.rsplit(" ", 1)[0] == name:
                return int(line.rsplit(" ", 1)[1])
        return 0


class Serve(Reached):
    """A running server; started when made."""

    def __init__(self, castool, *words, command=("serve", "--listen", "127.0.0.1:0")):
        self.process = castool.start(*command, *map(str, words), stdout=subprocess.PIPE, text=True,
                                     stderr=subprocess.PIPE)
        line = self.process.stdout.readline()
        if not line.startswith("serving on "):
            self.process.wait(LIMIT)
            raise AssertionError(f"{line}{self.process.stderr.read()}")
        self.where = line.removeprefix("serving on ").strip()
        super().__init__(self.where.split(" and ")[0])

    def stop(self):
        """Its exit status after SIGTERM, and what it wrote to standard error."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            _, err = self.process.communicate(timeout=LIMIT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            raise
        assert "Sanitizer" not in err, err
        return self.process.returncode, err
