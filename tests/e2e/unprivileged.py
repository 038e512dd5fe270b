"""castool as a user without privileges runs it."""

import os
import pathlib
import shutil
import stat
import subprocess

import harness

NOBODY = 65534
AS_NOBODY = ["/usr/bin/setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups"]


class Unprivileged(harness.Castool):
    """castool as the user nobody, in a mount namespace where everybody may open /dev/fuse."""

    def __init__(self, folder):
        super().__init__(folder)
        self.between = []  # a program and its arguments that nobody runs castool with
        shutil.copy(os.environ["CASTOOL"], folder / "castool")
        (folder / "mnt").mkdir()
        for path in (folder / "home", folder / "mnt"):
            os.chown(path, NOBODY, NOBODY)
        # No CASTOOL_STORE: the default place is part of what is tested.
        del self.environment["CASTOOL_STORE"]
        self.store = folder / "home/.local/share/castool"
        os.mknod(folder / "fuse", stat.S_IFCHR | 0o666, os.stat("/dev/fuse").st_rdev)
        os.chmod(folder / "fuse", 0o666)
        script = f"mount --bind {folder}/fuse /dev/fuse && echo ready && exec cat"
        self.namespace = subprocess.Popen(harness.with_own_mounts(script), stdin=subprocess.PIPE,
                                          stdout=subprocess.PIPE)
        assert self.namespace.stdout.readline() == b"ready\n"

    def inside(self, *words, **options):
        """Any command, by root, in the namespace."""
        return subprocess.run(["nsenter", "-t", str(self.namespace.pid), "-m", *map(str, words)],
                              capture_output=True, check=False, **options)

    @property
    def binary(self):
        return "/usr/bin/nsenter"

    def run(self, *words, **options):
        return super().run(*self._as_nobody(), *words, **options)

    def start(self, *words, **options):
        return super().start(*self._as_nobody(), *words, **options)

    def _as_nobody(self):
        return ["-t", self.namespace.pid, "-m", *AS_NOBODY, *self.between,
                self.folder / "castool"]

    def processes(self):
        mark = str(self.folder / "castool").encode()
        return [int(path.parent.name) for path in pathlib.Path("/proc").glob("[0-9]*/cmdline")
                if path.read_bytes().split(b"\0")[0] == mark]
