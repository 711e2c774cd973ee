"""Programs run by an ordinary user for real, not by root pretending; in a folder of that user's own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.integration.local_support import REPOSITORY

PYTHON = Path("/usr/bin/python3.11")
"""One that an ordinary user may run: root's own may lie in a folder that is closed to others."""
NOBODY = 65534


@contextmanager
def ordinary_folder(name: str) -> Iterator[Path]:
    """Make a folder that is the ordinary user's, for as long as the block lasts; skip the test where that is idle."""
    if os.geteuid() != 0:
        pytest.skip("only root can become an ordinary user; and whoever is one already runs all tests as one")
    if not PYTHON.exists() or sys.version_info[:2] != (3, 11):
        pytest.skip(f"{PYTHON} is missing, or not of the version that the packages are installed for")
    folder = Path("/tmp") / f"antipaxos-{name}-{os.getpid()}"  # pytest's own folder is closed to others
    folder.mkdir()
    os.chown(folder, NOBODY, NOBODY)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def run_as_ordinary(program: str, folder: Path, *words: str) -> Any:
    """Run a Python program with the folder and some words as its arguments; return the JSON that it prints."""
    done = subprocess.run(
        (PYTHON, "-P", "-c", program, str(folder), *words),
        env={**environment(), "PYTHONDONTWRITEBYTECODE": "1", "PATH": os.environ["PATH"], "HOME": str(folder)},
        cwd="/",
        user=NOBODY,
        group=NOBODY,
        extra_groups=(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def environment() -> dict[str, str]:
    """Return what lets any Python find our packages and those that are installed here."""
    packages = [entry for entry in sys.path if entry.endswith("site-packages")]
    return {"PYTHONPATH": ":".join([str(REPOSITORY), *packages])}
