"""A node's configuration file: one TOML file that all nodes of a cluster may share, checked before anything starts.

Every setting is a *knob*: its name carries its unit, and it has limits, a section, and a sentence. The table of knobs
is the one place that knows them: it reads the file, checks ``--set``, and writes the commented default
(``python -m node config``). What the file does not say has the default; an unknown key is an error that suggests.
"""

from __future__ import annotations

import difflib
import re
import textwrap
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from node.addresses import Addresses, format_address, parse_address
from node.admission import Limits
from node.paxos.config import DETECTORS, MILLION, THRESHOLD_RANGE, Config, ConfigError
from node.storage.wal import SEGMENT_BYTES, ZERO_AHEAD_BYTES
from node.wire import CLUSTER

LOG_DEFAULTS = {"log_segment_bytes": SEGMENT_BYTES, "log_zero_ahead_bytes": ZERO_AHEAD_BYTES, "log_direct": 0}
"""The log's settings: fields of ``ServerConfig``."""
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
GIB = 1 << 30
SEED_MAX = (1 << 63) - 1
PARTS_BYTES = (1, 8 * 1024 * 1024)
"""What one message or record may carry: well below the largest frame and the largest record."""

Setting = int | float | bool | str


class Knob(NamedTuple):
    """One setting: the least and the most that it may be, or the words of which it is one, and what it does."""

    section: str
    name: str
    limits: tuple[float, float] | tuple[str, ...] | None
    what: str

    def takes(self, value: Setting) -> bool:
        """Say whether a value of the right kind is within the limits."""
        if self.limits is None or isinstance(value, bool):
            return True
        if isinstance(value, str):
            return value in self.limits
        low, high = self.limits
        return float(low) <= value <= float(high)

    @property
    def range(self) -> str:
        """The limits in words, "" if there are none."""
        if self.limits is None:
            return ""
        words = [limit if isinstance(limit, str) else _number(limit) for limit in self.limits]
        return ", ".join(words) if isinstance(self.limits[0], str) else f"{words[0]} to {words[1]}"


KNOBS = (
    Knob("elections", "heartbeat_ms", (1, MINUTE_MS), "how often a leader says that it is there"),
    Knob(
        "elections", "election_timeout_ms", (2, HOUR_MS), "a leader's silence before an election; 2 heartbeats or more"
    ),
    Knob("elections", "election_spread_ms", (1, HOUR_MS), "how much longer, by chance: not all begin at once"),
    Knob("elections", "election_backoff_max", (1, 1_024), "how many times as long, at most, after elections in vain"),
    Knob("elections", "retry_ms", (1, HOUR_MS), "after how long a message that was not answered is sent again"),
    Knob(
        "leases", "lease_ms", (0, HOUR_MS), "a follower waits so long for its leader; 0: reads ask a majority instead"
    ),
    Knob("elections", "election_lag_slots_max", (0, 1 << 40), "how far a log may lag behind another's and still lead"),
    Knob("elections", "transfer_timeout_ms", (1, HOUR_MS), "how long a leader that hands over waits for its successor"),
    Knob("detector", "detector", DETECTORS, "what suspects the leader, at the latest after election_timeout_ms"),
    Knob("detector", "detector_window", (1, 100_000), "over how many of its last signs of life"),
    Knob("detector", "phi_threshold", THRESHOLD_RANGE, "phi: how unlikely a silence must be, as a power of ten"),
    Knob("detector", "phi_deviation_min_ms", (1, HOUR_MS), "phi: at least so much deviation is taken for normal"),
    Knob("detector", "phi_pause_ms", (0, HOUR_MS), "phi: a silence so much longer than usual is still no reason"),
    Knob("detector", "phi_exponential_threshold", THRESHOLD_RANGE, "phi-exponential: the same power of ten"),
    Knob("detector", "nfd_alpha_ms", (1, HOUR_MS), "nfd-e: how much later than expected a beat may come"),
    Knob("leases", "drift_ppm", (0, MILLION - 1), "how far off any monotonic clock's rate may be, in millionths"),
    Knob("leases", "read_timeout_ms", (1, HOUR_MS), "how long a follower waits for its leader's word on a read"),
    Knob("recovery", "amnesia_safe", (0, 1), "1: a node that may have forgotten asks the others before it votes"),
    Knob("recovery", "joins", (0, 1), "1: no founding member: waits until it is added to the cluster of the others"),
    Knob("batching", "batch_commands_max", (1, 65_536), "commands in one Accept"),
    Knob("batching", "batch_bytes_max", PARTS_BYTES, "bytes of commands in one Accept"),
    Knob("batching", "window_max", (1, 1_024), "Accepts in flight at most"),
    Knob("batching", "promise_part_bytes", PARTS_BYTES, "bytes in one part of a promise's report"),
    Knob("batching", "fetch_bytes_max", PARTS_BYTES, "bytes of chosen slots in one answer to a node that lags behind"),
    Knob("limits", "queue_commands_max", (1, 10 * MILLION), "commands that wait at the leader; more are refused"),
    Knob("limits", "queue_bytes_max", (1, 64 * GIB), "bytes of commands that wait at the leader"),
    Knob("limits", "reads_max", (1, 10 * MILLION), "reads under way at one node; more are refused"),
    Knob("limits", "backlog_records_max", (2, 10 * MILLION), "records that wait for the disk; then it accepts no more"),
    Knob("limits", "backlog_bytes_max", (1, 64 * GIB), "bytes of records that wait for the disk"),
    Knob("limits", "deferred_max", (1, 10 * MILLION), "answers that wait for the disk; more are lost, as on a network"),
    Knob("limits", "clients_max", (1, 100_000), "clients' connections; more are turned away"),
    Knob("limits", "strangers_max", (1, 100_000), "connections that have not said who they are"),
    Knob("limits", "pipeline_max", (1, MILLION), "requests under way on one client's connection; more are refused"),
    Knob("limits", "client_outbox_bytes_max", (4_096, GIB), "replies that a client has not read; then it is cut off"),
    Knob("limits", "peer_outbox_bytes_max", (4_096, GIB), "messages on their way to a peer; more are dropped"),
    Knob("limits", "hello_timeout_ms", (1, HOUR_MS), "how long a connection may take to say who it is"),
    Knob("log", "log_segment_bytes", (256, 1 << 40), "the log begins a new file once one is this long"),
    Knob("log", "log_zero_ahead_bytes", (0, GIB), "zeros written ahead of the log's end, so that a sync is only data"),
    Knob("log", "log_direct", (0, 1), "1: the log is written past the page cache (O_DIRECT), where that can be done"),
    Knob("snapshots", "snapshot_slots", (1, 1 << 40), "slots applied between two snapshots"),
    Knob("snapshots", "snapshot_log_bytes", (1, 1 << 40), "or bytes of commands; at least as many as the last one has"),
    Knob("snapshots", "snapshot_tail_slots", (0, 10 * MILLION), "slots kept in memory behind a snapshot, for laggards"),
    Knob("snapshots", "snapshot_part_bytes", (1, 16 * 1024 * 1024), "bytes of a snapshot in one message"),
    Knob("speculation", "speculative", (0, 1), "1: a leader computes results while it waits for acknowledgements"),
)
_CORE = dict(zip(Config.__struct_fields__[-len(Config.__struct_defaults__) :], Config.__struct_defaults__, strict=True))
DEFAULTS: Mapping[str, Setting] = {
    **_CORE,
    **dict(zip(Limits.__struct_fields__, Limits.__struct_defaults__, strict=True)),
    **LOG_DEFAULTS,
}
"""What each setting is if nobody says otherwise."""
SETTINGS = tuple(DEFAULTS)
"""What ``--set`` and a file can set."""
_BY_NAME = {knob.name: knob for knob in KNOBS}
_NODE_KEYS = ("id", "cluster", "data", "seed")
_OTHER = "other"


