"""A scenario: what to run, as data. The same file runs everywhere; with a seed, it is the whole description of a run.

Read from TOML and written back as TOML; unknown keys and names are errors that suggest what was probably meant, because
a fault that was misspelt and silently left out is coverage that nobody has.

In a file, a fault at a fixed time may have ``every``: it begins again so long after each beginning, as often as it ends
before the run does. That is written out while the file is read; a ``Scenario`` has one entry for each.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, cast, get_args

import msgspec
import tomli_w

from harness.duration import DurationError, format_ms, parse_ms, parse_ns
from harness.requirements import RequirementError, parse_all
from harness.seeds import SEED_MAX
from nemesis.faults import KINDS, OF_CLOCKS, OF_DISKS, Fault, FaultError, Partition, kind
from nemesis.packages import PACKAGES, expand
from nemesis.swarm import KINDS_OF_SWARMS, Intensity
from nemesis.targets import SYMBOLS
from node.assembly import bug_names
from node.options import SETTINGS
from workloads.base import Operation
from workloads.catalogue import WORKLOADS

LOCAL, SIMULATED = "local", "simulated"
PLACES = (LOCAL, SIMULATED)
PLACES_LATER = ("containers", "ssh")
LocalMode = Literal["auto", "root", "userns", "loopback"]
LOCAL_MODES = get_args(LocalMode)
SYSTEM_NAMES = ("multipaxos",)
NODE_SETTINGS = SETTINGS
NODES_MAX = 25
RATE_MAX = 20_000
CONCURRENCY_MAX = 500
NAME_BYTES_MAX = 150
OPERATIONS_MAX = 2_000_000
KEY_CHARACTERS_MAX = 64
VALUE_MAX = 2**53
DURATION_KEYS = ("time", "operation_timeout", "recovery")
TIMED_KEYS = ("at", "until", "every")
LISTS_OF_TIMED = ("schedule", "operations")
REPETITIONS_MAX = 10_000
SWARM = "swarm"
"""In ``faults``: let the seed choose among all kinds that the place can do, and how hard each is driven."""


class ScenarioError(ValueError):
    """A scenario that cannot be run; the message names the file and the key, and suggests."""


class Timed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A fault at a fixed time: ``at`` and ``until`` are durations since the start.

    ``order`` is the permutation of the nodes by which symbolic targets resolve; if there is none, the seed draws it.
    """

    at: str
    until: str
    fault: Fault
    order: tuple[str, ...] | None = None


class TimedOperation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """An operation of one client (from 0) at a fixed time; ``f`` is one of the workload's, a read has no ``value``.

    A transaction is a text: ``"append t0a 17; r t0b"`` (``workloads.transactions``).
    """

    at: str
    client: int
    f: str
    key: str
    value: int | str | None = None


