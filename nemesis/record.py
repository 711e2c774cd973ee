"""What became of a fault: the record that verdicts and coverage are built on.

A fault that did not happen is not coverage, so every record carries a status by observation:

- *installed*: its effect was seen (packets dropped, the process gone or stopped…);
- *skipped*: it was not injected, with the reason;
- *indeterminate*: it was injected, but nothing shows that it had an effect, or it could not be looked at.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from nemesis.faults import Fault


class FaultStatus(StrEnum):
    """What is known of a fault's effect."""

    INSTALLED = "installed"
    SKIPPED = "skipped"
    INDETERMINATE = "indeterminate"


class FaultRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One fault of a run, from plan to heal. Times are ns since the run's start; None where it did not come to that.

    ``number`` counts the plan's faults from 0; ``kind`` is the fault's name in scenarios; ``what`` describes it with
    its resolved targets in a few words; ``evidence`` is one sentence an observation. ``beyond_model`` says in a few
    words which promise of the model the fault breaks, "" if none. ``requested`` is the fault as it was asked for;
    ``leader`` who led when its targets were resolved; ``healing`` what was seen of the heal besides the evidence;
    ``lingers`` whether that was that the fault goes on: what is seen of the nodes afterwards proves nothing then.
    """

    number: int
    kind: str
    what: str
    planned_at: int
    planned_until: int
    injected_at: int | None = None
    healed_at: int | None = None
    targets: tuple[str, ...] = ()
    hit_leader: bool = False
    status: FaultStatus
    evidence: tuple[str, ...] = ()
    healed: bool = True
    beyond_model: str = ""
    requested: Fault | None = None
    leader: str | None = None
    healing: tuple[str, ...] = ()
    lingers: bool = False
