"""The few operations of an anomaly as a drawing of their order.

The horizontal axis is the *order of events*, not time: two operations of a millisecond, twelve seconds apart, are two
hairlines on a linear axis, while the order is all the proof rests on (and all a history without times has). It is
plain SVG, made by the page's template from these rows, so it is there even without the charts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from checkers.history import Operation, Outcome
from harness.report.texts import call_text, seconds

OPERATIONS_MAX = 12
STEP_PX = 140
ROW_PX = 46
LEFT_PX = 96
TAIL_PX = 40
CHAR_PX = 6.7


@dataclass(frozen=True)
class Row:
    """An operation as a bar; ``open_ended`` if nobody knows when, or whether, it took effect."""

    y: int
    x: int
    width: int
    outcome: str
    open_ended: bool
    process: str
    call: str
    call_x: int
    times: str
    times_x: int
    anchor: str


@dataclass(frozen=True)
class Diagram:
    """The drawing; ``ticks`` are the places of events."""

    width: int
    height: int
    rows: tuple[Row, ...]
    ticks: tuple[int, ...]
    left_out: int


def diagram_of(operations: Sequence[Operation]) -> Diagram | None:
    """The drawing of these operations; None if there are none."""
    if not operations:
        return None
    shown = sorted(operations, key=lambda operation: operation.invoke_index)[:OPERATIONS_MAX]
    indexes = sorted({index for op in shown for index in (op.invoke_index, op.complete_index) if index is not None})
    place = {index: LEFT_PX + STEP_PX * order for order, index in enumerate(indexes)}
    right = LEFT_PX + STEP_PX * (len(indexes) - 1) + TAIL_PX
    width = right + TAIL_PX
    return Diagram(
        width=width,
        height=ROW_PX * len(shown) + 12,
        rows=tuple(_row(op, number, place, right) for number, op in enumerate(shown)),
        ticks=tuple(place.values()),
        left_out=len(operations) - len(shown),
    )


def _row(operation: Operation, number: int, place: dict[int, int], right: int) -> Row:
    open_ended = operation.outcome is Outcome.INFO or operation.complete_index is None
    x = place[operation.invoke_index]
    end = right if open_ended or operation.complete_index is None else place[operation.complete_index]
    call = call_text(operation)
    from_the_right = x + len(call) * CHAR_PX > right + TAIL_PX
    return Row(
        y=ROW_PX * number + 6,
        x=x,
        width=end - x,
        outcome=operation.outcome.value,
        open_ended=open_ended,
        process=f"process {operation.process}",
        call=call,
        call_x=end if from_the_right else x,
        times=_times(operation),
        times_x=end if from_the_right else x,
        anchor="end" if from_the_right else "start",
    )


def _times(operation: Operation) -> str:
    if operation.invoke_time is None:
        return operation.outcome.value
    if operation.complete_time is None:
        return f"{operation.outcome.value}: {seconds(operation.invoke_time)}, never returned"
    return f"{operation.outcome.value}: {seconds(operation.invoke_time)} to {seconds(operation.complete_time)}"
