"""The HTTP API: what a question costs, and what telling progress costs."""

import os
import pathlib
import shutil
import statistics
import threading
import time

import api_client
import measure
import models
from hub import Hub
from scenarios import MIB, Scenario

MODELS = 1000
QUESTIONS = 50


def cpu_seconds(pid):
    """User and system time of a process so far."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Api(Scenario):
    """castool serve with a thousand models: pulling one that is here, listing, telling progress."""

    name = "api"
    title = f"castool serve with {MODELS} models"

    def __init__(self, bench):
        super().__init__(bench)
        for i in range(MODELS):
            bench.registry.add_model(f"small{i}", [1024])
        bench.registry.add_model("large", [bench.size])
        self.nginx = bench.nginx()
        shutil.rmtree(self.castool.store, ignore_errors=True)
        self.server = self.serve(self.nginx.url)
        for i in range(MODELS):
            self.server.pull(f"small{i}", stream=False)
        self.idle_share = []

    def serve(self, registry):
        self.castool.environment["CASTOOL_OLLAMA_REGISTRY"] = registry
        return api_client.Serve(self.castool)

    def ask(self, name, question):
        seconds = []
        for _ in range(QUESTIONS):
            started = time.monotonic()
            assert question().status == 200
            seconds.append(time.monotonic() - started)
        self.note(name, measure.Run(statistics.median(seconds)))

    def round(self, number):
        self.ask("pull of what is here", lambda: self.server.pull("small7"))
        self.ask("list of models", lambda: self.server.get("/api/tags"))
        pid = self.server.process.pid
        before, started = cpu_seconds(pid), time.monotonic()
        assert self.server.pull("large").lines[-1] == {"status": "success"}
        pulling = (cpu_seconds(pid) - before) / (time.monotonic() - started)
        self.server.ask("DELETE", "/api/delete", {"model": "large"})
        for path in self.castool.store.glob("blobs/sha256/*/*"):
            if path.stat().st_size == self.bench.size:
                path.unlink()
        self.idle_share.append(self.telling() / pulling)

    def telling(self):
        """Processor seconds a second while a pull that stands still is told to one caller."""
        with Hub(self.bench.program("tests/support/hub/castool-test-hub")) as hub:
            manifest, blobs = models.registry_model(models.gguf(tensor_bytes=12 * MIB))
            hub.add_model("library/held:latest", manifest, blobs)
            hub.fault({"stall_after": 0, "stall_ms": 3_600_000}, times=-1, origin="cdn", covers=9 * MIB)
            server = self.serve(hub.url)
            try:
                stream = server.stream("held")
                stream.until(lambda line: line.get("completed", 0) > 8 * MIB)
                before, started = cpu_seconds(server.process.pid), time.monotonic()
                end = threading.Event()
                threading.Timer(5, end.set).start()
                while not end.is_set():
                    stream.next()
                used = (cpu_seconds(server.process.pid) - before) / (time.monotonic() - started)
                stream.hang_up()
            finally:
                server.stop()
        return used

    def targets(self):
        pull = self.seconds("pull of what is here") * 1000
        tags = self.seconds("list of models") * 1000
        share = statistics.median(self.idle_share) * 100
        return [
            ("/api/pull of what is here", f"{pull:.1f} ms", "under 10 ms", pull < 10),
            (f"/api/tags of {MODELS} models", f"{tags:.1f} ms", "under 50 ms", tags < 50),
            ("telling progress, of a pull's processor time", f"{share:.2f} %", "under 1 %", share < 1),
        ]

    def stop(self):
        self.server.stop()


ALL = [Api]