class Scenario(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to run.

    ``time``: how long clients and faults go on (a duration). ``rate``: operations a second over all clients.
    ``operations``: the clients' operations, each at its time, instead of those that would be drawn; ``rate`` means
    nothing then. ``faults``: kinds of faults to draw from the seed, or ``swarm``; ``schedule``: faults at fixed times,
    instead or as well. ``intensity``: low, medium or high: how hard faults that are drawn are driven, with quiet in
    between and a healed end (``nemesis.packages``); without, as each kind's own menu has it. ``require``: what must
    have happened (``harness.requirements``; default: of each kind and package that is asked for by name, one).
    ``operation_timeout``: after how long a client gives an operation up as info. ``recovery``: how long the cluster
    may take to serve again once all is healed. ``bug``: a planted bug to run instead of the healthy node. ``node``:
    settings of the node (see ``python -m node serve --help``). ``invariants``: whether a simulated run ends in the
    moment in which one of its invariants breaks; without, the checkers alone judge it, at its end. ``clocks``: whether
    real nodes have clocks that can be bent (and are drawn) though no fault of the scenario bends them. ``pcap``:
    whether a run on ``local`` leaves its frames in its folder (``links.pcap``, ``links-lost.pcap``).
    ``stop_on_violation``: whether clients and faults end as soon as the history, watched while it is being made, shows
    something wrong; of workloads that can be watched.
    """

    name: str = "default"
    seed: int | None = None
    system: str = "multipaxos"
    place: str = "local"
    mode: str = "auto"
    nodes: int = 5
    time: str = "45s"
    rate: int = 200
    concurrency: int = 10
    workload: str = "register"
    operations: tuple[TimedOperation, ...] | None = None
    faults: tuple[str, ...] = ("partition", "kill")
    schedule: tuple[Timed, ...] = ()
    intensity: str | None = None
    require: tuple[str, ...] | None = None
    operation_timeout: str = "2s"
    recovery: str = "30s"
    bug: str | None = None
    node: Mapping[str, int | float | str] = {}
    invariants: bool = True
    clocks: bool = False
    pcap: bool = False
    stop_on_violation: bool = False

    def __post_init__(self) -> None:
        _one_of("system", self.system, SYSTEM_NAMES)
        _place(self.place)
        _one_of("mode", self.mode, LOCAL_MODES)
        _one_of("workload", self.workload, WORKLOADS)
        self._check_faults()
        _within("nodes", self.nodes, 1, NODES_MAX)
        _within("rate", self.rate, 1, RATE_MAX)
        _within("concurrency", self.concurrency, 1, CONCURRENCY_MAX)
        if self.seed is not None:
            _within("seed", self.seed, 0, SEED_MAX)
        for key in DURATION_KEYS:
            if not _duration(key, getattr(self, key)):
                raise ScenarioError(f"{key}: must be longer than nothing")
        for key, value in self.node.items():
            _node_setting(key, value)
        if self.bug is not None:
            _one_of("bug", self.bug, bug_names(), what="planted bug")
        for number, timed in enumerate(self.schedule):
            self._check_timed(f"schedule[{number}]", timed)
        for number, operation in enumerate(self.operations or ()):
            self._check_operation(f"operations[{number}]", operation)
        if self.operations is not None and len(self.operations) > OPERATIONS_MAX:
            raise ScenarioError(f"operations: {len(self.operations)} are more than {OPERATIONS_MAX}")
        if self.operations is None and not 0 < self.planned_operations <= OPERATIONS_MAX:
            raise ScenarioError(f"rate × time is {self.planned_operations} operations, not 1 to {OPERATIONS_MAX}")
        if not self.name or not all(c.isalnum() or c in "-_." for c in self.name) or self.name.startswith("."):
            raise ScenarioError(f"name: {self.name!r} must be letters, digits, '-', '_' and '.'")
        if len(self.name.encode()) > NAME_BYTES_MAX:
            raise ScenarioError(f"name: longer than {NAME_BYTES_MAX} bytes")

    def _check_faults(self) -> None:
        """Check what is asked for by name."""
        for named in self.faults:
            _one_of("faults", named, (*KINDS, *PACKAGES, SWARM))
        for key, names in (("faults", self.faults), ("require", self.require or ())):
            for named in names:
                if names.count(named) > 1:
                    raise ScenarioError(f"{key}: {named!r} is named twice")
        if self.intensity is not None:
            _one_of("intensity", self.intensity, [str(one) for one in Intensity])
        try:
            parse_all(self.require or ())
        except RequirementError as error:
            raise ScenarioError(f"require: {error}") from error

    def _check_timed(self, key: str, timed: Timed) -> None:
        """Check what a fault at a fixed time cannot know of the run around it."""
        if _duration(f"{key}.until", timed.until) <= _duration(f"{key}.at", timed.at):
            raise ScenarioError(f"{key}: a fault ends at {timed.until}, not after it begins at {timed.at}")
        if parse_ms(timed.until) > self.time_ms:
            raise ScenarioError(f"{key}: a fault ends at {timed.until}, after the run's time of {self.time}")
        if timed.order is not None and sorted(timed.order) != sorted(self.node_names):
            raise ScenarioError(f"{key}.order: must name each of {', '.join(self.node_names)} once")
        match timed.fault:
            case Partition(grudge=grudge):
                for node in (*grudge, *(name for deaf_to in grudge.values() for name in deaf_to)):
                    _one_of(f"{key}.fault.grudge", node, self.node_names, what="node")
            case fault:
                if fault.target not in SYMBOLS:
                    for node in fault.target.split("+"):
                        _one_of(f"{key}.fault.target", node, (*SYMBOLS, *self.node_names), what="target")

    def _check_operation(self, key: str, operation: TimedOperation) -> None:
        """Check an operation against the run around it."""
        if _duration_ns(f"{key}.at", operation.at) >= self.time_ms * 1_000_000:
            raise ScenarioError(f"{key}: an operation at {operation.at} is not before the run's end at {self.time}")
        _within(f"{key}.client", operation.client, 0, self.concurrency - 1)
        _one_of(f"{key}.f", operation.f, WORKLOADS[self.workload].functions, what="operation")
        if not 0 < len(operation.key) <= KEY_CHARACTERS_MAX:
            raise ScenarioError(f"{key}.key: not 1 to {KEY_CHARACTERS_MAX} characters")
        given = Operation(operation.f, operation.key, operation.value)
        if refusal := WORKLOADS[self.workload]().refusal(given):
            raise ScenarioError(f"{key}: {refusal}")
        if isinstance(operation.value, int):
            _within(f"{key}.value", operation.value, -VALUE_MAX, VALUE_MAX)

    @property
    def time_ms(self) -> int:
        """How long clients and faults go on."""
        return parse_ms(self.time)

    @property
    def operation_timeout_ms(self) -> int:
        """After how long a client gives up."""
        return parse_ms(self.operation_timeout)

    @property
    def recovery_ms(self) -> int:
        """How long recovery may take."""
        return parse_ms(self.recovery)

    @property
    def planned_operations(self) -> int:
        """How many operations all clients together plan."""
        if self.operations is not None:
            return len(self.operations)
        return self.rate * self.time_ms // 1_000

    @property
    def local_mode(self) -> LocalMode:
        """How the place ``local`` separates its nodes."""
        return cast(LocalMode, self.mode)

    @property
    def needs_disks(self) -> bool:
        """Whether real nodes need disks that can fail and forget: a fault may ask for it."""
        return not self._kinds_possible.isdisjoint(OF_DISKS)

    @property
    def bends_clocks(self) -> bool:
        """Whether nodes need clocks that can be bent: a fault may ask for it, or the scenario itself does."""
        return self.clocks or not self._kinds_possible.isdisjoint(OF_CLOCKS)

    @property
    def _kinds_possible(self) -> set[str]:
        """The kinds of faults that may come in a run of this, whatever the seed."""
        asked = {*expand(self.faults), *(kind(timed.fault) for timed in self.schedule)}
        if SWARM in asked:
            asked.update(KINDS_OF_SWARMS)
        return asked

    @property
    def required(self) -> tuple[str, ...]:
        """What must have happened."""
        if self.require is not None:
            return tuple(requirement.text for requirement in parse_all(self.require))
        asked = (*self.faults, *(kind(timed.fault) for timed in self.schedule))
        return tuple(dict.fromkeys(named for named in asked if named != SWARM))

    @property
    def node_names(self) -> tuple[str, ...]:
        """The nodes' names."""
        return tuple(f"n{number}" for number in range(1, self.nodes + 1))


_BUILTIN_KEYS = frozenset(Scenario.__struct_fields__)


def load(path: Path) -> Scenario:
    """Read a scenario file. Raises ScenarioError naming the file."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ScenarioError(f"{path}: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ScenarioError(f"{path}: {error}") from error
    try:
        return from_data(data)
    except ScenarioError as error:
        raise ScenarioError(f"{path}: {error}") from error


def from_data(data: Mapping[str, Any]) -> Scenario:
    """Build a scenario from plain data, as TOML gives it. Raises ScenarioError."""
    for key in data:
        _one_of("", key, _BUILTIN_KEYS, what="key")
    plain = {key: _as_text(key, value) if key in DURATION_KEYS else value for key, value in data.items()}
    for key in LISTS_OF_TIMED:
        if isinstance(plain.get(key), list):
            plain[key] = [_timed_as_text(key, timed) for timed in plain[key]]
    repeated = _take_repetitions(plain)
    try:
        scenario = msgspec.convert(plain, Scenario)
    except (msgspec.ValidationError, FaultError) as error:
        raise ScenarioError(_suggesting(str(error))) from error
    return _repeat(scenario, repeated) if repeated else scenario


def changed(scenario: Scenario, **changes: Any) -> Scenario:
    """Return a scenario with some keys changed, checked again; None leaves a key as it is. Raises ScenarioError."""
    given = {key: value for key, value in changes.items() if value is not None}
    try:
        return msgspec.structs.replace(scenario, **given)
    except (msgspec.ValidationError, FaultError) as error:
        raise ScenarioError(str(error)) from error


def dump(scenario: Scenario) -> str:
    """Return a scenario as TOML; what is None is left out, and what is rarely asked for where it is not."""
    data = {key: value for key, value in msgspec.to_builtins(scenario).items() if value is not None}
    if scenario.invariants:
        del data["invariants"]
    if not scenario.clocks:
        del data["clocks"]
    if not scenario.pcap:
        del data["pcap"]
    if not scenario.stop_on_violation:
        del data["stop_on_violation"]
    return tomli_w.dumps(data)


_UNKNOWN_FIELD = re.compile(r"Object contains unknown field `(.+?)` - at `\$\.?(.*?)`")
_UNKNOWN_KIND = re.compile(r"Invalid value '(.+?)' - at `\$\.(.*?)`")
_NESTED_KEYS = sorted(
    {name for struct in (Timed, TimedOperation, *KINDS.values()) for name in struct.__struct_fields__}
    | {"type", "every"}
)


def _suggesting(message: str) -> str:
    """Turn the decoder's word on an unknown key into ours, with a suggestion."""
    try:
        if found := _UNKNOWN_KIND.search(message):
            _one_of(found.group(2), found.group(1), KINDS, what="fault")
        found = _UNKNOWN_FIELD.search(message)
        if found is None:
            return message
        _one_of(found.group(2), found.group(1), _NESTED_KEYS, what="key")
    except ScenarioError as error:
        return str(error)
    return f"{found.group(2)}: key {found.group(1)!r} does not belong here"


def _as_text(key: str, value: Any) -> Any:
    """Return a bare number of seconds as a duration in text; leave everything else as it is."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return format_ms(_duration(key, value))
    return value


def _timed_as_text(name: str, timed: Any) -> Any:
    if not isinstance(timed, dict):
        return timed
    return {key: _as_text(f"{name}.{key}", value) if key in TIMED_KEYS else value for key, value in timed.items()}


def _take_repetitions(data: dict[str, Any]) -> dict[int, Any]:
    """Take ``every`` out of the faults at fixed times; return it by their position."""
    schedule = data.get("schedule")
    if not isinstance(schedule, list):
        return {}
    repeated = {n: timed["every"] for n, timed in enumerate(schedule) if isinstance(timed, dict) and "every" in timed}
    if repeated:
        data["schedule"] = [
            {key: value for key, value in timed.items() if key != "every"} if n in repeated else timed
            for n, timed in enumerate(schedule)
        ]
    return repeated


def _repeat(scenario: Scenario, repeated: Mapping[int, Any]) -> Scenario:
    """Return a scenario with some of its faults, by position, as often as they fit. Raises ScenarioError."""
    schedule = [
        one
        for position, timed in enumerate(scenario.schedule)
        for one in (_again(position, timed, repeated[position], scenario) if position in repeated else (timed,))
    ]
    return changed(scenario, schedule=tuple(schedule))


def _again(position: int, timed: Timed, every: Any, scenario: Scenario) -> Iterator[Timed]:
    key = f"schedule[{position}].every"
    every_ms = _duration(key, every)
    at_ms, until_ms = parse_ms(timed.at), parse_ms(timed.until)
    room_ms = scenario.time_ms - until_ms
    if not every_ms or room_ms // every_ms >= REPETITIONS_MAX:
        raise ScenarioError(f"{key}: {every} comes more than {REPETITIONS_MAX} times before the run's end")
    for later_ms in range(0, room_ms + 1, every_ms):
        yield msgspec.structs.replace(timed, at=format_ms(at_ms + later_ms), until=format_ms(until_ms + later_ms))


def _place(place: str) -> None:
    if place in PLACES_LATER:
        raise ScenarioError(f"place: {place!r} is planned but not built yet; there are: {', '.join(PLACES)}")
    _one_of("place", place, PLACES)


def _node_setting(key: str, value: float | str) -> None:
    _one_of("node", key, NODE_SETTINGS, what="setting")
    word = key == "detector"
    if isinstance(value, str) != word:
        raise ScenarioError(f"node.{key}: {value!r} is not a {'word' if word else 'number'}")


def _one_of(key: str, value: str, known: Iterable[str], what: str = "value") -> None:
    known = sorted(known)
    if value in known:
        return
    near = difflib.get_close_matches(value, known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known)}"
    prefix = f"{key}: " if key else ""
    raise ScenarioError(f"{prefix}unknown {what} {value!r}; {hint}")


def _within(key: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise ScenarioError(f"{key}: {value} is not between {low} and {high}")


def _duration(key: str, text: str | float) -> int:
    try:
        return parse_ms(text)
    except DurationError as error:
        raise ScenarioError(f"{key}: {error}") from error


def _duration_ns(key: str, text: str) -> int:
    try:
        return parse_ns(text)
    except DurationError as error:
        raise ScenarioError(f"{key}: {error}") from error
