"""Ballots are numbers, without the name of the node that uses them.

*Mechanism.* Two candidates that try at the same time count on from the same number and ask for the same ballot. An
acceptor that has promised it promises it again, as it must to a repeated Prepare; both have a majority, and one ballot
has two values for one slot.

*In real life.* "Different proposers choose their numbers from disjoint sets of numbers" is one sentence of *Paxos Made
Simple* (Lamport, 2001, section 2.5). Raft's terms are shared on purpose, and so need a vote: one a term, on disk.

*Exposed by* concurrent elections: leaders that end while several followers wait equally long.

*Caught by* two holders of the lease, or two values in one slot and one ballot, whichever comes first.
"""

from __future__ import annotations

from dataclasses import replace

from node.assembly import Assembly
from node.museum import Exhibit, misdeeds
from node.paxos.ballot import Ballot
from node.paxos.core import Paxos
from node.replica import Replica


class SharedBallots(Paxos):
    """A core that counts rounds and nothing else."""

    def next_ballot(self) -> Ballot:
        """Return the next round, anybody's."""
        misdeeds.happened()
        return Ballot(super().next_ballot().round, 0)


class Nameless(Replica):
    """A replica with that core."""

    paxos_type = SharedBallots


def plant(healthy: Assembly) -> Assembly:
    """Break the uniqueness of ballots among nodes."""
    return replace(healthy, replica=Nameless)


EXHIBIT = Exhibit(
    scenario="""
nodes = 5
time = "8s"
faults = []
schedule = [
    { at = "1s", until = "1700ms", every = "1500ms", fault = { type = "pause", target = "leader" } },
]

[node]
election_timeout_ms = 100
election_spread_ms = 1
heartbeat_ms = 50
lease_ms = 100
""",
    caught_by=(
        "invariants: n# has another value on its disk for slot # in # than others have",
        "invariants: n# holds the lease while n# holds it",
        "invariants: n# holds slot # for chosen, which no majority has accepted",
        "invariants: n# accepts another value for slot # in # than # had chosen",
        "invariants: n# holds another value for chosen in slot # than # had chosen",
        "invariants: n# makes another value chosen in slot #, in #, than # did",
    ),
    checkers_alone=(
        "node-audit: *",
        "linearizable: *",
        "final-reads: *",
        "recovery: *is not running (exit status *",
    ),
)
