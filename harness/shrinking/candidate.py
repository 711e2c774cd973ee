"""A candidate: what a failing run did, as plain numbers that passes can cut, and the order that says what is smaller.

The order is shortlex, as in Hypothesis: first how much there is, then how plain it is. Everything that a pass may
change has its place in ``sort_key``; a pass cannot make anything worse, because only what sorts strictly before the
best so far is ever tried. So there is no end but one: a candidate that nothing makes smaller.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from harness.duration import format_ms, format_ns
from harness.plan import MS, Plan, node_settings
from harness.scenario import SIMULATED, Scenario, Timed, TimedOperation, changed
from harness.shrinking.plainness import fault_weight, number_weight
from nemesis.faults import Fault


@dataclass(frozen=True, slots=True)
class PlacedFault:
    """A fault from ``at`` to ``until`` (ms); ``order`` is by which symbolic targets resolve, None if the seed says."""

    at: int
    until: int
    fault: Fault
    order: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class PlacedOperation:
    """A client's operation ``at`` ns. Of a transaction the value is its text."""

    at: int
    client: int
    f: str
    key: str
    value: int | str | None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A run without its seed. Faults and operations are in the order of their times."""

    nodes: int
    clients: int
    time: int
    faults: tuple[PlacedFault, ...]
    operations: tuple[PlacedOperation, ...]
    settings: tuple[tuple[str, int | float | str], ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of the operations, in the order of their first use."""
        return tuple(dict.fromkeys(operation.key for operation in self.operations))


_F_WEIGHTS = {"read": 0, "cas": 2, "transfer": 2}
"""How much there is to understand in an operation; 1 in any other."""


def of_plan(scenario: Scenario, plan: Plan) -> Candidate:
    """Return what a plan does. Carried out with the plan's seed, it is the same run."""
    operations = [
        PlacedOperation(planned.at, client, planned.operation.f, planned.operation.key, planned.operation.value)
        for client, planned_of_client in enumerate(plan.clients)
        for planned in planned_of_client
    ]
    return Candidate(
        nodes=len(plan.nodes),
        clients=len(plan.clients),
        time=plan.time // MS,
        faults=tuple(PlacedFault(f.at // MS, f.until // MS, f.fault, f.order) for f in plan.faults),
        operations=tuple(sorted(operations, key=lambda operation: (operation.at, operation.client))),
        settings=tuple(sorted(node_settings(scenario, plan.seed).items())),
    )


def to_scenario(base: Scenario, candidate: Candidate, seed: int) -> Scenario:
    """Return the scenario that carries a candidate out in simulation; the rest is as in ``base``."""
    plain = msgspec.structs.replace(base, intensity=None)  # every fault is given, so none is drawn
    return changed(
        plain,
        seed=seed,
        place=SIMULATED,
        nodes=candidate.nodes,
        concurrency=candidate.clients,
        time=format_ms(candidate.time),
        rate=Scenario().rate,
        faults=(),
        require=(),
        node=dict(candidate.settings),
        schedule=tuple(
            Timed(at=format_ms(f.at), until=format_ms(f.until), fault=f.fault, order=f.order) for f in candidate.faults
        ),
        operations=tuple(
            TimedOperation(at=format_ns(o.at), client=o.client, f=o.f, key=o.key, value=o.value)
            for o in candidate.operations
        ),
    )


def sha256(scenario: Scenario) -> str:
    """Return a scenario's name: the hash of its canonical JSON, the seed included."""
    data = json.dumps(msgspec.to_builtins(scenario), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(data.encode("ascii")).hexdigest()


def size(candidate: Candidate) -> int:
    """Return how much there is to look at: faults, operations, nodes and clients, one each.

    This is what is compared with the best known by hand.
    """
    return len(candidate.faults) + len(candidate.operations) + candidate.nodes + candidate.clients


Key = tuple[object, ...]


def sort_key(candidate: Candidate) -> tuple[tuple[int, ...], ...]:
    """Return what candidates are ordered by: how much, how long, how plain, how early."""
    faults, operations = candidate.faults, candidate.operations
    return (
        (size(candidate), len(faults), len(operations), candidate.nodes, candidate.clients),
        (len(candidate.keys), candidate.time, len(candidate.settings)),
        _sum([fault_weight(placed.fault) for placed in faults]),
        (sum(placed.order is not None for placed in faults),),
        (sum(_F_WEIGHTS.get(operation.f, 1) for operation in operations),),
        (sum(placed.until - placed.at for placed in faults),),
        (_roughness(candidate),),
        (sum(placed.at for placed in faults) * MS + sum(operation.at for operation in operations),),
        (sum(number_weight(_number(operation.value)) for operation in operations),),
        tuple(len(operation.key) for operation in operations),
        tuple(ord(letter) for operation in operations for letter in operation.key),
        tuple(operation.client for operation in operations),
        tuple(_number(operation.value) for operation in operations),
    )


def _number(value: int | str | None) -> int:
    """Return a value as a number; a transaction is as large as its text is long."""
    return len(value) if isinstance(value, str) else value or 0


def _roughness(candidate: Candidate) -> int:
    """Return how many digits it takes to say all times."""
    times = [candidate.time * MS, *(operation.at for operation in candidate.operations)]
    times += [moment * MS for placed in candidate.faults for moment in (placed.at, placed.until)]
    return sum(len(str(moment).rstrip("0")) for moment in times)


def _sum(weights: Sequence[tuple[int, int]]) -> tuple[int, ...]:
    return tuple(sum(column) for column in zip(*weights, strict=True)) if weights else (0, 0)
