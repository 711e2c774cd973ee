"""Histories in files: which format it is, what it says, and what its nil reads mean.

The format is told by content, never by the file's name, since histories travel under any name:

- JSON lines: one ``Event`` object a line; what this project records;
- EDN: one vector or list of maps, or a stream of maps; what Jepsen and Knossos write. A whole test's ``history.edn`` of
  many independent keys has them in the values, ``[key value]``: if every client's operation does and every read is
  invoked as ``[key nil]``, they are taken apart;
- KV: an EDN stream whose operations are get, put and append on keys; Porcupine's key-value tests. A get becomes a
  ``read`` and a put a ``write``;
- Jepsen log: ``INFO  jepsen.util - <process> <type> <f> <value>``, blanks between the columns; Porcupine's etcd logs.
  Other lines are the log's own and are skipped, but one that begins like an operation must be one in full.

A nil read means two things. Knossos takes an ok read of nil as one that says nothing, because a client which
learns its value only later has nil there. In the others nil is what the client saw.
``LoadedHistory.nil_reads_assert`` carries the difference to the model, which has a parameter of that name.

Whatever is damaged is refused: a line that is cut off, an unknown type, a missing field, a rule of pairing
that is broken. The error names the line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeAlias

import msgspec

from checkers import edn
from checkers.columns import pair
from checkers.history import Event, EventType, History, HistoryError
from checkers.json_columns import read_columns


class Format(StrEnum):
    """The formats that can be told apart."""

    JSON_LINES = "json-lines"
    EDN = "edn"
    KV = "kv"
    JEPSEN_LOG = "jepsen-log"


@dataclass(frozen=True)
class LoadLimits:
    """Bounds of what is read. ``text_bytes`` is for formats that are read as a whole (all but JSON lines)."""

    file_bytes: int = 8 * 1024**3
    text_bytes: int = 512 * 1024**2
    line_bytes: int = 16 * 1024**2
    events: int = 20_000_000


@dataclass(frozen=True)
class LoadedHistory:
    """A history, the format it was in, and what its format means.

    ``nil_reads_assert``: whether an ok read of nil asserts that the state is nil. ``failed_cas_observes``: whether a
    cas that failed asserts that the state was not what it expected.
    """

    history: History
    format: Format
    nil_reads_assert: bool
    failed_cas_observes: bool = False

    @property
    def events(self) -> tuple[Event, ...]:
        """Every event, in order."""
        return self.history.events


_Placed: TypeAlias = tuple[int, Event]  # the line and the event
_SNIFFED_BYTES: Final = 64 * 1024
_KV_NAMES: Final[Mapping[str, str]] = {"get": "read", "put": "write", "append": "append"}
_READ_NAMES: Final = frozenset({"read", "get"})
_LOG_OPERATION: Final = re.compile(r"INFO\s+jepsen\.util\s+-\s+(?::[\w-]+|\d+)\s+:")
_LOG_LINE: Final = re.compile(r"INFO\s+jepsen\.util\s+-\s+(\S+)\s+:(\w+)\s+:([\w-]+)\s+(\S.*?)\s*")
_TIMED_OUT: Final = ":timed-out"


def load_history(path: str | Path, limits: LoadLimits | None = None) -> LoadedHistory:
    """Read a history of any known format. Raises HistoryError, and OSError when the file cannot be read."""
    path = Path(path)
    limits = limits or LoadLimits()
    with path.open("rb") as file:
        size_bytes = file.seek(0, 2)
        file.seek(0)
        if size_bytes > limits.file_bytes:
            raise HistoryError(path, None, f"{size_bytes} bytes, over the limit of {limits.file_bytes}")
        found = _sniff(path, file.read(_SNIFFED_BYTES))
        file.seek(0)
        if found is Format.JSON_LINES:
            history = _in_columns(file, limits)
            if history is not None:
                return LoadedHistory(history, found, nil_reads_assert=True)
            file.seek(0)
            return _loaded(path, limits, found, _json_events(path, file, limits))
        if size_bytes > limits.text_bytes:
            raise HistoryError(path, None, f"{size_bytes} bytes of {found}, over the limit of {limits.text_bytes}")
        text = _decoded(path, file.read())
    if found is Format.JEPSEN_LOG:
        return _loaded(path, limits, found, _log_events(path, text))
    return _load_edn(path, limits, text)


def _in_columns(file: BinaryIO, limits: LoadLimits) -> History | None:
    """Read JSON lines the fast way; None if they need the slow one, be it only to say what is wrong with them."""
    events = read_columns(file, limits.line_bytes, limits.events)
    operations = pair(events) if events is not None else None
    return None if events is None or operations is None else History.of_columns(events, operations)


def _loaded(path: Path, limits: LoadLimits, found: Format, placed: Iterable[_Placed]) -> LoadedHistory:
    lines: list[int] = []
    events: list[Event] = []
    for line, event in placed:
        if len(events) >= limits.events:
            raise HistoryError(path, line, f"more than the limit of {limits.events} events")
        lines.append(line)
        events.append(event)
    if not events:
        raise HistoryError(path, None, "holds no events")
    history = History(events, path=path, lines=lines)
    return LoadedHistory(history, found, found is not Format.EDN, found is Format.JEPSEN_LOG)


def _decoded(path: Path, data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise HistoryError(path, line, f"not UTF-8: byte 0x{data[error.start]:02x}") from error


def _sniff(path: Path, head: bytes) -> Format:
    text = head.decode("utf-8-sig", errors="replace")
    if any(_LOG_OPERATION.match(line) for line in text.splitlines()):
        return Format.JEPSEN_LOG
    stripped = text.lstrip()
    if not stripped:
        raise HistoryError(path, None, "holds no events")
    if re.match(r'\{\s*["}]', stripped):
        return Format.JSON_LINES
    if stripped[0] in "{[(;#,":
        return Format.EDN
    line = text[: len(text) - len(stripped)].count("\n") + 1
    raise HistoryError(path, line, f"not a history in a known format: it begins with {stripped[:20]!r}")


class _Line(msgspec.Struct, frozen=True):
    """An event as others may write it: what may be absent has a default."""

    index: int
    process: int | str
    type: EventType
    f: str
    time: int | None = None
    value: Any = None
    key: Any = None
    error: str | None = None
    ref: str | None = None


def _json_events(path: Path, file: BinaryIO, limits: LoadLimits) -> Iterator[_Placed]:
    decode = msgspec.json.Decoder(_Line).decode
    number = 0
    while raw := file.readline(limits.line_bytes + 1):
        number += 1
        if len(raw) > limits.line_bytes:
            raise HistoryError(path, number, f"a line of more than {limits.line_bytes} bytes")
        stripped = raw.removeprefix(b"\xef\xbb\xbf").strip() if number == 1 else raw.strip()
        if not stripped:
            continue
        try:
            line = decode(stripped)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            cut = "" if raw.endswith(b"\n") else " (the file's last line: cut off?)"
            raise HistoryError(path, number, f"not an event: {error}{cut}") from error
        yield (
            number,
            Event(
                line.index,
                line.time,
                line.process,
                line.type,
                line.f,
                line.value,
                line.key,
                line.error,
                line.ref,
            ),
        )


def _log_events(path: Path, text: str) -> Iterator[_Placed]:
    index = 0
    values: dict[str, Any] = {_TIMED_OUT: None}  # few are different
    for number, line in enumerate(text.splitlines(), 1):
        if _LOG_OPERATION.match(line) is None:
            continue
        found = _LOG_LINE.fullmatch(line)
        if found is None:
            raise HistoryError(path, number, f"an operation that is cut off: {line[:80]!r}")
        process, kind, f, value = found.groups()
        if value not in values:
            values[value] = _log_value(path, number, value)
        fields = {
            "process": int(process) if process.isdigit() else edn.Keyword(process.removeprefix(":")),
            "type": kind,
            "f": f,
            "value": values[value],
            "error": _TIMED_OUT.removeprefix(":") if value == _TIMED_OUT else None,
            "index": index,
        }
        yield number, _event(path, number, fields)
        index += 1


def _log_value(path: Path, line: int, text: str) -> Any:
    try:
        return edn.read_one(text)
    except edn.EdnError as error:
        raise HistoryError(path, line, error.message) from error


def _load_edn(path: Path, limits: LoadLimits, text: str) -> LoadedHistory:
    maps: list[tuple[int, Mapping[Any, Any]]] = []
    for line, value in _edn_values(path, text):
        fields = value.value if isinstance(value, edn.Tagged) else value
        if not isinstance(fields, Mapping):
            raise HistoryError(path, line, f"expected the map of an operation, found {edn.write(value)[:40]}")
        maps.append((line, fields))
    if _are_independent(fields for _, fields in maps):
        maps = [(line, _taken_apart(fields)) for line, fields in maps]
    indexed = {fields.get("index") not in (None, -1) for _, fields in maps}
    if len(indexed) > 1:
        raise HistoryError(path, None, "some events have an index and some have none")
    placed = (
        (line, _event(path, line, fields if indexed == {True} else {**fields, "index": position}))
        for position, (line, fields) in enumerate(maps)
    )
    if maps and all("key" in fields and fields.get("f") in _KV_NAMES for _, fields in maps):
        renamed = ((line, msgspec.structs.replace(event, f=_KV_NAMES[event.f])) for line, event in placed)
        return _loaded(path, limits, Format.KV, renamed)
    return _loaded(path, limits, Format.EDN, placed)


def _are_independent(events: Iterable[Mapping[Any, Any]]) -> bool:
    """Whether the values of a test's operations have their key in front (``jepsen.independent``)."""
    read = False
    for event in events:
        value: Any = event.get("value")
        invoked = event.get("type") == "invoke"
        if not isinstance(event.get("process"), int) or (value is None and not invoked):
            continue  # the nemesis; a client that lost even the key
        pair_of_key = isinstance(value, tuple) and len(value) == 2
        if not pair_of_key or event.get("f") == "txn" or "key" in event:
            return False
        if event.get("f") in _READ_NAMES and invoked:
            read = True
            if value[1] is not None:
                return False
    return read


