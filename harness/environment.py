"""Where a run took place: what a reader of its result needs to know to believe it, or to repeat it."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

import msgspec

from harness import __version__

_DEPENDENCIES = ("msgspec", "uvloop", "typer", "rich", "jinja2", "bokeh", "numpy")
_PACKAGES = ("checkers", "harness", "nemesis", "node", "workloads")
_REPOSITORY = Path(__file__).resolve().parents[1]


class Environment(msgspec.Struct, frozen=True):
    """Versions and machine; ``commit`` is "" outside a git checkout and ends in ``+`` if files were changed.

    ``code_sha256`` names the code itself: whatever else is the same, with the same code a seed is the same simulation.
    """

    antipaxos: str
    commit: str
    python: str
    implementation: str
    kernel: str
    machine: str
    processors: int
    user_id: int
    packages: dict[str, str]
    code_sha256: str = ""


def look() -> Environment:
    """Look at this machine and installation."""
    return Environment(
        antipaxos=__version__,
        commit=commit(),
        python=platform.python_version(),
        implementation=platform.python_implementation(),
        kernel=platform.release(),
        machine=platform.machine(),
        processors=os.cpu_count() or 0,
        user_id=os.getuid(),
        packages=dict(_versions()),
        code_sha256=code_sha256(),
    )


def as_json(environment: Environment) -> bytes:
    """Return an environment as a run's folder has it."""
    return msgspec.json.format(msgspec.json.encode(environment))


def code_sha256() -> str:
    """Return the hash over every Python file that a run may go through, by name and content."""
    summed = hashlib.sha256()
    for package in _PACKAGES:
        for path in sorted((_REPOSITORY / package).rglob("*.py")):
            content = path.read_bytes()
            summed.update(b"%s\n%d\n" % (str(path.relative_to(_REPOSITORY)).encode(), len(content)))
            summed.update(content)
    return summed.hexdigest()


def commit() -> str:
    """Return the checkout's commit, marked if it was changed, or "" if this is no checkout or git is missing."""
    try:
        head = _git("rev-parse", "--short=12", "HEAD")
        return head + ("+" if _git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return ""


def _git(*words: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(_REPOSITORY), *words],
        capture_output=True,
        text=True,
        check=True,
        timeout=5,
        stdin=subprocess.DEVNULL,
    )
    return done.stdout.strip()


def _versions() -> list[tuple[str, str]]:
    found = []
    for name in _DEPENDENCIES:
        try:
            found.append((name, metadata.version(name)))
        except metadata.PackageNotFoundError:
            continue
    return found
