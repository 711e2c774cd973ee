"""A counterexample for the terminal: clients as rows, operations as bars, the longest order, and why it ends.

Bars are spaced by events, not by time: what matters is what was over before what began, and at night it must fit a
narrow window. It is readable without colour, and in ASCII where the terminal has no more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from checkers.counterexample import Counterexample
from checkers.history import Operation, Outcome
from checkers.sentences import began, ended, show, who

WIDTH_MIN: Final = 40
_STEP_MIN: Final = 3
_STEP_MAX: Final = 12
_LISTED_MAX: Final = 12


@dataclass(frozen=True)
class Glyphs:
    """What bars are made of: of the proof, and of other operations."""

    proof: str
    other: str
    open_end: str
    wrong: str
    leads: str


BOXES: Final = Glyphs(proof="┣━┫", other="├─┤", open_end="┄", wrong="✘", leads="→")
ASCII: Final = Glyphs(proof="[=]", other="|-|", open_end=".", wrong="X", leads="->")


def glyphs_for(encoding: str | None) -> Glyphs:
    """Return what a terminal of this encoding can show."""
    try:
        "".join((BOXES.proof, BOXES.other, BOXES.open_end, BOXES.wrong, BOXES.leads)).encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return ASCII
    return BOXES


def drawn(told: Counterexample, width: int, glyphs: Glyphs = BOXES) -> list[str]:
    """Return the lines of a counterexample, none wider than ``width`` but sentences."""
    width = max(width, WIDTH_MIN)
    before = f"after {told.earlier:,} operation{'s' * (told.earlier > 1)}" if told.earlier else "from the beginning"
    state = f", in the state {told.state_before}" if told.state_before else ""
    note = f" ({told.note})" if told.note else ""
    lines = [told.sentence, f"  {before}{state}{note}", ""]
    lines += [f"  {line}" for line in _bars(told, width - 2, glyphs)]
    lines += ["", *_order(told, glyphs)]
    return lines


def _bars(told: Counterexample, width: int, glyphs: Glyphs) -> list[str]:
    operations, left_out = _fitting(told, width)
    moments = sorted(
        {op.invoke_index for op in operations}
        | {op.complete_index for op in operations if _over(op, told.until) and op.complete_index is not None}
    )
    names = {op.process: f"process {op.process}" for op in operations}
    label = max(map(len, names.values()))
    room = width - label - 4
    step = max(_STEP_MIN, min(_STEP_MAX, (room - 1) // max(1, len(moments) - 1)))
    column = {moment: place * step for place, moment in enumerate(moments)}
    end = len(moments) * step
    lines = []
    for process, name in names.items():
        row = [" "] * (end + 2)
        for op in (op for op in operations if op.process == process):
            _draw(row, op, column, end, told, glyphs)
        lines.append(f"{name:<{label}}  {''.join(row).rstrip()}"[:width])
    axis = f"{' ' * label}  {began(operations[0])}"
    last = max(operations, key=lambda op: column.get(op.complete_index or -1, -1))
    lines.append(f"{axis}{ended(last):>{max(1, min(end, room) - len(began(operations[0])))}}"[:width])
    if left_out:
        lines.append(f"({left_out} more operations were under way; --json and the page have them)")
    return lines


def _fitting(told: Counterexample, width: int) -> tuple[Sequence[Operation], int]:
    """Return the operations that can be drawn side by side, the proof and the last ones first, and how many cannot."""
    most = max(2, (width - 24) // (2 * _STEP_MIN))
    wanted = {*told.proof, *(placement.operation for placement in told.order[-most:])}
    wanted |= {refusal.operation for refusal in told.refusals}
    by_weight = sorted(
        told.operations,
        key=lambda op: (op.invoke_index not in told.proof, op.invoke_index not in wanted, -op.invoke_index),
    )
    kept = sorted(by_weight[:most], key=lambda op: op.invoke_index)
    return kept, len(told.operations) - len(kept)


def _over(operation: Operation, until: int) -> bool:
    known = operation.outcome is not Outcome.INFO and operation.complete_index is not None
    return known and (operation.complete_index or 0) <= until


def _draw(
    row: list[str], op: Operation, column: dict[int, int], end: int, told: Counterexample, glyphs: Glyphs
) -> None:
    """Draw one bar into its process's row."""
    left, body, right = tuple(glyphs.proof if op.invoke_index in told.proof else glyphs.other)
    begin = column[op.invoke_index]
    over = _over(op, told.until)
    stop = column[op.complete_index] if over and op.complete_index is not None else end
    row[begin : stop + 1] = [body if over else glyphs.open_end] * (stop - begin + 1)
    row[begin] = left
    if over:
        row[stop] = right
    room = stop - begin - 1
    text = _short(op)[:room]
    start = begin + 1 + (room - len(text)) // 2
    row[start : start + len(text)] = list(text)
    if op.invoke_index == told.stuck and stop + 1 < len(row):
        row[stop + 1] = glyphs.wrong


def _short(op: Operation) -> str:
    """Return an operation in one word and its value."""
    if op.f == "cas" and isinstance(op.argument, tuple) and len(op.argument) == 2:
        return f"cas {show(op.argument[0])}:{show(op.argument[1])}"
    value = op.result if op.ok and op.result is not None else op.argument
    return op.f if value is None else f"{op.f} {show(value)}"


def _order(told: Counterexample, glyphs: Glyphs) -> list[str]:
    """Return the longest order, by number, and what does not follow."""
    operations = {op.invoke_index: op for op in told.operations}
    if not told.order and not told.refusals:
        return []
    lines = ["  the longest order that the object allows:" if told.order else "  nothing can come first:"]
    first = max(0, len(told.order) - _LISTED_MAX)
    if first:
        lines.append(f"    ({first} operations)")
    for number, placement in enumerate(told.order[first:], first + 1):
        op = operations.get(placement.operation)
        lines.append(f"    {number}. {who(op) if op else 'an operation'} {glyphs.leads} {placement.state}")
    for refusal in told.refusals[:_LISTED_MAX]:
        op = operations.get(refusal.operation)
        lines.append(f"    {glyphs.wrong}  {who(op) if op else 'an operation'}: {refusal.why}")
    if len(told.refusals) > _LISTED_MAX:
        lines.append(f"    ({len(told.refusals) - _LISTED_MAX} more that could come next)")
    return lines
