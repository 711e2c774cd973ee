"""Where preload libraries come from: built with the package, or by this machine's compiler when they are first needed.

A library is used only if it is of the very source that lies here (a checkout moves on, what was built with it does
not), if the loader can be told of it, and if it can be loaded here. What is built on demand is kept in the user's
cache, by the hash of the source and the machine, and put there by renaming, so two runs that build at once do no harm.
Who has no home, or not one of its own, gets it in a folder of the run's own.
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

COMPILERS = ("cc", "gcc", "clang")
COMPILE_LIMIT_S = 60.0
REASON_CHARACTERS = 300
INSTALL = "apt-get install gcc libc6-dev"
REMEDY = f"install a C compiler (on Debian and Ubuntu: {INSTALL})"
SEPARATORS = frozenset(" \t\n:;")
"""What LD_PRELOAD splits its value at: a library behind such a path cannot be named there."""


class NoLibraryError(Exception):
    """A library is not there, and cannot be built; the message is one line with the remedy."""


@dataclass(frozen=True, slots=True)
class Library:
    """The library's file, and where it comes from in a few words."""

    path: Path
    origin: str


@dataclass(frozen=True, slots=True)
class Source:
    """What a library is built from; ``name`` is how its files begin.

    One that is ``built_with_package`` (which files beside the source may be it) has its source's hash behind ``mark``.
    """

    name: str
    path: Path
    flags: tuple[str, ...]
    libraries: tuple[str, ...]
    built_with_package: str = ""
    mark: bytes = b""

    def digest(self) -> str:
        """Return the hash of the source as it is now."""
        return hashlib.sha256(self.path.read_bytes()).hexdigest()

    def file_name(self) -> str:
        """Name a build: by source, machine, C library and flags."""
        about = "\n".join((self.digest(), platform.machine(), *platform.libc_ver(), *self.flags))
        return f"{self.name}-{hashlib.sha256(about.encode()).hexdigest()[:16]}.so"

    def ready_made(self) -> list[Path]:
        """Return what was built with the package, and is of this source."""
        if not self.built_with_package:
            return []
        tag = self.mark + self.digest().encode()
        return [path for path in sorted(self.path.parent.glob(self.built_with_package)) if _is_usable(path, tag)]


CLOCK = Source(
    "clock",
    Path(__file__).with_name("clock.c"),
    ("-O2", "-fPIC", "-shared", "-pthread"),
    ("-ldl",),
    "_clock*.so",
    b"antipaxos-clock-source:",
)
DISK = Source(
    "disk",
    Path(__file__).parents[1] / "shim" / "disk.c",
    ("-O2", "-shared", "-fPIC", "-fvisibility=hidden"),
    ("-ldl", "-lpthread"),
)


def find(own_folder: Path, source: Source = CLOCK) -> Library:
    """Return the library, building it if need be; ``own_folder`` takes it where there is no cache.

    Raises NoLibraryError.
    """
    for path in source.ready_made():
        return Library(path, "built with the package")
    program = compiler()
    refusals = []
    for folder, origin in _folders(own_folder):
        path = folder / source.file_name()
        if _is_usable(path):
            return Library(path, f"built earlier, kept in {origin}")
        if program is None:
            continue
        try:
            _build(program, path, source)
        except OSError as error:
            refusals.append(f"{folder}: {error}")
            continue
        if _is_usable(path):
            return Library(path, f"built by {Path(program).name}, kept in {origin}")
        refusals.append(f"{path} cannot be loaded")
    if program is None:
        raise NoLibraryError(_nothing_to_build_with(source))
    raise NoLibraryError(f"the {source.name} library cannot be kept anywhere: {'; '.join(refusals)}")


def outlook(source: Source = CLOCK) -> str:
    """Return "" if ``find`` may be expected to work, without building anything; else why not, in one line."""
    if source.ready_made() or compiler():
        return ""
    if any(_is_usable(folder / source.file_name()) for folder, _ in _folders(None)):
        return ""
    return _nothing_to_build_with(source)


def compiler() -> str | None:
    """Return the C compiler that $CC names, or else the machine's; None if there is none."""
    named = os.environ.get("CC", "").split()
    return next((found for name in (*named[:1], *COMPILERS) if (found := shutil.which(name))), None)


def _nothing_to_build_with(source: Source) -> str:
    return f"the {source.name} library is not built, and there is no C compiler: {REMEDY}"


def _is_usable(path: Path, tag: bytes = b"") -> bool:
    """Say whether a library has this in it, can be named to the loader, and loads."""
    if SEPARATORS.intersection(str(path)):
        return False
    try:
        if tag not in path.read_bytes():
            return False
        ctypes.CDLL(str(path))  # harmless: if it is told nothing it does nothing, and its names stay its own
    except OSError:
        return False
    return True


def _folders(own_folder: Path | None) -> Iterator[tuple[Path, str]]:
    cache = _cache()
    if cache is not None and _is_own(cache / "antipaxos"):
        yield cache / "antipaxos", "the user's cache"
    if own_folder is not None:
        yield own_folder, "the run's folder"


def _is_own(folder: Path) -> bool:
    """Say whether nobody else can have put a library into a folder."""
    try:
        return folder.stat().st_uid == os.geteuid()
    except OSError:
        return True  # it is not there yet, or cannot be used, which whoever uses it will hear


def _cache() -> Path | None:
    named = os.environ.get("XDG_CACHE_HOME", "")
    if named.startswith("/"):
        return Path(named)
    try:
        return Path.home() / ".cache"
    except RuntimeError:
        return None  # of a user whom nobody knows


def _build(program: str, path: Path, source: Source) -> None:
    """Compile to a file beside, then rename. Raises OSError, and NoLibraryError if the compiler fails."""
    if SEPARATORS.intersection(str(path)):
        raise OSError("LD_PRELOAD cannot name what is kept there")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{source.name}-", dir=path.parent) as work:
        draft = Path(work) / path.name
        define = f'-DSOURCE_SHA256="{source.digest()}"'
        command = (program, *source.flags, define, "-o", str(draft), str(source.path), *source.libraries)
        try:
            done = subprocess.run(
                command,
                env={"PATH": os.defpath, **os.environ},  # without one, a compiler does not find its own linker
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=COMPILE_LIMIT_S,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            took = f"{program} did not build the {source.name} library within {COMPILE_LIMIT_S:g} s"
            raise NoLibraryError(took) from error
        if done.returncode != 0:
            lines = done.stderr.strip().splitlines()
            said = next((line for line in lines if "error" in line), lines[0] if lines else "nothing said")
            raise NoLibraryError(
                f"{program} cannot build the {source.name} library ({said[:REASON_CHARACTERS]}): {REMEDY}"
            )
        draft.chmod(0o755)
        draft.replace(path)
