"""docs/museum.md, from the exhibits: written by ``antipaxos bugs --markdown``, and held up to date by a test."""

from __future__ import annotations

import re
from collections.abc import Sequence

from harness.museum.exhibits import Exhibit

_HEAD = """\
# The museum of planted bugs

Written by `antipaxos bugs --markdown > docs/museum.md` from the files in `node/bugs`; edit those.

A harness that never meets a broken system proves nothing when it is silent. Each bug here is one classic mistake in one
small file, planted by replacing one part of a healthy node (`node/assembly.py`); the healthy code knows nothing of any.
With its story, each file has as data the faults and the workload under which it must be caught, and what must be said
of it.

    antipaxos bugs                        # all of them: each until it was caught five times, in at least 20 seeds
    antipaxos bugs early-ack              # one: its story, its table, and the command that reproduces one catch
    antipaxos bugs --short                # each until it was caught once
    antipaxos bugs --no-invariants        # without the simulator's invariants: what the checkers alone see
    antipaxos bugs --place local          # on real processes, as many clusters at a time as --jobs says: proof.md

Every seed is run twice, with the bug and without. A catch is what the exhibit says it is; anything said of the healthy
node is a false alarm and fails the command. The bug counts its misdeeds, the moments in which it did what a healthy
node would not have done, so that a miss is known to be a miss of the harness (it did wrong and nobody said so) or of
the faults (it was never reached). *Seeds needed* is the median distance from one catch to the next.

Invariants see a bug in the moment in which it does harm, and most of them long before a client could. What is *seen
without invariants* is what the checkers at the end of a run say in the same scenario, often enough to be asked for.
"""


def markdown(exhibits: Sequence[Exhibit]) -> str:
    """Return the page."""
    lines = [_HEAD, f"There are {len(exhibits)} exhibits.\n", "| bug | in a sentence | seen without invariants |"]
    lines.append("|---|---|---|")
    for exhibit in exhibits:
        alone = "yes" if exhibit.checkers_alone else "no"
        lines.append(f"| [{exhibit.name}](#{exhibit.name}) | {_cell(exhibit.title)} | {alone} |")
    lines += [_section(exhibit) for exhibit in exhibits]
    return "\n".join(lines) + "\n"


def _section(exhibit: Exhibit) -> str:
    said = "\n".join(f"- `{pattern}`" for pattern in exhibit.caught_by)
    alone = ""
    if exhibit.checkers_alone:
        named = ", ".join(f"`{pattern}`" for pattern in exhibit.checkers_alone)
        alone = f"\nWithout invariants: {named}.\n"
    if exhibit.real is not None:
        named = ", ".join(f"`{pattern}`" for pattern in exhibit.real.caught_by)
        alone += f"\nOn real processes, in a minute of a scenario of its own: {named}.\n"
    story = re.sub(r"``([^`]+)``", r"`\1`", exhibit.story)
    return f"\n## {exhibit.name}\n\n{story}\n\nA catch is any of:\n\n{said}\n{alone}"


def _cell(text: str) -> str:
    return re.sub(r"``([^`]+)``", r"`\1`", text).replace("|", "\\|")
