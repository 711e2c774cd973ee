"""The journal of a shrinking: what every run that was tried came to, one JSON line each, in ``RUN/shrink/``.

The shrinker is a pure function of its start and its answers, so remembering the answers is all it takes to go on: an
interrupted shrinking is carried out again from the beginning, and what is known already costs nothing. The first line
names the start; a journal of another start is refused. A last line that was cut off is dropped, since that is how a
killed process leaves it; anything else that cannot be read is an error, because guessing would mean another result.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from harness.exploration.findings import Signature
from harness.results import RunVerdict
from harness.store import Lines, StoreError

JOURNAL = "journal.jsonl"
VERSION = 1
REMEDY = "remove the file to begin anew"


class Head(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The first line: the version of all this, and the hash of the scenario that the shrinking started from."""

    shrink: int
    start: str


class Tried(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One run: its scenario's hash, and every signature that it showed. The rest is for people."""

    run: str
    found: tuple[tuple[str, str, str], ...]
    of_pass: str = ""
    size: int = 0
    seed: int = 0
    fails: bool = False

    @property
    def signatures(self) -> frozenset[Signature]:
        """The signatures as such."""
        return frozenset(Signature(RunVerdict(verdict), checker, kind) for verdict, checker, kind in self.found)


class Journal:
    """The answers so far; a context manager."""

    def __init__(self, folder: Path, start: str) -> None:
        """Read the journal, or begin one. Raises StoreError if it is damaged or of another start."""
        path = folder / JOURNAL
        self._known: dict[str, frozenset[Signature]] = {}
        begun = path.exists() and self._read(path, start)
        self._lines = Lines(path)
        if not begun:
            self._lines.write(Head(shrink=VERSION, start=start))

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.close()

    def __len__(self) -> int:
        return len(self._known)

    def known(self, run: str) -> frozenset[Signature] | None:
        """Return what a run came to, None if nobody knows."""
        return self._known.get(run)

    def add(self, tried: Tried) -> None:
        """Write down what a run came to."""
        self._known[tried.run] = tried.signatures
        self._lines.write(tried)

    def _read(self, path: Path, start: str) -> bool:
        """Take in a journal's whole lines and cut off what is not; False if nothing of it is left."""
        lines = path.read_bytes().split(b"\n")
        whole, upto = lines[:-1], 0
        for number, line in enumerate(whole):
            try:
                self._take_in(line, number, start)
            except (msgspec.DecodeError, ValueError) as error:
                if number == len(whole) - 1 and not lines[-1]:
                    break
                raise StoreError(f"{path}: line {number + 1} is damaged ({error}); {REMEDY}") from None
            except StoreError as error:
                raise StoreError(f"{path}: {error}; {REMEDY}") from None
            upto += len(line) + 1
        os.truncate(path, upto)
        return upto > 0

    def _take_in(self, line: bytes, number: int, start: str) -> None:
        if number:
            tried = msgspec.json.decode(line, type=Tried)
            self._known[tried.run] = tried.signatures
            return
        head = msgspec.json.decode(line, type=Head)
        if (head.shrink, head.start) != (VERSION, start):
            raise StoreError("it is of another run, or of another version")
