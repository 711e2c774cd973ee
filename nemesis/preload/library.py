"""Where the clock library comes from: built with the package, or by this machine's compiler when it is first needed.

A library is used only if it names the very source that lies beside this module (a checkout moves on, what was built
with it does not), and if it can be loaded here. What is built on demand is kept in the user's cache, by the hash of the
source and the machine, and put there by renaming, so two runs that build at once do no harm. Who has no home gets it
in a folder of the run's own.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).with_name("clock.c")
BUILT_WITH_PACKAGE = "_clock*.so"
TAG = "antipaxos-clock-source:"
COMPILERS = ("cc", "gcc", "clang")
FLAGS = ("-O2", "-fPIC", "-shared", "-pthread")
LIBRARIES = ("-ldl",)
COMPILE_LIMIT_S = 60.0
REASON_CHARACTERS = 300
REMEDY = "install a C compiler (on Debian and Ubuntu: apt-get install gcc libc6-dev)"
SEPARATORS = frozenset(" \t\n:;")
"""What LD_PRELOAD splits its value at: a library behind such a path cannot be named there."""


class NoLibraryError(Exception):
    """There is no clock library, and none can be built; the message is one line with the remedy."""


@dataclass(frozen=True, slots=True)
class Library:
    """The library's file, and where it comes from in a few words."""

    path: Path
    origin: str


def find(own_folder: Path) -> Library:
    """Return the library, building it if need be; ``own_folder`` takes it where there is no cache.

    Raises NoLibraryError.
    """
    tag = source_tag()
    for path in sorted(SOURCE.parent.glob(BUILT_WITH_PACKAGE)):
        if _is_usable(path, tag):
            return Library(path, "built with the package")
    compiler = _compiler()
    refusals = []
    for folder, origin in _folders(own_folder):
        path = folder / f"clock-{_key(tag)}.so"
        if _is_usable(path, tag):
            return Library(path, f"built earlier, kept in {origin}")
        if not compiler:
            continue
        try:
            _build(compiler, path, tag)
        except OSError as error:
            refusals.append(f"{folder}: {error}")
            continue
        if _is_usable(path, tag):
            return Library(path, f"built by {Path(compiler).name}, kept in {origin}")
        refusals.append(f"{path} cannot be loaded")
    if not compiler:
        raise NoLibraryError(f"the clock library is not built, and there is no C compiler: {REMEDY}")
    raise NoLibraryError(f"the clock library cannot be kept anywhere: {'; '.join(refusals) or 'paths with blanks'}")


def outlook() -> str:
    """Return "" if ``find`` may be expected to work, without building anything; else why not, in one line."""
    tag = source_tag()
    if any(_is_usable(path, tag) for path in SOURCE.parent.glob(BUILT_WITH_PACKAGE)) or _compiler():
        return ""
    if any(_is_usable(folder / f"clock-{_key(tag)}.so", tag) for folder, _ in _folders(None)):
        return ""
    return f"the clock library is not built, and there is no C compiler: {REMEDY}"


def source_tag() -> str:
    """Return what a library built from the source beside this module has in it."""
    return TAG + hashlib.sha256(SOURCE.read_bytes()).hexdigest()


def _is_usable(path: Path, tag: str) -> bool:
    """Say whether a library is of this source, can be named to the loader, and loads."""
    if SEPARATORS.intersection(str(path)):
        return False
    try:
        if tag.encode() not in path.read_bytes():
            return False
        ctypes.CDLL(str(path))  # harmless: without a page it does nothing, and its names stay its own
    except OSError:
        return False
    return True


def _compiler() -> str | None:
    named = os.environ.get("CC", "").split()
    return next((found for name in (*named[:1], *COMPILERS) if (found := shutil.which(name))), None)


def _key(tag: str) -> str:
    """Name a build: by source, machine, C library and flags."""
    about = (tag, platform.machine(), *platform.libc_ver(), *FLAGS)
    return hashlib.sha256("\n".join(about).encode()).hexdigest()[:16]


def _folders(own_folder: Path | None) -> Iterator[tuple[Path, str]]:
    cache = _cache()
    if cache is not None:
        yield cache / "antipaxos", "the user's cache"
    if own_folder is not None:
        yield own_folder, "the run's folder"


def _cache() -> Path | None:
    named = os.environ.get("XDG_CACHE_HOME", "")
    if named.startswith("/"):
        return Path(named)
    try:
        return Path.home() / ".cache"
    except RuntimeError:
        return None  # of a user whom nobody knows


def _build(compiler: str, path: Path, tag: str) -> None:
    """Compile to a file beside, then rename. Raises OSError, and NoLibraryError if the compiler fails."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".clock-", dir=path.parent) as work:
        draft = Path(work) / "clock.so"
        define = f'-DSOURCE_SHA256="{tag.removeprefix(TAG)}"'
        command = (compiler, *FLAGS, define, "-o", str(draft), str(SOURCE), *LIBRARIES)
        try:
            done = subprocess.run(
                command,
                env={"PATH": os.defpath, **os.environ},  # without one, a compiler does not find its own linker
                capture_output=True,
                text=True,
                errors="replace",
                timeout=COMPILE_LIMIT_S,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise NoLibraryError(f"{compiler} did not build the clock library within {COMPILE_LIMIT_S:g} s") from error
        if done.returncode != 0:
            lines = done.stderr.strip().splitlines()
            said = next((line for line in lines if "error" in line), lines[0] if lines else "nothing said")
            raise NoLibraryError(f"{compiler} cannot build the clock library ({said[:REASON_CHARACTERS]}): {REMEDY}")
        draft.chmod(0o755)
        draft.replace(path)
