"""A snapshot holds the data and not the sessions.

*Mechanism.* The store is what the snapshot is for, so the store is what it holds. The table that tells a retry from a
new command is state as well: who starts from the snapshot, or fetches it, knows no client any more, and answers
otherwise than the others do, or applies a second time what it had applied.

*In real life.* Ongaro's *Consensus: Bridging Theory and Practice* (2014), section 6.3, says why the sessions belong to
the replicated state, and section 5 that a snapshot holds all of that. Whoever adds snapshots after sessions, or the
other way round, has two lists of "the state" to keep equal.

*Exposed by* restarts from a snapshot, and by followers that fetch one, while clients go on in their sessions.

*Caught by* the invariant that nodes which have applied the same slots have the same state.
"""

from __future__ import annotations

from dataclasses import replace

import msgspec

from node.assembly import Assembly
from node.machine import Machine, decode_state
from node.museum import Exhibit, misdeeds
from node.replica import Replica


class WithoutSessions(Machine):
    """A machine whose state is its data."""

    def state(self) -> bytes:
        """Return the state without the sessions."""
        state = decode_state(super().state())
        if state.sessions:
            misdeeds.happened()
        return msgspec.msgpack.encode(msgspec.structs.replace(state, sessions=[]))


class LostSessions(Replica):
    """A replica with that machine."""

    machine_type = WithoutSessions


def plant(healthy: Assembly) -> Assembly:
    """Break what a snapshot holds."""
    return replace(healthy, replica=LostSessions)


EXHIBIT = Exhibit(
    scenario="""
nodes = 3
time = "6s"
faults = []
schedule = [
    { at = "1500ms", until = "2s", fault = { type = "kill", target = "follower" } },
    { at = "2500ms", until = "3s", fault = { type = "kill", target = "leader" } },
    { at = "3500ms", until = "4s", fault = { type = "kill", target = "follower" } },
    { at = "4500ms", until = "5s", fault = { type = "kill", target = "leader" } },
]

[node]
snapshot_slots = 50
snapshot_tail_slots = 10
""",
    caught_by=("invariants: n# has another state than n# after slot #: #, not #",),
    checkers_alone=(
        "linearizable: *",
        "final-reads: *",
        "node-audit: *",
    ),
)
