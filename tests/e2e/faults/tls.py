"""TLS as the tests of the catalogue need it: an authority of their own, nginx in front of the hub,
and servers that end a connection as no well-behaved one does."""

import contextlib
import datetime
import shutil
import socket
import ssl
import subprocess
import threading

import harness


def _openssl(folder, *words):
    subprocess.run(["openssl", *map(str, words)], cwd=folder, check=True, capture_output=True)


class Authority:
    """A certificate authority that nobody but the test trusts. `certificate` is its own file."""

    def __init__(self, folder, name="castool test authority"):
        self.folder = folder
        self.folder.mkdir()
        self.certificate = folder / "authority.pem"
        self.key = folder / "authority.key"
        self.issued = 0
        _openssl(folder, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                 "-nodes", "-days", "30", "-subj", f"/CN={name}", "-keyout", self.key,
                 "-out", self.certificate)
        (folder / "index.txt").write_text("")
        (folder / "ca.conf").write_text(f"""
[ca]
default_ca = here
[here]
dir = {folder}
database = {folder}/index.txt
new_certs_dir = {folder}
rand_serial = yes
unique_subject = no
default_md = sha256
policy = any
[any]
commonName = supplied
""")

    def issue(self, names="IP:127.0.0.1,DNS:localhost", begins=-1, ends=2):
        """Certificate and key for subjectAltName `names`, valid from and to so many days from now."""
        self.issued += 1
        stem = self.folder / f"server{self.issued}"
        (self.folder / f"{stem.name}.ext").write_text(f"subjectAltName={names}\n")
        _openssl(self.folder, "req", "-new", "-newkey", "ec", "-pkeyopt",
                 "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=server", "-keyout",
                 f"{stem}.key", "-out", f"{stem}.csr")
        now = datetime.datetime.now(datetime.timezone.utc)
        first, last = ((now + datetime.timedelta(days=days)).strftime("%Y%m%d%H%M%SZ")
                       for days in (begins, ends))
        _openssl(self.folder, "ca", "-batch", "-config", "ca.conf", "-cert", self.certificate,
                 "-keyfile", self.key, "-startdate", first, "-enddate", last, "-extfile",
                 f"{stem}.ext", "-in", f"{stem}.csr", "-out", f"{stem}.pem", "-notext")
        return f"{stem}.pem", f"{stem}.key"

    def directory(self):
        """A directory as SSL_CERT_DIR wants it."""
        place = self.folder / "hashed"
        place.mkdir()
        shutil.copy(self.certificate, place / "authority.pem")
        _openssl(place, "rehash", place)
        return place


class Front:
    """nginx before Hub and CDN of the test hub; redirects stay within it. Logs TLS and HTTP version.

    `server` is added to both server blocks; a `cdn_url` of another front takes the CDN's place.
    `names` are those that castool knows the two by, `address` where they listen.
    """

    def __init__(self, nginx, hub, folder, certificate, key, server="", cdn_url=None,
                 names=("127.0.0.1", "127.0.0.1"), address="127.0.0.1"):
        folder.mkdir()
        ports = {hub.url: harness.free_port(), hub.cdn_url: harness.free_port()}
        self.port, self.cdn_port = ports.values()
        self.url = f"https://{names[0]}:{self.port}"
        self.cdn_url = cdn_url or f"https://{names[1]}:{self.cdn_port}"
        self.connections_log = folder / "connections.log"
        blocks = [f"""
  server {{
    listen {address}:{port} ssl{" http2" if "http2" in server else ""};
    ssl_certificate {certificate};
    ssl_certificate_key {key};
    access_log {folder}/connections.log tls;
    {server.replace("http2;", "")}
    location / {{
      proxy_pass {behind};
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_buffering off;
      proxy_redirect {hub.cdn_url}/ {self.cdn_url}/;
      proxy_redirect {hub.url}/ {self.url}/;
    }}
  }}""" for behind, port in ports.items()]
        hub.settings(link_base=self.url)
        log = ('log_format tls "$server_port $connection $server_protocol $ssl_alpn_protocol '
               '$status $http_range $request_uri";')
        self.nginx = nginx(folder, http=log + "".join(blocks))

    def redirect_cdn_to(self, url):
        """From the next start on another server takes the CDN's place."""
        path = self.nginx.folder / "nginx.conf"
        path.write_text(path.read_text().replace(f" {self.cdn_url}/;", f" {url}/;"))

    def log(self):
        """(port, connection, protocol, ALPN, status, range, target) of every request so far."""
        lines = self.connections_log.read_text().splitlines()
        return [tuple(line.split(" ", 6)) for line in lines]


class Server:
    """Accepts TCP connections on loopback and gives each to `converse(socket)` on a thread of its
    own, which may end it as rudely as it likes. `accepted` counts them."""

    def __init__(self, converse, address="127.0.0.1", port=0):
        self._converse = converse
        self._open = set()
        self._lock = threading.Lock()
        self._threads = []
        self.accepted = 0
        self._listener = socket.create_server((address, port), backlog=64)
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept)

    def __enter__(self):
        self._thread.start()
        return self

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            thread = threading.Thread(target=self._serve, args=(client,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, client):
        with self._lock:
            self._open.add(client)
        with contextlib.suppress(OSError, ssl.SSLError), client:
            client.settimeout(60)
            self._converse(client)
        with self._lock:
            self._open.discard(client)

    def __exit__(self, *_):
        # close() alone does not wake accept().
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)
        with self._lock:
            for client in self._open:
                with contextlib.suppress(OSError):
                    client.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
