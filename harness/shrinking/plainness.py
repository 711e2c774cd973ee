"""How plain a fault is, and plainer ones to try in its place: fewer nodes hit, plainer shapes, gentler numbers.

A fault's weight is two numbers: its shape or targets, by rank; then its parameters. The ranks are taste: what a reader
understands fastest comes first. Words (a mode, a direction) are plain as they are by default.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from nemesis.faults import DiskSlow, Fault, FaultError, LinkFault, Partition

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
MEANINGLESS_ALONE = frozenset({"held_us"})
"""Numbers that another one brings into effect: at their default they weigh nothing."""


def fault_weight(fault: Fault) -> tuple[int, int]:
    """Return how much there is to understand in a fault."""
    match fault:
        case Partition(grudge=grudge) if grudge:
            return _GRUDGE + sum(len(deaf_to) for deaf_to in grudge.values()), 0
        case Partition(shape=shape):
            return SHAPES.index(shape), 0
        case DiskSlow(times=times):
            return _target_weight(fault.target), times or _STALLED
        case LinkFault():
            used = sum(bool(_number_weight(fault, name)) for name in _numbers(fault))
            return _target_weight(fault.target), used * _EACH + _parameters_weight(fault)
    return _target_weight(fault.target), _parameters_weight(fault)


def _parameters_weight(fault: Fault) -> int:
    return len(_odd_words(fault)) * _EACH + sum(_number_weight(fault, name) for name in _numbers(fault))


def _number_weight(fault: Fault, name: str) -> int:
    number = getattr(fault, name)
    return 0 if name in MEANINGLESS_ALONE and number == _default(fault, name) else number_weight(number)


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
    for name in (*_odd_words(fault), *MEANINGLESS_ALONE.intersection(fault.__struct_fields__)):
        yield msgspec.structs.replace(fault, **{name: _default(fault, name)})
    for name in _left_out_by_default(fault):
        try:
            yield msgspec.structs.replace(fault, **{name: msgspec.UNSET})
        except FaultError:  # it is all that the fault does, or another number needs it
            continue
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
    ladder = {0, *(rounded(size // divisor) for divisor in (1_000, 100, 10, 4, 2, 1)), rounded(size * 3 // 4)}
    return [sign * lower for lower in sorted(ladder) if lower < size]


def rounded(number: int, digits: int = 1) -> int:
    """Return a number rounded down to so many digits."""
    unit = int("1" + "0" * max(0, len(str(number)) - digits))
    return number // unit * unit


def _odd_words(fault: Fault) -> list[str]:
    """Return the names of the words that are not what they are by default."""
    words = [name for name in fault.__struct_fields__ if name != "target" and isinstance(getattr(fault, name), str)]
    return [name for name in words if getattr(fault, name) != _default(fault, name)]


def _default(fault: Fault, name: str) -> object:
    return getattr(type(fault)(), name)


def _numbers(fault: Fault) -> list[str]:
    return [name for name in fault.__struct_fields__ if isinstance(getattr(fault, name), int)]


def _left_out_by_default(fault: Fault) -> list[str]:
    """Return the names of the numbers that are given here and need not be."""
    return [name for name in _numbers(fault) if _default(fault, name) is msgspec.UNSET]


def _target_weight(target: str) -> int:
    """Return a target's rank; names of nodes come after what means one node, and count each."""
    if target in TARGETS:
        rank = TARGETS.index(target)
        return rank if rank <= _NAMED else rank * 10
    return _NAMED + 1 + 10 * target.count("+")
