"""A program that writes, syncs, renames and removes by a seed, and leaves word of how far it got.

    python disk_program.py SEED WORD

What it does is worked out here alone, so that whoever killed it can tell what it had been promised: ``acts`` gives the
acts of a seed, ``WORD`` has a byte for each act that was begun and one for each that has ended.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator
from typing import NamedTuple

NAMES = ("a", "b", "c", "d")
ACTS_MAX = 4_000


class Act(NamedTuple):
    """``write`` (at an offset, or at the end with -1), ``cut``, ``sync``, ``names``, ``rename`` or ``remove``."""

    kind: str
    name: str = ""
    offset: int = 0
    data: bytes = b""
    other: str = ""


def acts(seed: int) -> Iterator[Act]:
    """Yield what the program of a seed does; names that are not there are made by a write, and passed over else."""
    draw = random.Random(seed)
    for number in range(ACTS_MAX):
        name, other = draw.sample(NAMES, 2)
        data = bytes([number % 255 + 1]) * draw.randint(1, 3_000)
        kind = draw.choices(("write", "cut", "sync", "names", "rename", "remove"), (50, 5, 20, 8, 6, 4))[0]
        yield Act(kind, name, draw.choice((-1, -1, 0, 700, 4_096)), data, other)


def perform(act: Act) -> None:
    """Do it in the current folder."""
    if act.kind == "names":
        folder = os.open(".", os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
        return
    if act.kind != "write" and not os.access(act.name, os.F_OK):
        return
    if act.kind == "rename":
        os.rename(act.name, act.other)  # noqa: PTH104 - plain calls are what is tested
    elif act.kind == "remove":
        os.unlink(act.name)  # noqa: PTH108
    else:
        _on_file(act)


def _on_file(act: Act) -> None:
    fd = os.open(act.name, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if act.kind == "write" and act.offset < 0:
            os.lseek(fd, 0, os.SEEK_END)
            os.write(fd, act.data)
        elif act.kind == "write":
            os.pwrite(fd, act.data, act.offset)
        elif act.kind == "cut":
            os.ftruncate(fd, len(act.data))
        else:
            os.fdatasync(fd)
    finally:
        os.close(fd)


def main() -> None:
    """Go on until somebody puts an end to it."""
    word = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o644)
    for act in acts(int(sys.argv[1])):
        os.write(word, b"b")
        perform(act)
        os.write(word, b"e")


if __name__ == "__main__":
    main()
