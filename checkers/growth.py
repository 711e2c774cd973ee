"""A number that only grows, as operations saw it: where did it go back, and where was it brought about twice?

What was over before another operation began shows no more than that one. It is enough to hold each operation against
the greatest number that was over by then, so both questions take O(n log n).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from checkers.findings import end
from checkers.history import Operation


@dataclass(frozen=True)
class Step:
    """An ok operation with the number that it saw, or (``writes``) brought about."""

    operation: Operation
    version: int
    writes: bool


def regressions(steps: Sequence[Step]) -> Iterator[tuple[Step, Step]]:
    """Each step that shows less than one that was over before it began, behind the greatest such."""
    begun = sorted(steps, key=lambda step: step.operation.invoke_index)
    ended = sorted(steps, key=lambda step: end(step.operation))
    greatest: Step | None = None
    place = 0
    for step in begun:
        while end(ended[place].operation) < step.operation.invoke_index:
            if greatest is None or ended[place].version > greatest.version:
                greatest = ended[place]
            place += 1
        if greatest is not None and step.version < greatest.version:
            yield greatest, step


def repetitions(steps: Sequence[Step]) -> Iterator[tuple[Step, Step]]:
    """Each step that brought a number about which another one had, behind the first of those."""
    first: dict[int, Step] = {}
    for step in steps:
        if step.writes and (other := first.setdefault(step.version, step)) is not step:
            yield other, step
