"""The Debian package: built, installed into a system of its own, used there and removed.

That system is this one with a layer of memory above it, in a mount namespace that goes with the
process that holds it.
"""

import os
import pathlib
import subprocess

import pytest

import harness

PREPARE = """
mount -t tmpfs none "$1" && mkdir "$1/upper" "$1/work" "$1/root" || exit 1
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root" || exit 1
for place in proc dev sys; do mount --rbind "/$place" "$1/root/$place" || exit 1; done
mount -t tmpfs none "$1/root/tmp" && mount -t tmpfs none "$1/root/run" || exit 1
echo ready
exec cat
"""


class System:
    """A system to install into. Commands run in it as root."""

    def __init__(self, folder):
        self.root = folder / "root"
        self.holder = subprocess.Popen(
            harness.with_own_mounts(PREPARE, "prepare", folder),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if self.holder.stdout.readline() != "ready\n":
            _, why = self.holder.communicate(timeout=60)
            pytest.skip(f"cannot make a system to install into: {why.strip()}")

    def run(self, *words, status=0, **more):
        done = subprocess.run(
            ["nsenter", "-t", str(self.holder.pid), "-m", "chroot", self.root, *words],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8"},
            **more)
        assert status is None or done.returncode == status, (words, done.stdout, done.stderr)
        return done.stdout

    def put(self, source, target):
        with open(source, "rb") as file:
            subprocess.run(["nsenter", "-t", str(self.holder.pid), "-m", "tee", self.root / target],
                           stdin=file, stdout=subprocess.DEVNULL, check=True)

    def close(self):
        self.holder.communicate(timeout=60)


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """The package of the build that is being tested."""
    folder = tmp_path_factory.mktemp("package")
    build = pathlib.Path(os.environ["CASTOOL_BUILD"])
    subprocess.run(["cpack", "-G", "DEB", "--config", build / "CPackConfig.cmake", "-B", folder],
                   check=True, capture_output=True, timeout=280)
    [made] = folder.glob("castool_*.deb")
    return made


@pytest.fixture(scope="module")
def system(package, tmp_path_factory):
    made = System(tmp_path_factory.mktemp("system"))
    try:
        made.put(package, "tmp/castool.deb")
        made.run("dpkg", "-i", "/tmp/castool.deb")
        yield made
    finally:
        made.close()


def commands(system):
    text = system.run("castool", "--help").split("Commands:\n")[1].split("\n\n")[0]
    return [line.split()[0] for line in text.splitlines()]


def test_it_names_what_it_needs(package):
    field = subprocess.run(["dpkg-deb", "-f", package, "Depends"], check=True, capture_output=True,
                           text=True).stdout
    for name in ("fuse3", "libfuse3-", "libcurl", "libssl3", "libxxhash0", "ca-certificates"):
        assert name in field


def test_the_program_runs(system):
    assert system.run("castool", "--version").startswith("castool ")
    assert "castool" in system.run("dpkg", "-S", "/usr/bin/castool")


def test_there_is_a_page_for_every_command(system):
    for page in ["castool", *("castool-" + command for command in commands(system))]:
        text = man(system, page)
        assert f"NAME {page} - " in text
        assert "SYNOPSIS castool" in text
    assert "--revision" in man(system, "castool-pull")


def man(system, page):
    """The words of a page as it is read; what groff has to say about it fails the test."""
    script = 'GROFF_NO_SGR=1 man --warnings -l -Tascii "/usr/share/man/man1/$1.1" 2>/tmp/warnings | col -b'
    text = system.run("bash", "-o", "pipefail", "-c", script, "bash", page)
    assert system.run("cat", "/tmp/warnings") == ""
    return " ".join(text.split())


def bash(system, *words):
    script = ("source /usr/share/bash-completion/completions/castool; COMP_WORDS=(\"$@\"); "
              "COMP_CWORD=$(($# - 1)); _castool; printf '%s\\n' \"${COMPREPLY[@]}\"")
    return system.run("bash", "-c", script, "bash", *words).split()


def zsh(system, *words):
    # What zsh itself would be told.
    script = ("compadd() { print -rl -- ${@:#--} }; _describe() { print -rl -- ${${(P)2}%%:*} }; "
              "_files() { print files }; words=(\"$@\"); CURRENT=$#; "
              "source /usr/share/zsh/vendor-completions/_castool")
    return system.run("zsh", "-fc", script, "zsh", *words).split()


def fish(system, *words):
    text = system.run("fish", "-c", f"complete -C '{' '.join(words)}'")
    return [line.split("\t")[0] for line in text.splitlines()]


@pytest.mark.parametrize("shell", [bash, zsh, fish])
def test_shells_complete_what_there_is(system, shell):
    assert set(shell(system, "castool", "")) >= set(commands(system))
    assert {"--layout", "--fill", "--store"} <= set(shell(system, "castool", "mount", "--"))
    assert "--revision" not in shell(system, "castool", "mount", "--")


def test_bash_completes_the_words_of_an_option(system):
    assert set(bash(system, "castool", "mount", "--layout", "o")) >= {"ovms", "ollama"}
    assert bash(system, "castool", "mount", "--verify", "s") == ["strict"]


def test_mount_knows_the_type(system):
    system.run("mkdir", "-p", "/tmp/models")
    system.run("mount", "-t", "castool", "/tmp/store", "/tmp/models", "-o",
               "layout=ollama,namespace=team,uid=5,noauto,_netdev")
    try:
        assert system.run("ls", "/tmp/models").split() == ["blobs", "manifests"]
        assert system.run("stat", "-c", "%u", "/tmp/models/blobs") == "5\n"
    finally:
        system.run("umount", "/tmp/models")


def test_mount_hands_on_all_options(system):
    told = system.run("/usr/sbin/mount.castool", "castool", "/models", "-f", "-o",
                      "rw,namespace=team,on-demand=OpenVINO/*,trust-store,fill=all,uid=5,gid=6,nofail")
    assert told == ("castool mount --namespace team --on-demand OpenVINO/* --trust-store --fill all "
                    "-o uid=5,gid=6 /models\n")


def test_units_are_right(system):
    for unit in ("castool-mount@models.service", "castool-serve@default.service"):
        system.run("systemd-analyze", "verify", "--man=no", unit)


def test_nothing_stays(system):
    paths = system.run("dpkg", "-L", "castool").split("\n")
    files = [path for path in paths if path and system.run("sh", "-c", 'test -d "$1" || echo "$1"',
                                                           "sh", path)]
    assert "/usr/bin/castool" in files and "/usr/sbin/mount.castool" in files
    system.run("dpkg", "--purge", "castool")
    for path in files:
        assert system.run("sh", "-c", 'test ! -e "$1" || echo "$1"', "sh", path) == ""
