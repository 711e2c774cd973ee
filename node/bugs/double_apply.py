"""Every retry of an operation is applied again.

*Mechanism.* A client that hears nothing sends its command again, to the next node. Both may be chosen, in two slots.
Sessions exist so that the second changes nothing; without them an append is there twice, and an old write comes back
over a newer one.

*In real life.* Every replicated log whose clients retry and whose state machine does not deduplicate: "exactly once" is
the state machine's work, not the log's (section 6.3 of Ongaro's *Consensus: Bridging Theory and Practice*, 2014).

*Exposed by* leaders that end after a command was accepted and before it was answered: kills, pauses and partitions of
the leader under load.

*Caught by* the linearizability checker (duplicates in lists, reads of a register that go back) and by the final reads.
"""

from __future__ import annotations

from dataclasses import replace

from node.assembly import Assembly
from node.machine import Machine
from node.paxos.config import Config
from node.paxos.core import Parts
from node.paxos.counters import Counters
from node.paxos.election import RandomStream
from node.paxos.records import Remembered
from node.replica import Replica
from node.sessions import Sessions, Standing


class AlwaysNew(Sessions):
    """Sessions that take every operation for a new one."""

    def standing(self, session: int, sequence: int) -> Standing:
        """Say that it is new, if its session is there at all."""
        known = super().standing(session, sequence)
        return known if known is Standing.EXPIRED else Standing.NEW


class DoubleApply(Replica):
    """A replica without memory of what it has applied."""

    def __init__(
        self,
        config: Config,
        remembered: Remembered,
        rng: RandomStream,
        now: int,
        counters: Counters,
        parts: Parts | None = None,
    ) -> None:
        super().__init__(config, remembered, rng, now, counters, parts)
        self.machine = Machine(counters)
        self.machine.sessions = AlwaysNew()


def plant(healthy: Assembly) -> Assembly:
    """Break the sessions."""
    return replace(healthy, replica=DoubleApply)
