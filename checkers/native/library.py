"""Where the search's library comes from: built with the package, or by this machine's compiler when first needed.

A library is used only if it is of the very source that lies here (a checkout moves on, what was built does not) and
if it loads. What is built on demand is kept in the user's cache, by the hash of source, machine and C library, and put
there by renaming, so two processes that build at once do no harm. A cache that belongs to somebody else is not used:
what lies there would be run. Where there is no library and no compiler the caller searches in Python.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

SOURCE: Final = Path(__file__).with_name("search.c")
COMPILERS: Final = ("cc", "gcc", "clang")
FLAGS: Final = ("-std=c17", "-O2", "-fPIC", "-shared", "-fvisibility=hidden")
COMPILE_LIMIT_S: Final = 60.0
REASON_CHARACTERS: Final = 300
MARK: Final = b"antipaxos-search-source:"
"""What stands in a library before the hash of its source."""


class NoLibraryError(Exception):
    """The library is not there, and cannot be built; the message says why in one line."""


def find() -> ctypes.CDLL:
    """Load the library, building it if need be. Raises NoLibraryError."""
    try:
        digest = hashlib.sha256(SOURCE.read_bytes()).hexdigest()
    except OSError as error:
        raise NoLibraryError(f"the search's source cannot be read: {error}") from error
    for path in sorted(SOURCE.parent.glob("_search*.so")):
        library = _load(path, digest)
        if library is not None:
            return library
    folder = _folder()
    path = folder / file_name(digest)
    library = _load(path, digest)
    if library is None:
        _build(path, digest)
        library = _load(path, digest)
    if library is None:
        raise NoLibraryError(f"{path} cannot be loaded")
    return library


def file_name(digest: str) -> str:
    """Name a build: by source, machine, C library and flags."""
    about = "\n".join((digest, platform.machine(), *platform.libc_ver(), *FLAGS))
    return f"search-{hashlib.sha256(about.encode()).hexdigest()[:16]}.so"


def _load(path: Path, digest: str) -> ctypes.CDLL | None:
    """Load a library, if it is there, of this source and for this machine."""
    try:
        return ctypes.CDLL(str(path)) if MARK + digest.encode() in path.read_bytes() else None
    except OSError:
        return None


def _folder() -> Path:
    """Name the folder in the user's cache. Raises NoLibraryError if there is none of his own."""
    named = os.environ.get("XDG_CACHE_HOME", "")
    try:
        folder = (Path(named) if named.startswith("/") else Path.home() / ".cache") / "antipaxos"
        if folder.exists() and folder.stat().st_uid != os.geteuid():
            raise NoLibraryError(f"{folder} belongs to somebody else")
    except (OSError, RuntimeError) as error:
        raise NoLibraryError(f"there is no cache to keep the search's library in: {error}") from error
    return folder


def _compiler() -> str:
    named = os.environ.get("CC", "").split()
    for name in (*named[:1], *COMPILERS):
        found = shutil.which(name)
        if found is not None:
            return found
    raise NoLibraryError("the search's library is not built, and there is no C compiler")


def _build(path: Path, digest: str) -> None:
    """Compile to a folder beside, then rename. Raises NoLibraryError."""
    program = _compiler()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".search-", dir=path.parent) as work:
            draft = Path(work) / path.name
            done = subprocess.run(
                (program, *FLAGS, f'-DSOURCE_SHA256="{digest}"', "-o", str(draft), str(SOURCE)),
                env={"PATH": os.defpath, **os.environ},  # without one, a compiler does not find its own linker
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=COMPILE_LIMIT_S,
                check=False,
            )
            if done.returncode != 0:
                lines = done.stderr.strip().splitlines()
                said = next((line for line in lines if "error" in line), lines[0] if lines else "nothing said")
                raise NoLibraryError(f"{program} cannot build the search's library: {said[:REASON_CHARACTERS]}")
            draft.chmod(0o755)
            draft.replace(path)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoLibraryError(f"the search's library cannot be built: {error}") from error