def _taken_apart(event: Mapping[Any, Any]) -> Mapping[Any, Any]:
    value: Any = event.get("value")
    if not isinstance(event.get("process"), int) or value is None:
        return event
    return {**event, "key": value[0], "value": value[1]}


def _edn_values(path: Path, text: str) -> Iterator[tuple[int, Any]]:
    reader = edn.Reader(text)
    try:
        if reader.at_collection():
            yield from reader.elements()
            if not reader.at_end():
                raise HistoryError(path, reader.line, "something follows the end of the history")
        else:
            yield from reader.values()
    except edn.EdnError as error:
        raise HistoryError(path, error.line, error.message) from error


def _event(path: Path, line: int, fields: Mapping[Any, Any]) -> Event:
    for name in ("process", "type", "f"):
        if fields.get(name) is None:
            raise HistoryError(path, line, f"an operation without :{name}")
    process, kind, index, time = (fields.get(name) for name in ("process", "type", "index", "time"))
    if not isinstance(process, int | str) or isinstance(process, bool):
        raise HistoryError(path, line, f":process is neither an integer nor a name but {process!r}")
    if kind not in EventType.__members__.values():
        raise HistoryError(path, line, f"unknown :type {kind!r}")
    if not isinstance(index, int) or not (time is None or isinstance(time, int)):
        raise HistoryError(path, line, ":index and :time must be integers")
    if not isinstance(fields["f"], str):
        raise HistoryError(path, line, f":f is not a name but {fields['f']!r}")
    error = fields.get("error")
    return Event(
        index=index,
        time=time,
        process=process if isinstance(process, int) else str(process),
        type=EventType(str(kind)),
        f=str(fields["f"]),
        value=fields.get("value"),
        key=fields.get("key"),
        error=None if error is None else str(error) if isinstance(error, str) else edn.write(error),
        ref=None if fields.get("ref") is None else str(fields["ref"]),
    )


