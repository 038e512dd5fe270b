"""Watches for threads that the kernel does not wake: what khungtaskd would report, but sooner."""

import pathlib
import threading
import time


class HungTasks:
    """Within `with`: no thread of these processes may stay in one uninterruptible sleep for `limit`
    seconds. Readers of a mount sleep so while a page is on its way, but each answer wakes them."""

    def __init__(self, pids, limit=20):
        self.pids = pids
        self.limit = limit
        self.found = []
        self._since = {}  # (thread, its switches) -> when it was first seen asleep like that
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, kind, error, trace):
        self._over.set()
        self._thread.join()
        if kind is None:
            assert not self.found, self.found

    def _watch(self):
        while not self._over.wait(0.25):
            asleep = {task for pid in self.pids for task in tasks_asleep(pid)}
            now = time.monotonic()
            self._since = {task: self._since.get(task, now) for task in asleep}
            for task, since in self._since.items():
                if now - since >= self.limit and task not in self.found:
                    self.found.append(task)


def tasks_asleep(pid):
    """(name, thread, voluntary switches, where it waits) of the threads in uninterruptible sleep."""
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*"):
        try:
            status = dict(line.split(":", 1) for line in (task / "status").read_text().splitlines()
                          if ":" in line)
            if status["State"].strip().startswith("D"):
                yield (status["Name"].strip(), int(task.name),
                       int(status["voluntary_ctxt_switches"]), (task / "wchan").read_text())
        except (FileNotFoundError, ProcessLookupError):
            pass  # it ended meanwhile
