"""What is left of a run, in words: its operations and faults in the order of their times."""

from __future__ import annotations

from collections.abc import Sequence

from harness.plan import MS
from harness.shrinking.candidate import Candidate, PlacedOperation
from nemesis.record import FaultRecord

_VERBS = {"cas": "compares and sets"}
"""The verbs that are not just the operation's name."""
STORY_LINES_MAX = 60


def story(candidate: Candidate, records: Sequence[FaultRecord]) -> list[str]:
    """Return a line for each fault and operation; ``records`` are what the faults came to, by their numbers."""
    told: list[tuple[int, str]] = []
    for number, placed in enumerate(candidate.faults):
        what = next((record.what for record in records if record.number == number), type(placed.fault).__name__)
        told.append((placed.at * MS, f"{what}, until {_seconds(placed.until * MS)}"))
    told += [(operation.at, _sentence(operation, candidate.nodes)) for operation in candidate.operations]
    lines = [f"{_seconds(at):>10}  {sentence}" for at, sentence in sorted(told, key=lambda one: one[0])]
    if len(lines) > STORY_LINES_MAX:
        lines = [*lines[:STORY_LINES_MAX], f"{'':>10}  … and {len(lines) - STORY_LINES_MAX} more"]
    if not candidate.operations:
        return [*lines, f"{'':>10}  no client does anything"]
    return [*lines, f"{'then':>10}  everything is healed, and the harness reads {', '.join(candidate.keys)}"]


def _sentence(operation: PlacedOperation, nodes: int) -> str:
    verb = _VERBS.get(operation.f, f"{operation.f}s")
    what = f"{verb} {operation.key}"
    if operation.f == "txn":
        what = f"runs the transaction [{operation.value}]"
    elif operation.value is not None:
        what = f"{verb} {operation.value} to {operation.key}"
    return f"client {operation.client} (at home with n{operation.client % nodes + 1}) {what}"


def _seconds(moment: int) -> str:
    return f"{moment / 1e9:.9f}".rstrip("0").rstrip(".") + " s"