_OWN_NAMES: Final[Mapping[str, frozenset[str]]] = {
    "queue": frozenset({"enqueue", "dequeue"}),
    "stack": frozenset({"push", "pop"}),
    "priority-queue": frozenset({"insert", "delete-min"}),
    "counter": frozenset({"add-and-get"}),
    "set": frozenset({"contains", "remove"}),
}
"""What nothing but one model has."""


def suggest_model(history: History) -> str:
    """The name in MODELS that fits the operations, going by their names alone."""
    operations = history.operations()
    names = {operation.f for operation in operations}
    if "txn" in names:
        return "multi-register"
    if names & {"acquire", "release"}:
        tokens = any(operation.f == "acquire" and isinstance(operation.result, int) for operation in operations)
        return "fenced-mutex" if tokens else "mutex"
    for model, own in _OWN_NAMES.items():
        if names & own:
            return model
    if "add" in names:
        sums = all(isinstance(op.result, int) for op in operations if op.f == "read" and op.ok)
        return "counter" if sums else "set"
    if "append" in names:
        texts = all(isinstance(operation.argument, str) for operation in operations if operation.f == "append")
        return "kv-append" if texts else "list-append"
    return "cas-register" if "cas" in names else "register"


def _plain(value: Any) -> Any:
    """What JSON can express of a value that came from EDN."""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"JSON cannot express {type(value).__name__}")


