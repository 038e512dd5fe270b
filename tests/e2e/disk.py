"""A disk of the test's own that loses power, and boots as the kernel tells them apart.

A loop-mounted ext4, and EXT4_IOC_SHUTDOWN for the power cut: what was not synced is gone, as on a
real disk. castool knows a boot by /proc/sys/kernel/random/boot_id, so here it runs in a mount
namespace of its own that has another file there.
"""

import array
import contextlib
import fcntl
import os
import pathlib
import subprocess
import uuid

from harness import wait_until, with_own_mounts

EXT4_IOC_SHUTDOWN = 0x8004587D
NO_LOG_FLUSH = 2  # not even what the journal still has in memory


def run(*words):
    subprocess.run(list(map(str, words)), check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.PIPE)


class Boots:
    """Makes castool see the boot id that was set last."""

    def __init__(self, castool):
        self.file = castool.folder / "boot_id"
        self.next()
        castool.prefix = with_own_mounts(
            'mount --bind "$0" /proc/sys/kernel/random/boot_id && exec "$@"', self.file)

    def next(self):
        self.file.write_text(f"{uuid.uuid4()}\n")


class Disk:
    """castool's store on an ext4 of `megabytes`; each power cut is followed by another boot."""

    def __init__(self, castool, megabytes):
        self.castool = castool
        self.image = castool.folder / "disk.img"
        self.place = castool.folder / "disk"
        self.place.mkdir()
        with open(self.image, "wb") as file:
            file.truncate(megabytes << 20)
        run("mkfs.ext4", "-q", "-F", self.image)
        self.boots = Boots(castool)
        self.mount()
        castool.store = self.place / "store"
        castool.environment["CASTOOL_STORE"] = str(castool.store)

    def mount(self):
        run("mount", "-o", "loop", self.image, self.place)

    def unmount(self):
        # The namespace of a process that was just killed may keep it for a moment.
        wait_until(lambda: not subprocess.run(["umount", self.place], stderr=subprocess.PIPE,
                                              check=False).returncode, 20, "umount")
        # Any mount namespace that was made meanwhile, also by a test that runs beside this one, has
        # the file system too: mounted again it would be the old one, still without power.
        wait_until(lambda: not self.is_attached(), 60, "the end of the loop device")

    def is_attached(self):
        return subprocess.run(["losetup", "-j", self.image], stdout=subprocess.PIPE,
                              check=True).stdout != b""

    def cut_power(self, *pulls):
        """The disk loses its power, then the pulls are gone, then the machine is up again."""
        self.shut_down()
        for pull in pulls:
            pull.process.kill()
            pull.process.communicate(timeout=30)
        self.unmount()
        self.boots.next()
        self.mount()

    def shut_down(self):
        fd = os.open(self.place, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, EXT4_IOC_SHUTDOWN, array.array("I", [NO_LOG_FLUSH]))
        finally:
            os.close(fd)

    def free_bytes(self):
        facts = os.statvfs(self.place)
        return facts.f_bavail * facts.f_frsize

    def fill(self, leave):
        """Takes all room but `leave` bytes; the ballast."""
        ballast = self.place / "ballast"
        with open(ballast, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, self.free_bytes() - leave)
        return ballast

    def close(self):
        self.castool.end_all()
        with contextlib.suppress(AssertionError):
            self.unmount()


RECORDS = 8192  # of a chunk table, 16 bytes each (docs/store-format.md)
CHUNK = 1 << 20


def chunks_present(store, size):
    """The chunks that the one partial of the store says it has."""
    [partial] = (pathlib.Path(store) / "partials").iterdir()
    table = (partial / "table").read_bytes()[RECORDS:]
    count = (size + CHUNK - 1) // CHUNK
    return [index for index in range(count) if len(table) > 16 * index + 8
            and table[16 * index + 8] == 1]


def damage(store, offset):
    """Flips a bit in the data of the store's one partial."""
    [partial] = (pathlib.Path(store) / "partials").iterdir()
    with open(partial / "data", "r+b") as file:
        file.seek(offset)
        before = file.read(1)
        file.seek(offset)
        file.write(bytes([before[0] ^ 1]))
        os.fsync(file.fileno())
