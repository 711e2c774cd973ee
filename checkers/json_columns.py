"""JSON lines straight into columns: a million operations in seconds, where all is in order.

The common case alone: each line one event, values of integers, strings, nil and lists of these. Whatever is not quite
that (a damaged line, a fraction, a map) is left to ``checkers.formats``, which goes line by line, takes all that a
history may hold and names the line at fault. So this file has no error messages: it reads, or it declines.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any, BinaryIO, Final, Literal

import msgspec
import numpy as np

from checkers.columns import FAIL, INFO, INVOKE, NO_TIME, NONE, OK, EventColumns, Numbering

_PLAIN: Final = frozenset({int, str, type(None)})
_TYPE_CODES: Final = {"invoke": INVOKE, "ok": OK, "fail": FAIL, "info": INFO}
_CHUNK_BYTES: Final = 4 * 1024**2


class _Line(msgspec.Struct, frozen=True, gc=False):
    index: int
    process: int | str
    type: Literal["invoke", "ok", "fail", "info"]
    f: str
    time: int | None = None
    value: Any = None
    key: Any = None
    error: str | None = None
    ref: str | None = None


class _NotPlainError(Exception):
    """Something that is not for this reader."""


def read_columns(file: BinaryIO, line_bytes_max: int, events_max: int) -> EventColumns | None:
    """Read all events; None if this is not the common case, or against a limit."""
    columns = _Columns()
    decode = msgspec.json.Decoder(_Line).decode_lines
    collecting = gc.isenabled()
    gc.disable()  # millions of small objects, none of which is in a circle
    try:
        for chunk in _chunks(file, line_bytes_max):
            lines = decode(chunk)
            if len(lines) != chunk.count(b"\n") + 1:
                return None  # two on one line, one on two, or a blank line
            columns.take(lines)
            if columns.events > events_max:
                return None
        return columns.finish()
    except (msgspec.DecodeError, UnicodeDecodeError, OverflowError, _NotPlainError):
        return None
    finally:
        if collecting:
            gc.enable()


def _chunks(file: BinaryIO, line_bytes_max: int) -> Iterator[bytes]:
    """Yield many whole lines at a time, without the last line's end."""
    rest = b""
    while data := file.read(min(_CHUNK_BYTES, line_bytes_max)):  # what is within it is no longer than a line may be
        first_end = data.find(b"\n")
        if len(rest) + (first_end if first_end >= 0 else len(data)) > line_bytes_max:
            raise _NotPlainError
        whole, end, rest = (rest + data).rpartition(b"\n")
        if end:
            yield whole
    if rest:
        yield rest


class _Columns:
    """Columns that grow by one array for each chunk."""

    def __init__(self) -> None:
        self.events = 0
        self._fs, self._keys, self._values, self._texts = Numbering(), Numbering(), Numbering(), Numbering()
        self._arrays: list[tuple[np.ndarray[Any, Any], ...]] = []

    def take(self, lines: list[_Line]) -> None:
        """Take more events. Raises OverflowError for a number of more than 64 bits."""
        self.events += len(lines)
        processes = [line.process for line in lines]
        names = np.zeros(len(lines), dtype=np.int32)
        if str in set(map(type, processes)):
            names = self._codes(self._texts, [p if type(p) is str else None for p in processes])
            processes = [p if type(p) is int else -1 for p in processes]
        times = [line.time for line in lines]
        if None in times:
            times = [NO_TIME if time is None else time for time in times]
        self._arrays.append(
            (
                np.array([line.index for line in lines], dtype=np.int64),
                np.array(times, dtype=np.int64),
                np.array(processes, dtype=np.int64),
                names,
                np.array([_TYPE_CODES[line.type] for line in lines], dtype=np.int8),
                self._codes(self._fs, [line.f for line in lines]),
                self._value_codes(self._values, [line.value for line in lines]),
                self._value_codes(self._keys, [line.key for line in lines]),
                self._codes(self._texts, [line.error for line in lines]),
                self._codes(self._texts, [line.ref for line in lines]),
            )
        )

    def finish(self) -> EventColumns | None:
        """Return all events; None if there is none."""
        if not self.events:
            return None
        index, time, process, name, kind, f, value, key, error, ref = map(
            np.concatenate, zip(*self._arrays, strict=True)
        )
        return EventColumns(
            index=index,
            time=time,
            process=process,
            name=name,
            type=kind,
            f=f,
            value=value,
            key=key,
            error=error,
            ref=ref,
            fs=self._fs.things,
            values=self._values.things,
            keys=self._keys.things,
            texts=self._texts.things,
        )

    def _codes(self, numbering: Numbering, things: list[str | None]) -> np.ndarray[Any, np.dtype[np.int32]]:
        """Number names and the like."""
        known = set(things)
        if known == {None}:
            return np.full(len(things), NONE, dtype=np.int32)
        for thing in sorted(thing for thing in known if thing is not None) if len(known) < len(things) // 2 else things:
            numbering.code(thing, thing)
        codes = numbering.codes
        return np.array([codes[thing] for thing in things], dtype=np.int32)

    def _value_codes(self, numbering: Numbering, things: list[Any]) -> np.ndarray[Any, np.dtype[np.int32]]:
        """Number values and keys. Raises _NotPlainError."""
        codes, code = numbering.codes, numbering.code
        numbers = []
        for thing in things:
            kind = type(thing)
            if kind is list:
                if len(thing) == 2 and type(thing[0]) is type(thing[1]) is int:  # what a compare-and-swap has
                    key = (thing[0], thing[1])
                elif all(type(item) in _PLAIN for item in thing):
                    key = tuple(thing)
                else:
                    raise _NotPlainError
                known = codes.get(key)
                numbers.append(code(key, thing) if known is None else known)
                continue
            if kind not in _PLAIN:
                raise _NotPlainError
            known = codes.get(thing)
            numbers.append(code(thing, thing) if known is None else known)
        return np.array(numbers, dtype=np.int32)