def write_jsonl(events: Iterable[Event], path: str | Path) -> None:
    """Write events as JSON lines. Raises TypeError for a value that JSON cannot express."""
    encode = msgspec.json.Encoder(enc_hook=_plain, order="deterministic").encode
    with Path(path).open("wb") as file:
        for event in events:
            file.write(encode(event) + b"\n")


def write_edn(events: Iterable[Event], path: str | Path) -> None:
    """Write events as EDN, one map a line, for Knossos and Jepsen.

    Names become keywords, those inside a transaction too. Knossos will take an ok read of nil as saying nothing.
    Raises TypeError for a value that EDN cannot express, ValueError for a name that is no keyword.
    """
    with Path(path).open("w", encoding="utf-8") as file:
        for event in events:
            file.write(edn_line(event) + "\n")


_NAME: Final = re.compile(r"[A-Za-z*!_?<>=][\w*!?<>=+./-]*", re.ASCII)


def edn_line(event: Event) -> str:
    """The event as one EDN map."""
    fields: list[tuple[edn.Keyword, Any]] = [
        (
            edn.Keyword("process"),
            event.process if isinstance(event.process, int) else _keyword(event.process),
        ),
        (edn.Keyword("type"), _keyword(event.type.value)),
        (edn.Keyword("f"), _keyword(event.f)),
        (edn.Keyword("value"), _transaction(event.value) if event.f == "txn" else event.value),
        (edn.Keyword("index"), event.index),
    ]
    optional = {"time": event.time, "key": event.key, "error": event.error, "ref": event.ref}
    fields += [(edn.Keyword(name), value) for name, value in optional.items() if value is not None]
    return edn.write(edn.EdnMap(fields))


def _keyword(name: str) -> edn.Keyword:
    if _NAME.fullmatch(name) is None:
        raise ValueError(f"{name!r} cannot be written as an EDN keyword")
    return edn.Keyword(name)


def _transaction(value: Any) -> Any:
    if not isinstance(value, list | tuple):
        return value
    return [
        [_keyword(step[0]), *step[1:]] if isinstance(step, list | tuple) and step and isinstance(step[0], str) else step
        for step in value
    ]
