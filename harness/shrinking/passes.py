"""The passes: each proposes smaller candidates of one sort, and knows nothing of why a run fails.

A pass is a generator of (position, candidate). When a proposal is accepted, the pass is asked again, for the new
candidate and from that position on, so what was refused a moment ago is not tried at once again; the shrinker comes
back to the beginning until no pass has anything left. Proposals need not be smaller, nor even possible: the shrinker
drops what is not. The order of ``PASSES`` is by how much they may take away for how little: what runs long is cut
first.

Deleting goes by chunks: everything, halves, quarters, down to one by one (Zeller and Hildebrandt, *Simplifying and
isolating failure-inducing input*, 2002, without its complements, which repetition makes up for).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from itertools import combinations, product
from typing import TypeVar

import msgspec

from harness.plan import MS
from harness.seeds import SeedTree, Stream
from harness.shrinking.candidate import Candidate, PlacedFault, PlacedOperation, size
from harness.shrinking.plainness import SHAPES, TARGETS, lower_numbers, plainer
from nemesis.faults import Fault, Kill, Partition, Pause, PowerOff

_T = TypeVar("_T")

US = 1_000
Position = tuple[int, int]
START: Position = (0, 0)
Proposals = Iterator[tuple[Position, Candidate]]

EIGHTHS_OF_END = (1, 2, 4, 6, 7)
SINGLES_MAX = 60
"""Among how many things each is tried alone."""
PAIRS_MAX = 14
"""Among how many things each pair is taken away at once."""
MOMENTS_MAX = 80
"""Among how many moments each gap is closed by itself."""
VARIED_SIZE_MAX = 16
VARIATIONS_EACH = 60
"""How many variations are tried for each thing that might be taken away."""
ROOM_MS = (0, 0, 500, 2_000)
STRIKES: tuple[Fault, ...] = (Kill("leader"), PowerOff("leader"), Pause("leader"), Partition("leader"))
STRIKE_AT_MS = 100
STRIKE_LASTS_MS = (200, 1_500)
"""Shorter than an operation waits, and longer than an election takes."""
STRIKE_AFTER_US = (300, 700, 1_200)
"""How long after an operation's beginning: while it is under way, in the time that simulated links and disks take."""
UNITS = (1_000 * MS, 100 * MS, 10 * MS, MS)
PLAIN_KEYS = ("x", "y", "z")


class Phase(Enum):
    """When a pass has its turn: each phase waits until the ones before it have nothing left."""

    LESS = 1
    OTHERWISE = 2
    PLAINER = 3


@dataclass(frozen=True, slots=True)
class Pass:
    """A pass and its name in journals and tables.

    ``seeds`` bounds with how many seeds each proposal is tried (None: as many as its size is worth).
    """

    name: str
    propose: Callable[[Candidate, Position], Proposals]
    seeds: int | None = None
    phase: Phase = Phase.LESS


# -- time -------------------------------------------------------------------------------------------------------------