@dataclass(frozen=True, slots=True)
class Written:
    """What a file says; None for what it does not say. ``data`` may hold ``{id}``."""

    id: int | None = None
    cluster: str | None = None
    data: str | None = None
    seed: int | None = None
    members: Addresses | None = None
    settings: Mapping[str, Setting] | None = None


def load(path: Path) -> Written:
    """Read a configuration file. Raises ConfigError, which names the file and the key."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    try:
        written = _read(document)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    if written.data is not None:  # a file's paths are relative to the file: it may be used from anywhere
        written = Written(**{**_fields(written), "data": str(path.parent / written.data)})
    return written


def check_setting(name: str, value: object, where: str) -> Setting:
    """Return a setting if it is one, of its kind and within its limits. Raises ConfigError, starting with ``where``."""
    if name not in DEFAULTS:
        raise ConfigError(f"{where}: {unknown(name, SETTINGS)}")
    kind = type(DEFAULTS[name])
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind:
        raise ConfigError(f"{where}: {name} is {_KINDS[kind]}, not {value!r}")
    assert isinstance(value, int | float | bool | str)
    knob = _BY_NAME.get(name)
    if knob is not None and not knob.takes(value):
        raise ConfigError(f"{where}: {name} is {value}, not {knob.range}")
    return value


def parse_setting(text: str) -> tuple[str, Setting]:
    """Parse ``key=value`` of ``--set``. Raises ConfigError."""
    name, equals, word = text.partition("=")
    if name not in DEFAULTS:
        raise ConfigError(f"--set: {unknown(name, SETTINGS)}")
    kind = type(DEFAULTS[name])
    value: object = word
    if kind in (int, float):
        value = kind(word) if _DECIMAL[kind].fullmatch(word) else None
    elif kind is bool:
        value = {"true": True, "false": False}.get(word)
    if not equals or value is None:
        raise ConfigError(f"--set: {text!r} is not {name}={_WORDS[kind]}")
    return name, check_setting(name, value, "--set")


def unknown(name: str, known: Iterable[str]) -> str:
    """Say that a name is none of the known ones, and which was probably meant."""
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1)
    return f"{name!r} is unknown" + (f"; did you mean {close[0]}?" if close else f"; there are: {', '.join(known)}")


def default_file(me: int = 1, members: Addresses | None = None) -> str:
    """Return a commented configuration file that says what holds anyway."""
    members = members or {node: ("127.0.0.1", 7_000 + node) for node in (1, 2, 3)}
    lines = [
        "# A node of a Multi-Paxos cluster. One file may serve all nodes: python -m node serve --config FILE --id N.",
        "# What is left out has the default shown here; flags override what is here.",
        "",
        "[node]",
        f"id = {me}                      # this node's id, one of the members' (a flag --id comes first)",
        f'cluster = "{CLUSTER}"       # connections that name another cluster are refused',
        "data = \"data/n{id}\"         # its data folder, from this file's folder on; {id} is the node's id",
        "seed = 0                    # of the election time-outs' spread, 0 to 2^63-1",
        "",
        "[members]                   # every node with its address, this one included; ids start at 1",
        *(f'{node} = "{format_address(address)}"' for node, address in sorted(members.items())),
    ]
    for section in dict.fromkeys(knob.section for knob in _all_knobs()):
        lines += ["", f"[{section}]"]
        for knob in _all_knobs():
            if knob.section == section:
                lines += _described(knob)
    return "\n".join(lines) + "\n"


# -- reading ----------------------------------------------------------------------------------------------------------


def _read(document: Mapping[str, Any]) -> Written:
    sections = list(dict.fromkeys(knob.section for knob in _all_knobs()))
    for name, table in document.items():
        if name not in ("node", "members", *sections):
            raise ConfigError(f"section {unknown(name, ('node', 'members', *sections))}")
        if not isinstance(table, dict):
            raise ConfigError(f"{name} is a section: write [{name}]")
    node = document.get("node", {})
    for key in node:
        if key not in _NODE_KEYS:
            raise ConfigError(f"[node] {unknown(key, _NODE_KEYS)}")
    return Written(
        id=_typed(node, "id", int, (1, 1 << 31)),
        cluster=_typed(node, "cluster", str),
        data=_typed(node, "data", str),
        seed=_typed(node, "seed", int, (0, SEED_MAX)),
        members=_members(document["members"]) if "members" in document else None,
        settings={key: value for section in sections for key, value in _section(document, section)},
    )


def _section(document: Mapping[str, Any], section: str) -> Iterable[tuple[str, Setting]]:
    names = [knob.name for knob in _all_knobs() if knob.section == section]
    for key, value in document.get(section, {}).items():
        if key not in names:
            elsewhere = next((knob.section for knob in _all_knobs() if knob.name == key), None)
            hint = f"{key!r} belongs into [{elsewhere}]" if elsewhere else unknown(key, names)
            raise ConfigError(f"[{section}] {hint}")
        yield key, check_setting(key, value, f"[{section}]")


def _members(table: Mapping[str, Any]) -> Addresses:
    members: dict[int, tuple[str, int]] = {}
    for key, value in table.items():
        if not key.isdecimal() or not isinstance(value, str):
            raise ConfigError(f'[members] {key} = {value!r} is not ID = "HOST:PORT"')
        members[int(key)] = parse_address(value, f'[members] {key} = {value!r} is not ID = "HOST:PORT"')
    if not members:
        raise ConfigError("[members] names nobody")
    return members


def _typed(table: Mapping[str, Any], key: str, kind: type, limits: tuple[int, int] | None = None) -> Any:
    value = table.get(key)
    if value is None:
        return None
    if type(value) is not kind:
        raise ConfigError(f"[node] {key} is {_KINDS[kind]}, not {value!r}")
    if limits is not None and isinstance(value, int) and not limits[0] <= value <= limits[1]:
        raise ConfigError(f"[node] {key} is {value}, not {limits[0]} to {limits[1]}")
    return value


def _fields(written: Written) -> dict[str, Any]:
    return {name: getattr(written, name) for name in Written.__slots__}


# -- writing ----------------------------------------------------------------------------------------------------------


def _all_knobs() -> tuple[Knob, ...]:
    """All knobs; a setting that nobody has described yet can be set all the same."""
    return (*KNOBS, *(Knob(_OTHER, name, None, "") for name in SETTINGS if name not in _BY_NAME))


def _described(knob: Knob) -> list[str]:
    value = DEFAULTS[knob.name]
    word = f'"{value}"' if isinstance(value, str) else str(value).lower()
    limits = f" [{knob.range}]" if knob.range else ""
    comment = textwrap.wrap(f"{knob.what}{limits}", 100, initial_indent="# ", subsequent_indent="# ")
    return [*comment, f"{knob.name} = {word}"]


def _number(number: float) -> str:
    return str(int(number)) if number == int(number) else str(number)


_KINDS: Mapping[type, str] = {int: "a whole number", float: "a number", bool: "true or false", str: "a string"}
_WORDS: Mapping[type, str] = {int: "NUMBER", float: "NUMBER", bool: "true|false", str: "TEXT"}
_DECIMAL = {int: re.compile(r"[0-9]{1,18}"), float: re.compile(r"[0-9]{1,15}(\.[0-9]{1,15})?")}
