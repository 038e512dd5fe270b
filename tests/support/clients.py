"""Real programs in Python that read what castool shows; `tools/packages clients` installs them."""

import os
import pathlib
import subprocess

import pytest

_ROOT = pathlib.Path(os.environ.get("CASTOOL_SOURCE_DIR", "."))
PYTHON = pathlib.Path(os.environ.get("CASTOOL_CLIENTS", _ROOT / "build/clients")) / "bin/python"


def need(module):
    """Skips the test where the module is not installed."""
    found = PYTHON.exists() and subprocess.run(
        [PYTHON, "-c", f"import {module}"], capture_output=True, check=False).returncode == 0
    if not found:
        pytest.skip(f"no {module} in {PYTHON.parent.parent}: tools/packages clients installs it")


def run(*words, **environment):
    """Standard output of a program of theirs."""
    clean = {key: value for key, value in os.environ.items()
             if not key.startswith(("HF_", "CASTOOL_"))}
    done = subprocess.run([PYTHON, *words], capture_output=True, text=True, timeout=120,
                          env=clean | environment, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
