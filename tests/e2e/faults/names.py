"""A network and a name server of a test's own.

The thread that asks for the network, and what it starts afterwards, see loopback and one link whose
other end answers nobody, and no other network. castool resolves names with this name server.
"""

import contextlib
import ctypes
import os
import pathlib
import shlex
import socket
import struct
import subprocess
import threading
import time

import harness

CLONE_NEWNET = 0x40000000
# On the link: ours, and one where packets go and nothing comes back.
HERE, NOWHERE = "10.9.0.1", "10.9.0.2"
HERE6, NOWHERE6 = "fd00:9::1", "fd00:9::2"
LINK = f"""
link set lo up
link add v0 type veth peer name v1
link set v0 up
link set v1 up
address add {HERE}/24 dev v0
address add {HERE6}/64 dev v0 nodad
neighbour add {NOWHERE} lladdr 02:00:00:00:00:99 dev v0 nud permanent
neighbour add {NOWHERE6} lladdr 02:00:00:00:00:99 dev v0 nud permanent
"""


class NotPossible(Exception):
    """This system does not let us have a network; says why."""


@contextlib.contextmanager
def network():
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/thread-self/ns/net", "rb") as before:
        if libc.unshare(CLONE_NEWNET) != 0:
            raise NotPossible(f"a network of its own: {os.strerror(ctypes.get_errno())}")
        try:
            done = subprocess.run(["ip", "-batch", "-"], input=LINK, text=True,
                                  capture_output=True, check=False)
            if done.returncode != 0:
                raise NotPossible(f"a link of its own: {done.stderr}")
            yield
        finally:
            assert libc.setns(before.fileno(), CLONE_NEWNET) == 0


def with_resolver(folder, binary):
    """A program that runs `binary` with the name server; of several addresses those where nobody
    answers are tried first."""
    folder = pathlib.Path(folder)
    folder.mkdir()
    files = {"resolv.conf": "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n",
             "nsswitch.conf": "hosts: files dns\n",
             "gai.conf": f"precedence ::ffff:{NOWHERE}/128 1000\n"
                         f"precedence {NOWHERE6}/128 1000\n",
             "hosts": "127.0.0.1 localhost\n"}
    mounts = []
    for name, text in files.items():
        (folder / name).write_text(text)
        # A link to a file that is not there cannot be mounted on; its target's place can.
        mounts.append(f"[ ! -e /etc/{name} ] || mount --bind {folder}/{name} /etc/{name} || exit 99")
    program = folder / "castool"
    inside = "\n".join([*mounts, f'exec {binary} "$@"'])
    words = shlex.join(harness.with_own_mounts(inside, "castool"))
    program.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
    program.chmod(0o755)
    return program


class NameServer:
    """Answers UDP on 127.0.0.1:53 from `addresses`: {name: [IPv4 and IPv6 texts]}.

    `codes` are answered first, one a question: 2 SERVFAIL, 3 NXDOMAIN, None no answer. What is not
    known is NXDOMAIN. `asked` has (time, name, type) of every question.
    """

    TYPES = {1: socket.AF_INET, 28: socket.AF_INET6}

    def __init__(self, addresses):
        self.addresses, self.codes, self.delay, self.asked = addresses, [], 0.0, []
        self.silent = False
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 53))
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._socket.sendto(b"", ("127.0.0.1", 53))
        self._thread.join(10)
        self._socket.close()

    def _serve(self):
        while not self._ended.is_set():
            query, sender = self._socket.recvfrom(512)
            if query:
                answer = self._answer(query)
                if answer and not self._ended.wait(self.delay):
                    self._socket.sendto(answer, sender)

    def _answer(self, query):
        labels, at = [], 12
        while length := query[at]:
            labels.append(query[at + 1:at + 1 + length].decode())
            at += 1 + length
        name = ".".join(labels).lower()
        kind = struct.unpack(">H", query[at + 1:at + 3])[0]
        question = query[12:at + 5]
        self.asked.append((time.monotonic(), name, kind))
        code = self.codes.pop(0) if self.codes else 0 if name in self.addresses else 3
        if code is None or self.silent:
            return None
        family = self.TYPES.get(kind)
        records = [] if code else [text for text in self.addresses[name]
                                   if (":" in text) == (family == socket.AF_INET6)]
        answers = b"".join(
            b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 0, len(packed)) + packed
            for packed in (socket.inet_pton(family, text) for text in records if family))
        count = len(records) if family else 0
        return query[:2] + struct.pack(">HHHHH", 0x8580 | code, 1, count, 0, 0) + question + answers
