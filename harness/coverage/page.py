"""docs/coverage.md, from the table: written by ``antipaxos coverage --markdown``, and held up to date by a test."""

from __future__ import annotations

from collections.abc import Sequence

from harness.coverage.survey import Scene
from harness.coverage.table import EVENTS, SIMULATED

_HEAD = """\
# Protocol coverage

Written by `antipaxos coverage --markdown > docs/coverage.md` from `harness/coverage`; edit that.

A node counts what rarely happens to it (`node/paxos/counters.py`): a campaign that never met a refused promise, a gap
in the log or a torn tail proves nothing about them, however many seeds it had. Simulated scenarios reach them in
seconds:

    antipaxos coverage                    # all scenarios, and whether each event was reached
    antipaxos coverage gaps               # one of them

The tests run them too, and fail with the name of an event that was not reached, or of a counter that has no line here.
What a campaign has met, and what it has not, is the end of each `antipaxos explore`.

The counts of a simulated run are over all lives of all nodes. A real process takes its counts with it when it is
killed: there they are since each node's last start.

"""


def markdown(scenes: Sequence[Scene]) -> str:
    """Return the page."""
    lines = [
        f"{_HEAD}There are {len(EVENTS)} counters; {len(SIMULATED)} are reached in these scenarios, the others by "
        "tests of what no scenario brings about.\n",
        "| event | counts | reached in |",
        "|---|---|---|",
    ]
    for event in EVENTS:
        where = f"[{event.scenario}](#{event.scenario})" if event.scenario else f"`{_short(event.test)}`"
        lines.append(f"| `{event.counter}` | {event.counts} | {where} |")
    lines.append("\n## The scenarios")
    for scene in scenes:
        events = ", ".join(f"`{event}`" for event in scene.events)
        lines.append(f"\n### {scene.name}\n\n{scene.about}\n\nReaches {events}.")
    return "\n".join(lines) + "\n"


def _short(test: str) -> str:
    """Return a test without the folder of all tests."""
    return test.removeprefix("tests/")
