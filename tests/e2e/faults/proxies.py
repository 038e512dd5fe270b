"""Proxies: tinyproxy, which checks user names and passwords, and one that keeps what it saw."""

import pathlib
import re
import socket
import threading

import harness
from tls import Server


class Tinyproxy:
    """Debian's tinyproxy on a port of its own; `user` and `password` are asked for if given."""

    def __init__(self, folder, user="", password=""):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir()
        self.port = harness.free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        login = f"BasicAuth {user} {password}\n" if user else ""
        (self.folder / "conf").write_text(
            f"Port {self.port}\nListen 127.0.0.1\nTimeout 60\nMaxClients 100\n{login}"
            f'LogFile "{self.folder}/log"\nLogLevel Connect\nPidFile "{self.folder}/pid"\n')
        self.process = None
        self.start()

    def start(self):
        self.process = harness.Process(["tinyproxy", "-d", "-c", f"{self.folder}/conf"],
                                       self.folder / "output",
                                       lambda: harness.answers(self.port))

    def stop(self):
        """At once, whatever is under way."""
        if self.process is not None:
            self.process.process.kill()
            self.process.stop()
            self.process = None

    def requests(self):
        """The first lines of what it was asked, "CONNECT host:port HTTP/1.1" and the like."""
        text = (self.folder / "log").read_text() + (self.folder / "output").read_text()
        return sorted(set(re.findall(r"Request \(file descriptor \d+\): (.*)", text)))


class Recorder(Server):
    """Tunnels CONNECT and keeps what the client said: `asked` in clear, `tunnelled` inside."""

    def __init__(self):
        self.asked = []
        self.tunnelled = bytearray()
        super().__init__(self._tunnel)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def _tunnel(self, client):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            got = client.recv(4096)
            if not got:
                return
            head += got
        self.asked.append(head)
        host, port = re.match(rb"CONNECT ([^ :]+):(\d+) ", head).groups()
        with socket.create_connection((host.decode(), int(port)), 60) as behind:
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=self._copy, args=(behind, client, None))
            back.start()
            self._copy(client, behind, self.tunnelled)
            back.join(60)

    @staticmethod
    def _copy(source, sink, kept):
        try:
            while block := source.recv(1 << 16):
                if kept is not None:
                    kept += block
                sink.sendall(block)
        except OSError:
            pass  # the other direction ended both
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
