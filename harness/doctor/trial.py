"""One attempt in a child process: whatever it does to its namespaces, limits or mounts is gone with it.

A child leads a session, so that a program which it has started and which hangs goes with it. It answers by a pipe, in
one line of JSON, and has said nothing if it died.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

ANSWER_BYTES_MAX = 16_384


class TrialError(Exception):
    """It does not work; the message says why, ``remedy`` is the one command or setting that would change it."""

    def __init__(self, why: str, remedy: str) -> None:
        super().__init__(why)
        self.remedy = remedy


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What came of an attempt: ``how`` it works, or ``why`` not and the ``remedy``."""

    name: str
    works: bool
    how: str = ""
    why: str = ""
    remedy: str = ""


Attempt = Callable[[Path], str]
"""Does it, in a folder of its own, and returns how it works. Raises TrialError, OSError."""


@dataclass(slots=True)
class _Child:
    pid: int
    reader: int
    answer: bytes = b""


def try_all(attempts: Mapping[str, Attempt], folder: Path, limit_s: float) -> dict[str, Found]:
    """Try all at the same time, each in a child and a folder of its own; none takes longer than the limit."""
    children = {}
    for name, attempt in attempts.items():
        place = folder / name.replace(" ", "-")
        place.mkdir()
        children[name] = _start(name, attempt, place)
    try:
        _gather(list(children.values()), time.monotonic() + limit_s)
    finally:
        for child in children.values():
            _end(child)
    return {name: _understood(name, child.answer, limit_s) for name, child in children.items()}


def _start(name: str, attempt: Attempt, folder: Path) -> _Child:
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        _be_child(name, attempt, folder, writer)
    os.close(writer)
    return _Child(pid, reader)


def _be_child(name: str, attempt: Attempt, folder: Path, writer: int) -> None:
    try:
        os.setsid()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        with open(os.devnull, "r+b") as nothing:  # noqa: PTH123 - three descriptors of one file
            for descriptor in (0, 1, 2):
                os.dup2(nothing.fileno(), descriptor)
        os.write(writer, msgspec.json.encode(_found(name, attempt, folder))[:ANSWER_BYTES_MAX])
    finally:
        os._exit(0)  # never run on in the parent's code


def _found(name: str, attempt: Attempt, folder: Path) -> Found:
    try:
        return Found(name=name, works=True, how=attempt(folder))
    except TrialError as error:
        return Found(name=name, works=False, why=_one_line(str(error)), remedy=error.remedy)
    except Exception as error:  # noqa: BLE001 - whatever went wrong, it does not work
        return Found(name=name, works=False, why=_one_line(f"{type(error).__name__}: {error}"))


def _gather(children: list[_Child], deadline: float) -> None:
    open_ones = {child.reader: child for child in children}
    while open_ones and (left := deadline - time.monotonic()) > 0:
        for reader in select.select(list(open_ones), [], [], left)[0]:
            data = os.read(reader, ANSWER_BYTES_MAX)
            open_ones[reader].answer += data
            if not data:
                del open_ones[reader]


def _end(child: _Child) -> None:
    os.close(child.reader)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError):
        os.kill(child.pid, signal.SIGKILL)  # it may not have got as far as a session of its own
    os.waitpid(child.pid, 0)


def _understood(name: str, answer: bytes, limit_s: float) -> Found:
    if not answer:
        return Found(name=name, works=False, why=f"the attempt gave no answer within {limit_s:g} s")
    try:
        return msgspec.json.decode(answer, type=Found)
    except msgspec.DecodeError as error:
        return Found(name=name, works=False, why=f"the attempt's answer cannot be read: {error}")


def _one_line(text: str) -> str:
    return " ".join(text.split())
