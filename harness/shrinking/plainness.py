"""How plain a fault is, and plainer ones to try in its place: fewer nodes hit, plainer shapes, gentler numbers.

A fault's weight is two numbers: its shape or targets, by rank; then its parameters. The ranks are taste: what a reader
understands fastest comes first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from nemesis.faults import DiskSlow, Fault, FaultError, LinkFault, Partition, PowerOff

SHAPES = (
    "leader",
    "one",
    "halves",
    "leader-mute",
    "leader-deaf",
    "one-way",
    "minority-third",
    "random-halves",
    "bridge",
    "majorities-ring",
)
TARGETS = ("leader", "follower", "one", "minority-third", "minority", "majority", "all")
_GRUDGE, _NAMED = 20, 2
_STALLED = 1_000_000
_EACH = 10**9


def fault_weight(fault: Fault) -> tuple[int, int]:
    """Return how much there is to understand in a fault."""
    match fault:
        case Partition(grudge=grudge) if grudge:
            return _GRUDGE + sum(len(deaf_to) for deaf_to in grudge.values()), 0
        case Partition(shape=shape):
            return SHAPES.index(shape), 0
        case DiskSlow(times=times):
            return _target_weight(fault.target), times or _STALLED
        case PowerOff(mode=mode):
            return _target_weight(fault.target), int(mode != "drop")
        case LinkFault():
            used = sum(bool(getattr(fault, name)) for name in _numbers(fault))
            return _target_weight(fault.target), used * _EACH + _parameters_weight(fault)
    return _target_weight(fault.target), _parameters_weight(fault)


def _parameters_weight(fault: Fault) -> int:
    return sum(number_weight(getattr(fault, name)) for name in _numbers(fault))


def number_weight(number: int) -> int:
    """Return a number's weight: its distance from 0, below 0 a little more."""
    return 2 * abs(number) + (number < 0)


def plainer(fault: Fault, nodes: Sequence[str]) -> Iterator[Fault]:
    """Yield plainer faults of the same kind, the plainest first."""
    weight = fault_weight(fault)
    for other in _variants(fault, nodes):
        if fault_weight(other) < weight:
            yield other


def _variants(fault: Fault, nodes: Sequence[str]) -> Iterator[Fault]:
    if isinstance(fault, Partition):
        yield from (Partition(shape) for shape in SHAPES)
        for node, deaf_to in fault.grudge.items():
            yield from (_without(fault, node, source) for source in deaf_to if len(fault.grudge) + len(deaf_to) > 2)
        return
    for target in (*TARGETS[:_NAMED], *nodes, *TARGETS[_NAMED:]):
        yield msgspec.structs.replace(fault, target=target)
    if isinstance(fault, PowerOff):
        yield msgspec.structs.replace(fault, mode="drop")
    for name in _numbers(fault):
        yield from _with_lower(fault, name)


def _without(fault: Partition, node: str, source: str) -> Partition:
    grudge = {name: tuple(s for s in deaf_to if (name, s) != (node, source)) for name, deaf_to in fault.grudge.items()}
    return Partition(fault.shape, {name: deaf_to for name, deaf_to in grudge.items() if deaf_to})


def _with_lower(fault: Fault, name: str) -> Iterator[Fault]:
    number = getattr(fault, name)
    for lower in lower_numbers(number):
        try:
            yield msgspec.structs.replace(fault, **{name: lower})
        except FaultError:  # some numbers mean nothing in some faults
            continue


def lower_numbers(number: int) -> list[int]:
    """Return a few lower numbers of the same sign, round ones, the lowest first."""
    sign, size = (-1 if number < 0 else 1), abs(number)
    ladder = {0, *(rounded(size // divisor) for divisor in (1_000, 100, 10, 4, 2, 1))}
    return [sign * lower for lower in sorted(ladder) if lower < size]


def rounded(number: int, digits: int = 1) -> int:
    """Return a number rounded down to so many digits."""
    unit = int("1" + "0" * max(0, len(str(number)) - digits))
    return number // unit * unit


def _numbers(fault: Fault) -> list[str]:
    return [name for name in fault.__struct_fields__ if isinstance(getattr(fault, name), int)]


def _target_weight(target: str) -> int:
    """Return a target's rank; names of nodes come after what means one node, and count each."""
    if target in TARGETS:
        rank = TARGETS.index(target)
        return rank if rank <= _NAMED else rank * 10
    return _NAMED + 1 + 10 * target.count("+")
