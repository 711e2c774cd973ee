"""Which mechanism serves each fault in a place: for a run's header, its result and its report, and for the doctor."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from harness.cluster.base import Ability
from harness.results import Served
from nemesis.clock_bound import UNTOLD, ClockBound
from nemesis.faults import OF_THE_SYSTEM, Fault, kind
from nemesis.needs import NEEDS

BY_THE_SYSTEM = "the system's own client library"


def served(
    faults: Sequence[Fault],
    abilities: Sequence[Ability],
    lacking: Callable[[str], str],
    bound: ClockBound = UNTOLD,
) -> tuple[Served, ...]:
    """Return, for each kind of these faults, what serves it here; ``lacking`` gives why an ability is missing.

    ``bound`` is how wrong the system lets clocks run.
    """
    means = {ability.name: ability.mechanism for ability in abilities}
    beyond: dict[str, str] = {}
    for fault in faults:
        name = kind(fault)
        beyond[name] = beyond.get(name) or fault.beyond_model(bound)
    return tuple(
        Served(
            kind=name,
            mechanism=BY_THE_SYSTEM if name in OF_THE_SYSTEM else means.get(NEEDS[name], ""),
            missing=lacking(NEEDS[name]),
            beyond_model=beyond[name],
        )
        for name in sorted(beyond)
    )


def told(served_here: Sequence[Served]) -> list[str]:
    """Return what a run's header says of it: kinds with the same means together, what is missing line by line."""
    by_means: dict[str, list[str]] = {}
    for one in served_here:
        if not one.missing:
            by_means.setdefault(one.mechanism, []).append(_named(one))
    lines = [f"{', '.join(kinds)}: {means}" for means, kinds in by_means.items()]
    return [*lines, *(f"{_named(one)}: skipped, {one.missing}" for one in served_here if one.missing)]


def _named(one: Served) -> str:
    return f"{one.kind} (beyond the model: {one.beyond_model})" if one.beyond_model else one.kind
