"""What a run was exposed to: each kind of fault, how often and how long, whether it hit a leader, and what clients did.

Only faults that were seen to happen count: a fault that did not happen is not coverage. An operation counts for a kind
if some moment of it was under a fault of that kind; one that never returned goes on to the end.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import msgspec

from checkers.history import Operation, Outcome
from nemesis.packages import PACKAGES
from nemesis.record import FaultRecord, FaultStatus

ANY = "faults"
"""All kinds together."""


class Exposure(msgspec.Struct, frozen=True, kw_only=True):
    """What a run was exposed to by one kind of fault, or by ``faults``: any.

    ``seconds`` under at least one that was installed; ``leader``: how many of those hit the leader; ``ok``, ``fail``
    and ``info``: operations that were under way meanwhile, by outcome.
    """

    kind: str
    installed: int = 0
    skipped: int = 0
    indeterminate: int = 0
    leader: int = 0
    seconds: float = 0.0
    ok: int = 0
    fail: int = 0
    info: int = 0


@dataclass(frozen=True, slots=True)
class Evidence:
    """What requirements are held against. ``end`` is the run's (ns); ``rare_events`` are the nodes' counters."""

    faults: Sequence[FaultRecord]
    operations: Sequence[Operation] = ()
    end: int = 0
    rare_events: dict[str, int] = field(default_factory=dict)

    def of(self, kind: str, leader: bool = False) -> list[FaultRecord]:
        """Return the faults of a kind, of a package, or all; with ``leader`` those that hit one."""
        kinds = PACKAGES.get(kind, (kind,))
        return [r for r in self.faults if (kind == ANY or r.kind in kinds) and (r.hit_leader or not leader)]

    def exposure(self, kind: str, leader: bool = False) -> Exposure:
        """Return what there was of a kind, of a package, or of all."""
        records = self.of(kind, leader)
        statuses = Counter(record.status for record in records)
        installed = [record for record in records if record.status is FaultStatus.INSTALLED]
        spans = self._spans(installed)
        outcomes = _under_way(self.operations, spans) if spans else Counter[Outcome]()
        return Exposure(
            kind=kind,
            installed=len(installed),
            skipped=statuses[FaultStatus.SKIPPED],
            indeterminate=statuses[FaultStatus.INDETERMINATE],
            leader=sum(record.hit_leader for record in installed),
            seconds=round(sum(until - at for at, until in spans) / 1e9, 3),
            ok=outcomes[Outcome.OK],
            fail=outcomes[Outcome.FAIL],
            info=outcomes[Outcome.INFO],
        )

    def exposures(self) -> tuple[Exposure, ...]:
        """Return what there was of each kind that was planned, and of all together; nothing if none was."""
        kinds = sorted({record.kind for record in self.faults})
        return tuple(self.exposure(kind) for kind in (*kinds, *((ANY,) if kinds else ())))

    def _spans(self, records: Iterable[FaultRecord]) -> list[tuple[int, int]]:
        """Return when at least one of these was in force: spans in order that do not touch."""
        spans: list[tuple[int, int]] = []
        for at, until in sorted((r.injected_at, r.healed_at or self.end) for r in records if r.injected_at is not None):
            if spans and at <= spans[-1][1]:
                spans[-1] = (spans[-1][0], max(spans[-1][1], until))
            else:
                spans.append((at, max(at, until)))
        return spans


def _under_way(operations: Sequence[Operation], spans: Sequence[tuple[int, int]]) -> Counter[Outcome]:
    """Count the operations that were under way in some moment of these spans."""
    starts = [at for at, _ in spans]
    counted: Counter[Outcome] = Counter()
    for operation in operations:
        if operation.invoke_time is None:
            continue
        if operation.complete_time is None:
            counted[operation.outcome] += spans[-1][1] >= operation.invoke_time
            continue
        position = bisect_right(starts, operation.complete_time)
        if position and spans[position - 1][1] >= operation.invoke_time:
            counted[operation.outcome] += 1
    return counted
