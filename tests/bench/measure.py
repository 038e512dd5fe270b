"""How a contender is measured: time, processor time, and the peak of its anonymous memory."""

import contextlib
import dataclasses
import os
import pathlib
import re
import subprocess
import threading
import time

DROP_CACHES = pathlib.Path("/proc/sys/vm/drop_caches")


@dataclasses.dataclass
class Run:
    seconds: float
    cpu_seconds: float | None = None  # user and system; None when it cannot be told apart
    peak_rss_anon: int = 0            # bytes


def settle(folder, size):
    """Gives every contender the same start: nothing to write back, and memory that was just in use.

    A virtual machine gets idle memory from its host page by page, which costs whoever writes first
    as much as the whole download; a scratch file pays for it.
    """
    os.sync()
    scratch = folder / "scratch"
    block = bytes(4 << 20)
    with open(scratch, "wb") as file:
        for _ in range(0, size + len(block), len(block)):
            file.write(block)
    scratch.unlink()
    os.sync()


def can_drop_caches():
    return os.access(DROP_CACHES, os.W_OK)


def drop_caches():
    os.sync()
    DROP_CACHES.write_text("3\n")


def rss_anon(pid):
    with contextlib.suppress(OSError):
        match = re.search(r"^RssAnon:\s+(\d+) kB", pathlib.Path(f"/proc/{pid}/status").read_text(),
                          re.M)
        return int(match.group(1)) << 10 if match else 0
    return 0


def command(words, environment=None):
    """Runs a command to its end; it has to succeed."""
    ended = threading.Event()
    peak = 0

    def sample(pid):
        nonlocal peak
        while not ended.wait(0.005):
            peak = max(peak, rss_anon(pid))

    started = time.monotonic()
    process = subprocess.Popen([str(word) for word in words], env=environment,
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    sampler = threading.Thread(target=sample, args=(process.pid,))
    sampler.start()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    ended.set()
    sampler.join()
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, words))}: exit status {process.returncode}")
    return Run(seconds, usage.ru_utime + usage.ru_stime, peak)


def read(path):
    """Reads a whole file in pieces of 1 MiB, as the readers of models do at most."""
    buffer = bytearray(1 << 20)
    started = time.monotonic()
    descriptor = os.open(path, os.O_RDONLY)
    try:
        offset = 0
        while count := os.preadv(descriptor, [buffer], offset):
            offset += count
    finally:
        os.close(descriptor)
    if offset != os.stat(path).st_size:
        raise SystemExit(f"{path}: read {offset} bytes")
    return Run(time.monotonic() - started)