def cut_end(candidate: Candidate, since: Position) -> Proposals:
    """End sooner, and leave out what would have come later."""
    del since
    for eighths in EIGHTHS_OF_END:
        yield START, ended_at(candidate, candidate.time * eighths // 8)
    last = max((moment for moment in moments(candidate)), default=0)
    for unit in UNITS:
        yield START, replace(candidate, time=(last // unit + 1) * unit // MS)
        if last % unit == 0 and last:
            yield START, replace(candidate, time=last // MS)


def ended_at(candidate: Candidate, time: int) -> Candidate:
    """Return a candidate that ends at ``time`` ms."""
    return replace(
        candidate,
        time=time,
        faults=tuple(replace(f, until=min(f.until, time)) for f in candidate.faults if f.at < time),
        operations=tuple(o for o in candidate.operations if o.at < time * MS),
    )


def cut_beginning(candidate: Candidate, since: Position) -> Proposals:
    """Begin later: leave out what came before, and move the rest to the front."""
    del since
    for eighths in reversed(EIGHTHS_OF_END):
        yield START, begun_at(candidate, candidate.time * eighths // 8)
    first = min(moments(candidate), default=0) // MS
    yield START, begun_at(candidate, first)


def begun_at(candidate: Candidate, time: int) -> Candidate:
    """Return a candidate whose first ``time`` ms are left out."""
    return replace(
        candidate,
        time=candidate.time - time,
        faults=tuple(
            replace(f, at=max(0, f.at - time), until=f.until - time) for f in candidate.faults if f.until > time
        ),
        operations=tuple(replace(o, at=o.at - time * MS) for o in candidate.operations if o.at >= time * MS),
    )


# -- fewer ------------------------------------------------------------------------------------------------------------


def one_fault(candidate: Candidate, since: Position) -> Proposals:
    """Keep a single fault."""
    del since
    if 1 < len(candidate.faults) <= SINGLES_MAX:
        for fault in candidate.faults:
            yield START, replace(candidate, faults=(fault,))


def drop_faults(candidate: Candidate, since: Position) -> Proposals:
    """Leave out faults."""
    for position, begin, end in chunks(len(candidate.faults), since):
        yield position, replace(candidate, faults=candidate.faults[:begin] + candidate.faults[end:])


def one_key(candidate: Candidate, since: Position) -> Proposals:
    """Keep a single key's operations; leave out a single key's."""
    del since
    if len(candidate.keys) > 1:
        for key in candidate.keys:
            yield START, replace(candidate, operations=tuple(o for o in candidate.operations if o.key == key))
        for key in candidate.keys:
            yield START, replace(candidate, operations=tuple(o for o in candidate.operations if o.key != key))


def fewer_nodes(candidate: Candidate, since: Position) -> Proposals:
    """Have fewer nodes; what was aimed at one that is gone is aimed at another."""
    del since
    for nodes in range(1, candidate.nodes):
        faults = tuple(_among(placed, nodes) for placed in candidate.faults)
        yield START, replace(candidate, nodes=nodes, faults=tuple(placed for placed in faults if placed is not None))


def _among(placed: PlacedFault, nodes: int) -> PlacedFault | None:
    """Return a fault among the first ``nodes`` nodes, None if nothing is left of it."""
    order = placed.order
    if order is not None:
        order = tuple(name for name in order if _number(name) <= nodes)
    fault = _aimed_among(placed.fault, nodes)
    return None if fault is None else replace(placed, fault=fault, order=order)


def _aimed_among(fault: Fault, nodes: int) -> Fault | None:
    if isinstance(fault, Partition):
        if not fault.grudge:
            return fault
        grudge: dict[str, set[str]] = {}
        for node, deaf_to in fault.grudge.items():
            folded = _folded(node, nodes)
            grudge.setdefault(folded, set()).update({_folded(source, nodes) for source in deaf_to} - {folded})
        left = {node: tuple(sorted(deaf_to)) for node, deaf_to in grudge.items() if deaf_to}
        return Partition(fault.shape, left) if left else None
    names = [_folded(name, nodes) if name.startswith("n") else name for name in fault.target.split("+")]
    return msgspec.structs.replace(fault, target="+".join(dict.fromkeys(names)))


def _number(name: str) -> int:
    return int(name.removeprefix("n"))


def _folded(name: str, nodes: int) -> str:
    return f"n{(_number(name) - 1) % nodes + 1}"


def fewer_clients(candidate: Candidate, since: Position) -> Proposals:
    """Have fewer clients: merge them, or leave out those that do nothing."""
    del since
    for clients in range(1, candidate.clients):
        merged = tuple(replace(o, client=o.client % clients) for o in candidate.operations)
        yield START, replace(candidate, clients=clients, operations=merged)
    used = sorted({operation.client for operation in candidate.operations})
    renumbered = tuple(replace(o, client=used.index(o.client)) for o in candidate.operations)
    yield START, replace(candidate, clients=max(1, len(used)), operations=renumbered)
    yield START, replace(candidate, clients=max(used, default=0) + 1)


def drop_operations(candidate: Candidate, since: Position) -> Proposals:
    """Leave out operations."""
    for position, begin, end in chunks(len(candidate.operations), since):
        yield position, replace(candidate, operations=candidate.operations[:begin] + candidate.operations[end:])


def one_operation(candidate: Candidate, since: Position) -> Proposals:
    """Keep a single operation."""
    del since
    if 1 < len(candidate.operations) <= SINGLES_MAX:
        for operation in candidate.operations:
            yield START, replace(candidate, operations=(operation,))


def drop_pairs(candidate: Candidate, since: Position) -> Proposals:
    """Leave out two things at once: a fault and the operation that only mattered with it."""
    things = [*candidate.faults, *candidate.operations]
    if len(things) > PAIRS_MAX:
        return
    pairs = list(combinations(range(len(things)), 2))
    for index in range(since[1], len(pairs)):
        left = [thing for number, thing in enumerate(things) if number not in pairs[index]]
        yield (
            (0, index),
            replace(
                candidate,
                faults=tuple(thing for thing in left if isinstance(thing, PlacedFault)),
                operations=tuple(thing for thing in left if isinstance(thing, PlacedOperation)),
            ),
        )


def drop_settings(candidate: Candidate, since: Position) -> Proposals:
    """Leave settings of the node at their defaults."""
    for position, begin, end in chunks(len(candidate.settings), since):
        yield position, replace(candidate, settings=candidate.settings[:begin] + candidate.settings[end:])


def merge_keys(candidate: Candidate, since: Position) -> Proposals:
    """Let operations on several keys be on one."""
    del since
    keys = candidate.keys
    if len(keys) > 1:
        yield START, _renamed(candidate, dict.fromkeys(keys, keys[0]))
        for key in keys[1:]:
            yield START, _renamed(candidate, {key: keys[0]})


# -- otherwise --------------------------------------------------------------------------------------------------------


def strike(candidate: Candidate, since: Position) -> Proposals:
    """Have one plain fault of the leader, in the middle of one operation, and nothing else.

    What several faults did together is often what the plainest one does alone at the right moment, but no cutting
    leads from the one to the other: neither the kind nor the moment is there to be kept.
    """
    if size(candidate) > VARIED_SIZE_MAX:
        return
    tried = product(range(1, candidate.nodes + 1), candidate.operations, STRIKES, STRIKE_LASTS_MS, STRIKE_AFTER_US)
    for number, (nodes, operation, fault, lasts, after) in enumerate(tried):
        if number >= since[1]:
            struck = replace(operation, at=STRIKE_AT_MS * MS - after * US, client=0)
            placed = PlacedFault(STRIKE_AT_MS, STRIKE_AT_MS + lasts, fault, None)
            yield (
                (0, number),
                replace(candidate, nodes=nodes, clients=1, time=placed.until, faults=(placed,), operations=(struck,)),
            )


def vary(candidate: Candidate, since: Position) -> Proposals:
    """Take something away and change the rest a little: other times, targets and more room at the end.

    What is left of a failure is often in the way of a smaller one: with one fault less, the others would have to come
    sooner, or hit the leader. Draws are a stream of their own, fixed by the size, so every shrinking tries the same.
    """
    if size(candidate) > VARIED_SIZE_MAX:
        return
    draws = SeedTree(size(candidate)).stream(f"shrink/vary/{candidate.nodes}/{len(candidate.faults)}")
    for number in range(VARIATIONS_EACH * (len(candidate.faults) + len(candidate.operations) + candidate.nodes - 1)):
        varied = _varied(_cut_at_random(candidate, draws), draws)
        if number >= since[1]:
            yield (0, number), varied


def _cut_at_random(candidate: Candidate, draws: Stream) -> Candidate:
    cuts = ["fault"] * len(candidate.faults) + ["operation"] * len(candidate.operations)
    cuts += ["node"] * 2 * (candidate.nodes > 1)
    match draws.choice(cuts or ["none"]):
        case "fault":
            left = draws.below(len(candidate.faults))
            return replace(candidate, faults=candidate.faults[:left] + candidate.faults[left + 1 :])
        case "operation":
            left = draws.below(len(candidate.operations))
            return replace(candidate, operations=candidate.operations[:left] + candidate.operations[left + 1 :])
        case "node":
            nodes = candidate.nodes - 1
            faults = tuple(_among(placed, nodes) for placed in candidate.faults)
            return replace(candidate, nodes=nodes, faults=tuple(placed for placed in faults if placed is not None))
    return candidate


def _varied(candidate: Candidate, draws: Stream) -> Candidate:
    """Return a candidate with other windows and targets, and time after them."""
    faults = tuple(sorted((_varied_fault(placed, draws) for placed in candidate.faults), key=lambda placed: placed.at))
    operations = tuple(
        sorted((_varied_operation(operation, draws) for operation in candidate.operations), key=lambda one: one.at)
    )
    changed = replace(candidate, faults=faults, operations=operations)
    last = max(moments(changed), default=0) // MS
    return replace(changed, time=max(candidate.time, last + 1) + draws.choice(ROOM_MS))


def _varied_fault(placed: PlacedFault, draws: Stream) -> PlacedFault:
    at, lasts = _varied_ms(placed.at, draws), max(1, _varied_ms(placed.until - placed.at, draws))
    fault = placed.fault
    if draws.below(2):
        if isinstance(fault, Partition):
            fault = Partition(draws.choice(SHAPES))
        else:
            fault = msgspec.structs.replace(fault, target=draws.choice(TARGETS))
    return replace(placed, at=at, until=at + lasts, fault=fault)


def _varied_operation(operation: PlacedOperation, draws: Stream) -> PlacedOperation:
    return replace(operation, at=_varied_ms(operation.at // MS, draws) * MS)


def _varied_ms(moment: int, draws: Stream) -> int:
    """Return another moment or length: the same, half, twice, a little more, or any within two seconds."""
    return draws.choice((moment, moment, moment // 2, moment * 2, moment + draws.below(20), draws.below(2_000)))


# -- plainer ----------------------------------------------------------------------------------------------------------


def plainer_faults(candidate: Candidate, since: Position) -> Proposals:
    """Let a fault hit fewer nodes, have a plainer shape, gentler numbers."""
    names = [f"n{number}" for number in range(1, candidate.nodes + 1)]
    for index in range(since[1], len(candidate.faults)):
        placed = candidate.faults[index]
        for fault in plainer(placed.fault, names):
            yield (0, index), _with_fault(candidate, index, replace(placed, fault=fault))


def drop_orders(candidate: Candidate, since: Position) -> Proposals:
    """Let the seed say which nodes a symbolic target means."""
    if since == START:
        yield START, replace(candidate, faults=tuple(replace(f, order=None) for f in candidate.faults))
    for index in range(since[1], len(candidate.faults)):
        yield (0, index), _with_fault(candidate, index, replace(candidate.faults[index], order=None))


def shorter_faults(candidate: Candidate, since: Position) -> Proposals:
    """Let a fault end sooner, or begin later."""
    for index in range(since[1], len(candidate.faults)):
        placed = candidate.faults[index]
        for lasts in lower_numbers(placed.until - placed.at):
            yield (0, index), _with_fault(candidate, index, replace(placed, until=placed.at + lasts))
            yield (0, index), _with_fault(candidate, index, replace(placed, at=placed.until - lasts))


def fewer_steps(candidate: Candidate, since: Position) -> Proposals:
    """Leave a step out of a transaction."""
    for index in range(since[1], len(candidate.operations)):
        operation = candidate.operations[index]
        steps = operation.value.split("; ") if isinstance(operation.value, str) else []
        for left_out in range(len(steps)) if len(steps) > 1 else ():
            text = "; ".join(steps[:left_out] + steps[left_out + 1 :])
            yield (0, index), _with_operation(candidate, index, replace(operation, value=text))


def plainer_operations(candidate: Candidate, since: Position) -> Proposals:
    """Let an operation be a plainer one: a compare-and-set a write, by a lower client."""
    for index in range(since[1], len(candidate.operations)):
        operation = candidate.operations[index]
        if operation.f == "cas":
            yield (0, index), _with_operation(candidate, index, replace(operation, f="write"))
        for client in range(operation.client):
            yield (0, index), _with_operation(candidate, index, replace(operation, client=client))


def renumber(candidate: Candidate, since: Position) -> Proposals:
    """Write 1, 2, 3 to x, y, z. Values stay different where they were."""
    del since
    if any(isinstance(o.value, str) for o in candidate.operations):
        return  # the names of keys are part of a transaction
    keys = candidate.keys
    plain = {key: PLAIN_KEYS[n] if n < len(PLAIN_KEYS) else f"k{n}" for n, key in enumerate(keys)}
    values = dict.fromkeys(o.value for o in candidate.operations if o.value is not None)
    numbers = {value: number for number, value in enumerate(values, start=1)}
    numbered = tuple(o if o.value is None else replace(o, value=numbers[o.value]) for o in candidate.operations)
    yield START, _renamed(replace(candidate, operations=numbered), plain)
    yield START, replace(candidate, operations=numbered)
    yield START, _renamed(candidate, plain)


# -- sooner and rounder -----------------------------------------------------------------------------------------------


def close_gaps(candidate: Candidate, since: Position) -> Proposals:
    """Let things follow each other sooner: all at once, then gap by gap."""
    if since == START:
        for divisor in (10, 4, 2):
            yield START, moved(candidate, lambda moment, by=divisor: moment // by)  # type: ignore[misc]
    known = [0, *moments(candidate), candidate.time * MS]
    if len(known) > MOMENTS_MAX:
        return
    for index in range(since[1], len(known) - 1):
        for gap in lower_numbers((known[index + 1] - known[index]) // MS):
            sooner = known[index + 1] - known[index] - gap * MS
            yield (0, index), moved(candidate, lambda moment, i=index, by=sooner: _sooner(moment, known[i], by))  # type: ignore[misc]


def _sooner(moment: int, after: int, by: int) -> int:
    return moment - by if moment > after else moment


def round_times(candidate: Candidate, since: Position) -> Proposals:
    """Let times be rounder: all of them, then one by one."""
    for unit in UNITS if since == START else ():
        yield START, _with_times_of(candidate, moved(candidate, lambda moment, u=unit: moment // u * u))  # type: ignore[misc]
    known = moments(candidate)
    if len(known) > MOMENTS_MAX:
        return
    for index in range(since[1], len(known)):
        for unit in UNITS:
            down = known[index] // unit * unit
            for rounder in (down, down + unit):
                yield (0, index), _with_times_of(candidate, _one_moved(candidate, known[index], rounder))


def _one_moved(candidate: Candidate, moment: int, to: int) -> Candidate:
    return moved(candidate, lambda other: to if other == moment else other)


def _with_times_of(candidate: Candidate, other: Candidate) -> Candidate:
    """Return the other candidate with the whole time unchanged: ends are for ``cut_end``."""
    return replace(other, time=candidate.time)


def moments(candidate: Candidate) -> list[int]:
    """Return when anything begins or ends, in ns, sorted, each moment once."""
    of_faults = (moment * MS for placed in candidate.faults for moment in (placed.at, placed.until))
    return sorted({*of_faults, *(operation.at for operation in candidate.operations)})


def moved(candidate: Candidate, move: Callable[[int], int]) -> Candidate:
    """Return a candidate with every moment (ns) moved; faults keep whole milliseconds."""
    faults = tuple(replace(f, at=move(f.at * MS) // MS, until=move(f.until * MS) // MS) for f in candidate.faults)
    operations = tuple(replace(o, at=move(o.at)) for o in candidate.operations)
    return replace(
        candidate,
        time=move(candidate.time * MS) // MS,
        faults=tuple(sorted(faults, key=lambda placed: placed.at)),
        operations=tuple(sorted(operations, key=lambda operation: operation.at)),
    )


def chunks(count: int, since: Position) -> Iterator[tuple[Position, int, int]]:
    """Yield positions with begin and end of chunks: all, halves and so on to single ones, each size from the front."""
    size, begin = since if since != START else (count, 0)
    size = min(size, count)
    while size >= 1:
        while begin < count:
            yield (size, begin), begin, min(begin + size, count)
            begin += size
        size, begin = size // 2, 0


def possible(candidate: Candidate) -> bool:
    """Say whether a scenario can say it: everything within its time, ends after beginnings, something to run.

    One operation stays, for a run without any comes to no verdict once the bug is mended.
    """
    return (
        candidate.nodes >= 1
        and candidate.clients >= 1
        and candidate.time >= 1
        and len(candidate.operations) >= 1
        and all(0 <= f.at < f.until <= candidate.time for f in candidate.faults)
        and all(0 <= o.at < candidate.time * MS and o.client < candidate.clients for o in candidate.operations)
    )


def _with_fault(candidate: Candidate, index: int, placed: PlacedFault) -> Candidate:
    return replace(candidate, faults=_replaced(candidate.faults, index, placed))


def _with_operation(candidate: Candidate, index: int, operation: PlacedOperation) -> Candidate:
    return replace(candidate, operations=_replaced(candidate.operations, index, operation))


def _replaced(things: Sequence[_T], index: int, thing: _T) -> tuple[_T, ...]:
    return (*things[:index], thing, *things[index + 1 :])


def _renamed(candidate: Candidate, names: dict[str, str]) -> Candidate:
    renamed = tuple(replace(o, key=names.get(o.key, o.key)) for o in candidate.operations)
    return replace(candidate, operations=renamed)


PASSES = (
    Pass("cut the end", cut_end, seeds=4),
    Pass("cut the beginning", cut_beginning, seeds=4),
    Pass("keep one fault", one_fault),
    Pass("drop faults", drop_faults),
    Pass("keep one key", one_key),
    Pass("fewer nodes", fewer_nodes),
    Pass("fewer clients", fewer_clients),
    Pass("drop operations", drop_operations),
    Pass("fewer steps", fewer_steps),
    Pass("keep one operation", one_operation),
    Pass("merge keys", merge_keys),
    Pass("drop settings", drop_settings),
    Pass("drop pairs", drop_pairs, seeds=8),
    Pass("strike", strike, seeds=4, phase=Phase.OTHERWISE),
    Pass("vary", vary, seeds=1, phase=Phase.OTHERWISE),
    Pass("close gaps", close_gaps, seeds=4, phase=Phase.PLAINER),
    Pass("plainer faults", plainer_faults, seeds=4, phase=Phase.PLAINER),
    Pass("shorter faults", shorter_faults, seeds=4, phase=Phase.PLAINER),
    Pass("drop orders", drop_orders, seeds=4, phase=Phase.PLAINER),
    Pass("plainer operations", plainer_operations, seeds=4, phase=Phase.PLAINER),
    Pass("renumber", renumber, seeds=4, phase=Phase.PLAINER),
    Pass("round times", round_times, seeds=2, phase=Phase.PLAINER),
)
