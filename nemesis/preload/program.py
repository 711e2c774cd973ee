"""Of which programs a preloaded library has no hold: told from the file that would be executed.

The dynamic loader is what loads it, so a statically linked program never does; for one that gains privileges the loader
refuses; and a program built with Go asks the kernel for the time by itself, however it is linked. What this overlooks
is found out when the process runs, for it then has noted nothing on its page.
"""

from __future__ import annotations

import os
import shutil
import stat
import struct
from collections.abc import Iterator
from pathlib import Path

HEAD_BYTES = 4_096
ELF_HEADER_BYTES = 64
HEADERS_MAX = 64
NOTES_MAX = 16
SCRIPTS_DEEP = 4
PT_INTERP, PT_NOTE = 3, 4
ELF_64_LITTLE = b"\x7fELF\x02\x01"
ELF_64_BIG = b"\x7fELF\x02\x02"


def why_unreachable(argv: tuple[str, ...], search_path: str, directory: Path) -> str:
    """Return "" if a preloaded library reaches the program that this command line starts, else why it does not.

    ``search_path`` is the PATH it is looked up in, ``directory`` where it is started. A file that cannot be read is
    given the benefit of the doubt: it is the kernel that will refuse it.
    """
    path = _located(argv[0], search_path, directory)
    for _ in range(SCRIPTS_DEEP):
        if path is None:
            return ""
        try:
            reason, interpreter = _look(path)
        except OSError:
            return ""
        if reason or not interpreter:
            return reason
        path = _interpreter(interpreter, search_path, directory)
    return ""


def _located(name: str, search_path: str, directory: Path) -> Path | None:
    if "/" in name:
        return directory / name
    found = shutil.which(name, path=search_path)
    return Path(found) if found else None


def _interpreter(line: str, search_path: str, directory: Path) -> Path | None:
    """Return what a script's first line starts; ``env`` starts what it is told to."""
    words = line.split()
    if words and Path(words[0]).name == "env":
        words = [word for word in words[1:] if not word.startswith("-") and "=" not in word]
    return _located(words[0], search_path, directory) if words else None


def _look(path: Path) -> tuple[str, str]:
    """Return why a program is out of reach, and what a script is to be started with."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
        if head.startswith(b"#!"):
            return "", head[2:].split(b"\n", 1)[0].decode(errors="replace")
        if not head.startswith(b"\x7fELF") or len(head) < ELF_HEADER_BYTES:
            return "", ""
        if _gains_privileges(path):
            return f"{path} gains privileges (setuid, setgid or capabilities): the loader preloads nothing into it", ""
        if not head.startswith((ELF_64_LITTLE, ELF_64_BIG)):
            return f"{path} is a 32-bit program, the library is a 64-bit one", ""
        headers = list(_program_headers(head))
        interpreters = [(offset, size) for kind, offset, size in headers if kind == PT_INTERP]
        if not interpreters:
            return f"{path} is statically linked: nothing can be preloaded into it", ""
        if "musl" in _text(file.fileno(), *interpreters[0]):
            return f"{path} is a program of musl, the library is one of glibc", ""
        order = _order(head)
        if any(
            _is_of_go(os.pread(file.fileno(), min(size, HEAD_BYTES), offset), order)
            for kind, offset, size in headers
            if kind == PT_NOTE
        ):
            return f"{path} is built with Go, which reads the clock by itself", ""
    return "", ""


def _text(file: int, offset: int, size: int) -> str:
    return os.pread(file, min(size, HEAD_BYTES), offset).rstrip(b"\0").decode(errors="replace")


def _order(head: bytes) -> str:
    return "<" if head.startswith(ELF_64_LITTLE) else ">"


def _program_headers(head: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield kind, offset and size of each part of a 64-bit ELF file."""
    order = _order(head)
    (start,) = struct.unpack_from(f"{order}Q", head, 32)
    size, count = struct.unpack_from(f"{order}HH", head, 54)
    for number in range(min(count, HEADERS_MAX)):
        at = start + number * size
        if at + 56 > len(head):
            return
        (kind,) = struct.unpack_from(f"{order}I", head, at)
        (offset,) = struct.unpack_from(f"{order}Q", head, at + 8)
        (length,) = struct.unpack_from(f"{order}Q", head, at + 32)
        yield kind, offset, length


def _is_of_go(notes: bytes, order: str) -> bool:
    """Say whether one of an ELF file's notes is Go's."""
    at = 0
    for _ in range(NOTES_MAX):
        if at + 12 > len(notes):
            return False
        name_size, content_size, _ = struct.unpack_from(f"{order}III", notes, at)
        if notes[at + 12 : at + 12 + name_size].rstrip(b"\0") == b"Go":
            return True
        at += 12 + (name_size + 3) // 4 * 4 + (content_size + 3) // 4 * 4
    return False


def _gains_privileges(path: Path) -> bool:
    status = path.stat()
    if status.st_mode & stat.S_ISUID and status.st_uid != os.geteuid():
        return True
    if status.st_mode & stat.S_ISGID and status.st_gid != os.getegid():
        return True
    if os.geteuid() == 0:
        return False  # has them all
    try:
        return bool(os.getxattr(path, "security.capability"))
    except OSError:
        return False
