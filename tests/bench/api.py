"""The HTTP API: what a question costs, and what telling progress costs."""

import shutil
import statistics
import time

import api_client
import measure
import models
from hub import Hub
from scenarios import MIB, Scenario

MODELS = 1000
QUESTIONS = 50


def cpu_seconds(pid):
    """Processor time of a process so far, in nanoseconds' resolution (clock_getcpuclockid(3))."""
    return time.clock_gettime((~pid << 3) | 2)


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
        self.shares = []

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
        self.shares.append(self.telling() / pulling)

    def telling(self):
        """Processor seconds a second that a pull which stands still takes more when it is told."""
        with Hub(self.bench.program("tests/support/hub/castool-test-hub")) as hub:
            manifest, blobs = models.registry_model(models.gguf(tensor_bytes=12 * MIB))
            hub.add_model("library/held:latest", manifest, blobs)
            hub.fault({"stall_after": 0, "stall_ms": 3_600_000}, times=-1, origin="cdn", covers=9 * MIB)
            server = self.serve(hub.url)
            connection = server.connection()
            try:
                # Who waits for the end is told nothing on the way, and keeps the pull going.
                connection.request("POST", "/api/pull", body='{"model":"held","stream":false}')
                stream = server.stream("held")
                stream.until(lambda line: line.get("completed", 0) > 8 * MIB)
                told = self.use_of(server, stream.next)
                stream.hang_up()
                untold = self.use_of(server, lambda: time.sleep(0.1))
            finally:
                connection.close()
                server.stop()
        return told - untold

    @staticmethod
    def use_of(server, meanwhile):
        """Processor seconds a second of the server for five of them."""
        pid = server.process.pid
        before, started = cpu_seconds(pid), time.monotonic()
        while time.monotonic() < started + 5:
            meanwhile()
        return (cpu_seconds(pid) - before) / (time.monotonic() - started)

    def targets(self):
        pull = self.seconds("pull of what is here") * 1000
        tags = self.seconds("list of models") * 1000
        share = statistics.median(self.shares) * 100
        return [
            ("/api/pull of what is here", f"{pull:.1f} ms", "under 10 ms", pull < 10),
            (f"/api/tags of {MODELS} models", f"{tags:.1f} ms", "under 50 ms", tags < 50),
            ("telling progress, of a pull's processor time", f"{share:.2f} %", "under 1 %", share < 1),
        ]

    def stop(self):
        self.server.stop()


ALL = [Api]
