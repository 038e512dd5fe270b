"""What is measured of fsck: reading a whole store again, against SHA-256 on every processor."""

import os
import subprocess
import threading

import measure
from scenarios import MIB, Scenario, at_least


class WholeStore(Scenario):
    """A store of four blobs a processor, everything in the page cache."""

    name = "fsck"
    hashing = "openssl dgst -sha256, one a processor"

    def __init__(self, bench):
        super().__init__(bench)
        self.processors = os.cpu_count()
        count = 4 * self.processors
        self.size = bench.size // count * count
        self.title = f"fsck of {count} blobs of {self.size // count // MIB} MiB"
        blobs = bench.registry.add_model("many", [self.size // count] * count)
        self.nginx = bench.nginx()
        self.castool.run("pull", "-q", "--insecure",
                         f"http://127.0.0.1:{self.nginx.port}/library/many:latest")
        self.blobs = [self.castool.store / "blobs/sha256" / name[:2] / name for _, name in blobs]

    def fsck(self):
        self.note("castool fsck", measure.command([self.castool.binary, "-q", "fsck"],
                                                  self.castool.environment))

    def hash_beside(self):
        """Each processor gets an equal share, so that all end together."""
        runs = []

        def hash_share(first):
            runs.append(measure.command(["openssl", "dgst", "-sha256",
                                         *self.blobs[first::self.processors]]))

        threads = [threading.Thread(target=hash_share, args=(first,))
                   for first in range(self.processors)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.note(self.hashing, measure.Run(max(run.seconds for run in runs),
                                            sum(run.cpu_seconds for run in runs)))

    def round(self, number):
        subprocess.run(["cat", *self.blobs], check=True, stdout=subprocess.DEVNULL)
        self.in_turn(number, self.fsck, self.hash_beside)

    def targets(self):
        return [at_least("castool fsck / SHA-256 on every processor",
                         self.rate("castool fsck") / self.rate(self.hashing), 0.95)]


ALL = [WholeStore]
