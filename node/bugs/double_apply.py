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
from node.museum import Exhibit, misdeeds
from node.paxos.counters import Counters
from node.paxos.membership import NOBODY, Membership
from node.replica import Replica
from node.sessions import Sessions, Standing


class AlwaysNew(Sessions):
    """Sessions that take every operation for a new one."""

    def standing(self, session: int, sequence: int) -> Standing:
        """Say that it is new, if its session is there at all."""
        known = super().standing(session, sequence)
        if known is Standing.REPEATED:
            misdeeds.happened()
        return known if known is Standing.EXPIRED else Standing.NEW


class Forgetful(Machine):
    """A machine without memory of what it has applied."""

    def __init__(self, counters: Counters, membership: Membership = NOBODY) -> None:
        super().__init__(counters, membership)
        self.sessions = AlwaysNew()


class DoubleApply(Replica):
    """A replica with that machine."""

    machine_type = Forgetful


def plant(healthy: Assembly) -> Assembly:
    """Break the sessions."""
    return replace(healthy, replica=DoubleApply)


EXHIBIT = Exhibit(
    scenario="""
nodes = 3
rate = 400
concurrency = 30
time = "10s"
workload = "append"
faults = []
schedule = [
    { at = "500ms", until = "10s", fault = { type = "disk-slow", target = "all", times = 30 } },
    { at = "1s", until = "1300ms", every = "800ms", fault = { type = "kill", target = "leader" } },
]

[node]
election_timeout_ms = 100
election_spread_ms = 100
heartbeat_ms = 50
lease_ms = 100
batch_commands_max = 1
window_max = 8
""",
    caught_by=(
        "linearizable: *",
        "final-reads: *",
    ),
    checkers_alone=(
        "linearizable: *",
        "final-reads: *",
    ),
)
