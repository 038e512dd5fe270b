"""Progress: bars on a terminal, plain lines elsewhere, nothing when quiet."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time

import pytest

from hub import Synthetic

MIB = 1 << 20
ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


@pytest.fixture
def slow(hub):
    """A pull that takes more than a second."""
    hub.add_repository("acme/m", {"config.json": "{}", "weights.bin": Synthetic(24 * MIB, 1)})
    return ["pull", "--limit-rate", "12M", "acme/m"]


def on_terminal(castool, words, term="xterm", columns=100, interrupt_at=None):
    """Runs with standard error on a terminal of its own; (exit status, what was written to it)."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

    def take_terminal():
        os.setsid()
        fcntl.ioctl(2, termios.TIOCSCTTY, 0)

    process = castool.start(*words, env={"TERM": term}, stdout=subprocess.DEVNULL, stderr=theirs,
                            preexec_fn=take_terminal)
    os.close(theirs)
    seen = b""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if not select.select([ours], [], [], 1)[0]:
            continue
        try:
            piece = os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        seen += piece
        if interrupt_at is not None and re.search(interrupt_at, seen):
            os.write(ours, b"\x03")
            interrupt_at = None
    os.close(ours)
    return process.wait(10), seen.decode()


def screen_of(text, columns):
    """What is left on a terminal: the few movements that the display uses, nothing else."""
    lines, row, column = [""], 0, 0
    for token in re.findall(r"\x1b\[[0-9;]*[A-Za-z]|[\r\n]|[^\x1b\r\n]+", text):
        if token == "\r":
            column = 0
        elif token == "\n":
            row += 1
            if row == len(lines):
                lines.append("")
        elif token.startswith("\x1b"):
            count = int(re.sub(r"\D", "", token) or 1)
            if token.endswith("A"):
                row = max(row - count, 0)
            elif token.endswith("J"):
                lines = lines[:row] + [lines[row][:column]]
            elif token.endswith("K"):
                lines[row] = lines[row][:column]
            else:
                raise AssertionError(f"unexpected {token!r}")
        else:
            lines[row] = lines[row][:column].ljust(column) + token + lines[row][
                column + len(token):]
            column += len(token)
            assert column < columns, lines[row]
    return [line for line in lines if line]


def test_bars_on_a_terminal(castool, slow):
    status, text = on_terminal(castool, slow)
    assert status == 0
    percents = [int(number) for number in re.findall(r"(\d+)%", text)]
    assert len(percents) > 5 and len(set(percents)) > 3
    assert re.search(r"\[=+>? *\]", text) and "acme/m" in text and "MiB/s" in text
    assert "weights.bin" in text
    assert screen_of(text, 100) == []  # all gone at the end


@pytest.mark.parametrize("columns", [20, 40, 200])
def test_bars_fit_the_terminal(castool, slow, columns):
    status, text = on_terminal(castool, slow, columns=columns)
    assert status == 0 and "%" in text
    assert screen_of(text, columns) == []


def test_an_error_stands_on_a_clean_line(hub, castool, slow):
    castool.environment["CASTOOL_TIME_SCALE"] = "0.05"
    hub.fault({"status": 404}, origin="cdn", after=2, times=-1)
    status, text = on_terminal(castool, ["pull", "acme/m"])
    assert status == 66
    left = "".join(screen_of(text, 10_000))
    assert left.startswith("castool: pull acme/m: ")


def test_control_c_leaves_a_clean_terminal(castool, slow):
    status, text = on_terminal(castool, slow, interrupt_at=rb"[1-9]\d%")
    assert status == 130
    left = screen_of(text.replace("^C", ""), 10_000)
    assert len(left) == 1 and left[0].startswith("castool: pull acme/m: ")
    assert castool.run("df", "--json").json[0]["partial_bytes"] > 0


def test_a_dumb_terminal_gets_lines(castool, slow):
    status, text = on_terminal(castool, slow, term="dumb")
    assert status == 0 and "castool: acme/m: " in text
    assert not ESCAPES.search(text)


def test_lines_without_a_terminal(castool, slow):
    outcome = castool.run(*slow)
    lines = outcome.err.splitlines()
    assert lines[0] == "castool: acme/m: pulling manifest"
    assert lines[-1] == "castool: acme/m: writing manifest"
    assert [line for line in lines if re.search(r"\d+%, .* of 24\.0 MiB, .*/s", line)]
    assert all(line.startswith("castool: acme/m: ") for line in lines)
    assert len(lines) < 20 and not ESCAPES.search(outcome.err)


@pytest.mark.parametrize("words", [["-q"], ["--no-progress"], ["--json"]])
def test_no_progress_when_not_wanted(castool, slow, words):
    assert castool.run(*slow, *words).err == ""
    status, text = on_terminal(castool, [*slow, *words, "--force"])
    assert (status, text) == (0, "")


def test_verbose_tells_of_retries_and_no_signature(hub, castool, slow):
    castool.environment["CASTOOL_TIME_SCALE"] = "0.05"
    hub.fault({"status": 503}, origin="cdn", times=2)
    outcome = castool.run("pull", "-v", "acme/m")
    assert hub.fault_hits() == [2]
    assert "503" in outcome.err and hub.cdn_url in outcome.err
    assert not re.search(r"Signature|Policy|Key-Pair-Id|Authorization", outcome.err)
    hub.reset()
    hub.fault({"status": 503}, target="/tree/", times=2)
    assert "503" not in castool.run("pull", "acme/m").err
    assert hub.fault_hits() == [2]
