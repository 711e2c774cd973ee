"""The shim, built with the machine's C compiler when it is first needed, and kept for the next time."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path

SOURCE = Path(__file__).with_name("disk.c")
COMPILERS = ("cc", "gcc", "clang")
FLAGS = ("-O2", "-shared", "-fPIC", "-fvisibility=hidden")
LIBRARIES = ("-ldl", "-lpthread")
BUILD_LIMIT_S = 60.0


class ShimError(Exception):
    """The shim cannot be had; the message says why, and what to do."""


def build() -> Path:
    """Return the library of this source for this machine, building it if there is none. Raises ShimError."""
    key = hashlib.sha256(SOURCE.read_bytes() + repr((FLAGS, platform.machine(), platform.libc_ver())).encode())
    name = f"disk-{key.hexdigest()[:16]}.so"
    for folder in _folders():
        if (folder / name).exists():
            return folder / name
    compiler = next(filter(None, map(shutil.which, COMPILERS)), None)
    if compiler is None:
        raise ShimError("no C compiler for the preload library; on Debian and Ubuntu: apt-get install gcc libc6-dev")
    for folder in _folders():
        try:
            folder.mkdir(mode=0o755, parents=True, exist_ok=True)
            return _compile(compiler, folder / name)
        except OSError:
            continue  # not to be written here: the next one may be
    raise ShimError(f"the preload library can be written to none of {', '.join(map(str, _folders()))}")


def _folders() -> tuple[Path, ...]:
    """Return where libraries are kept: this user's cache, or else a folder of the user's among temporary files."""
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return (Path(cache) / "antipaxos", Path(tempfile.gettempdir()) / f"antipaxos-{os.geteuid()}")


def _compile(compiler: str, library: Path) -> Path:
    if library.parent.stat().st_uid != os.geteuid():
        raise PermissionError(f"{library.parent} is somebody else's")
    draft = library.with_suffix(f".{os.getpid()}")
    words = (compiler, *FLAGS, "-o", str(draft), str(SOURCE), *LIBRARIES)
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=BUILD_LIMIT_S, check=False)
        if done.returncode:
            raise ShimError(f"{compiler} cannot build the preload library: {done.stderr.strip()[:500]}")
        draft.replace(library)
    finally:
        draft.unlink(missing_ok=True)
    return library
