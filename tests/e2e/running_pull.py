"""A pull under way, watched by the events that it prints."""

import json
import subprocess
import threading
import time


class RunningPull:
    """`castool pull --json`; its events are read as they come."""

    def __init__(self, castool, *words):
        self.process = castool.start("pull", "--json", *words, stdout=subprocess.PIPE,
                                     stderr=subprocess.PIPE)
        self.digest = ""
        self.completed = 0  # bytes of the blob, as far as told
        self.err = b""  # standard error, once it has ended
        self.history = []  # (time.monotonic(), completed) of the blob

    @property
    def pid(self):
        return self.process.pid

    def look(self, line):
        entry = json.loads(line)
        if entry.get("digest") == self.digest:
            self.completed = entry.get("completed", 0)
            self.history.append((time.monotonic(), self.completed))
        return entry

    def read_until(self, digest, completed):
        """Until that many bytes of the blob are there."""
        if self.digest == digest and self.completed >= completed:
            return
        self.digest = digest
        for line in self.process.stdout:
            self.look(line)
            if self.completed >= completed:
                return
        raise AssertionError(f"the pull ended at {self.completed}: {self.process.stderr.read()}")

    def send(self, number):
        """Sends a signal; how it ended."""
        self.process.send_signal(number)
        return self.wait(60)

    def wait(self, timeout=120):
        """How it ended."""
        out, self.err = self.process.communicate(timeout=timeout)
        for line in out.splitlines(keepends=True):
            if line.endswith(b"\n"):
                self.look(line)
        return self.process.returncode

    def run_through(self, meanwhile):
        """Calls `meanwhile` and waits for the pull to succeed. Its events are read all the time: a
        full pipe would stop it."""
        reader = threading.Thread(target=self.process.stdout.read)
        reader.start()
        try:
            meanwhile()
            assert self.process.wait(120) == 0, self.process.stderr.read()
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            reader.join()

    def finish(self, timeout=120):
        """The outcome of a pull that succeeds."""
        out, self.err = self.process.communicate(timeout=timeout)
        assert self.process.returncode == 0, self.err
        entries = [self.look(line) for line in out.splitlines()]
        return entries[-1]


def finish_all(pulls, timeout=120):
    """The outcomes of pulls that run beside each other, none of which waits for its output."""
    outcomes = [None] * len(pulls)
    problems = []

    def drain(index):
        try:
            outcomes[index] = pulls[index].finish(timeout)
        except BaseException as problem:  # reported by the thread that waits
            problems.append(problem)

    threads = [threading.Thread(target=drain, args=(index,)) for index in range(len(pulls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if problems:
        raise problems[0]
    return outcomes
