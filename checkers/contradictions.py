"""Registers by zones: which keys they decide, and their findings as anomalies of a history's operations."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final

from checkers import register_stories as stories
from checkers.columns import distinct
from checkers.history import History, freeze
from checkers.models import Register
from checkers.register_columns import RegisterColumns, register_columns
from checkers.verdict import Anomaly
from checkers.zones import NOBODY, Contradiction, Finding, judge


@dataclass(frozen=True)
class Decided:
    """What zones had to say: how many keys they decide, which not (None: any), which are not linearizable, and why.

    ``anomalies`` are as many as were asked for, of ``total``; by key, then by when they showed.
    """

    keys: int
    undecided: frozenset[Hashable] | None
    invalid: frozenset[Hashable]
    anomalies: tuple[Anomaly, ...]
    total: int


NOTHING_DECIDED: Final = Decided(0, None, frozenset(), (), 0)


def decide(history: History, model: Register, anomalies_max: int) -> Decided:
    """Judge all keys of a register by zones. Raises ModelError for an operation that the model does not know."""
    columns = register_columns(history.columns(), model)
    zones = judge(columns)
    findings = sorted(zones.findings, key=lambda finding: (finding.key, finding.late))
    return Decided(
        keys=len(distinct(history.columns().key)) - len(zones.undecided),
        undecided=frozenset(freeze(columns.keys[code]) for code in zones.undecided),
        invalid=frozenset(freeze(columns.keys[finding.key]) for finding in findings),
        anomalies=tuple(_told(finding, history, columns) for finding in findings[:anomalies_max]),
        total=len(findings),
    )


def _told(finding: Finding, history: History, columns: RegisterColumns) -> Anomaly:
    """Return a finding with its operations and a sentence."""
    late, value = history.operation(finding.late), freeze(columns.values[finding.value])
    early, between, proof = (
        None if place == NOBODY else history.operation(place)
        for place in (finding.early, finding.between, finding.proof)
    )
    if finding.kind is Contradiction.NEVER_WRITTEN:
        return stories.never_written(late, value)
    if finding.kind is Contradiction.OVERLAP:
        if between is None:
            raise AssertionError("of two blocks that overlap each was met")
        return stories.overwritten(early, between, proof, late, value)
    if finding.kind is Contradiction.FAILED_CAS:
        if between is None:
            raise AssertionError("a failed swap is an operation")
        return stories.failed_though_there(early, between, late, value)
    if early is None:
        raise AssertionError(f"{finding.kind} has two operations")
    match finding.kind:
        case Contradiction.ABORTED_READ:
            return stories.aborted_read(late, early)
        case Contradiction.FUTURE_READ:
            return stories.future_read(late, early, value)
        case Contradiction.LOST_UPDATE:
            return stories.replaced_twice(early, late, value)
        case Contradiction.CIRCULAR_CAS:
            return stories.circular(early, late)
        case Contradiction.CAS_ORDER:
            return stories.out_of_chain(early, late)
