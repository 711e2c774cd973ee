"""A new leader proposes the first value that it hears of for a slot, instead of the one of the highest ballot.

*Mechanism.* Phase 1 asks a majority what they have accepted. Several may report different values for one slot, left by
leaders that came and went; only the one of the highest ballot can have been chosen. Taking the first answer's is right
as long as all answers agree, which is nearly always.

*In real life.* A favourite of home-made Paxos: "the value of the highest-numbered proposal among the responses" (P2c in
*Paxos Made Simple*, Lamport, 2001) is read as "a value among the responses".

*Exposed by* leaders that fall, one after the other, with values accepted by a minority: partitions, pauses and kills of
the leader under load.

*Caught by* two values chosen in one slot: the invariant in simulation, the audit of the logs; lost writes.
"""

from __future__ import annotations

from dataclasses import replace

from node.assembly import Assembly
from node.paxos.candidate import Candidate
from node.paxos.messages import Reported


class FirstReport(Candidate):
    """A candidate that keeps what it heard first."""

    def binds_more(self, reported: Reported, known: Reported) -> bool:
        """Say that nothing overrules what is known."""
        del reported, known
        return False


def plant(healthy: Assembly) -> Assembly:
    """Break the choice among promises."""
    return replace(healthy, core=replace(healthy.core, candidate=FirstReport))
