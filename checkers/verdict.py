"""Verdicts: what a checker hands back, and what it may spend to get there.

Three answers, because two would lie. *unknown* says that a bound was met or that the evidence is missing; it
is never taken for *valid*, and merging keeps it in sight: one violation outweighs everything, one doubt
outweighs every pass.

A result carries sentences before data: a verdict is read by a person first. Lists of anomalies are capped
(one bug may show itself a million times) but always counted in full.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

import msgspec

from checkers.history import History, Operation


class Verdict(StrEnum):
    """valid, invalid or unknown; never a guess."""

    VALID = "valid"
    INVALID = "invalid"
    UNKNOWN = "unknown"

    def merge(self, other: Verdict) -> Verdict:
        """The verdict over two parts: invalid beats unknown, unknown beats valid."""
        return self if _WEIGHT[self] >= _WEIGHT[other] else other


_WEIGHT: Mapping[Verdict, int] = {Verdict.VALID: 0, Verdict.UNKNOWN: 1, Verdict.INVALID: 2}


def merge_all(verdicts: Iterable[Verdict]) -> Verdict:
    """The verdict over all parts; of no parts, valid."""
    merged = Verdict.VALID
    for verdict in verdicts:
        merged = merged.merge(verdict)
    return merged


class Anomaly(msgspec.Struct, frozen=True):
    """One thing that is wrong: its kind, a sentence, the key and the few operations which prove it.

    ``window`` is from when to when it happened, in ns of the run's clock, where that is known.
    """

    kind: str
    sentence: str
    key: Any = None
    operations: tuple[Operation, ...] = ()
    window: tuple[int, int] | None = None


def proved_by(
    kind: str, sentence: str, *operations: Operation | None, window: tuple[int, int] | None = None
) -> Anomaly:
    """The anomaly which these operations prove: each kept once, by invocation; the key is theirs."""
    distinct = {op.invoke_index: op for op in operations if op is not None}
    ordered = tuple(distinct[index] for index in sorted(distinct))
    return Anomaly(kind, sentence, ordered[0].key if ordered else None, ordered, window)


class CheckResult(msgspec.Struct, frozen=True):
    """What one checker concluded.

    ``anomalies`` holds at most ``Limits.anomalies_max`` of the ``anomalies_total`` found. An anomaly does not by
    itself make a verdict invalid (a stale read of a set that promises no more is reported and passes). ``notes`` are
    no anomalies, but worth knowing where there are some (a change of unknown outcome that took effect); capped alike.
    """

    name: str
    verdict: Verdict
    sentence: str
    anomalies: tuple[Anomaly, ...] = ()
    anomalies_total: int = 0
    statistics: Mapping[str, int] = {}
    notes: tuple[Anomaly, ...] = ()


@dataclass(frozen=True)
class Limits:
    """What a check may spend. A checker that meets a bound answers unknown, with the bound in its sentence.

    ``time_s``: seconds by ``clock``, for the whole check; None for no bound.
    ``steps``: configurations tried by a search, for the whole check; None for no bound. Unlike time, this bound gives
    the same verdict on every machine.
    ``cache_entries``: configurations a search may remember at once; None for as many as its memory holds.
    ``memory_bytes``: what a search may take for them, about.
    ``processes``: how many keys may be searched at once, each in a process of its own.
    ``anomalies_max``: anomalies kept in the result (all are counted).
    """

    time_s: float | None = 60.0
    steps: int | None = None
    cache_entries: int | None = None
    memory_bytes: int = 1_000_000_000
    processes: int = 1
    anomalies_max: int = 16
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        counts = (self.cache_entries, self.memory_bytes, self.processes, self.anomalies_max)
        if any(count is not None and count < 1 for count in counts):
            raise ValueError("cache_entries, memory_bytes, processes and anomalies_max must be at least 1")
        if (self.time_s is not None and self.time_s < 0) or (self.steps is not None and self.steps < 0):
            raise ValueError("time_s and steps must not be negative")


class Checker(Protocol):
    """Judges a history. Raises nothing on a well-formed history but ModelError, for an operation it does not know."""

    def check(self, history: History, limits: Limits) -> CheckResult: ...


def result(
    name: str,
    verdict: Verdict,
    sentence: str,
    anomalies: Sequence[Anomaly],
    limits: Limits,
    statistics: Mapping[str, int],
    total: int | None = None,
    notes: Sequence[Anomaly] = (),
) -> CheckResult:
    """A CheckResult with its anomalies capped and counted; ``total`` if there are more than are handed in."""
    return CheckResult(
        name=name,
        verdict=verdict,
        sentence=sentence,
        anomalies=tuple(anomalies[: limits.anomalies_max]),
        anomalies_total=len(anomalies) if total is None else total,
        statistics=dict(statistics),
        notes=tuple(notes[: limits.anomalies_max]),
    )
