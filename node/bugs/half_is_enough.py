"""Half of an even number of nodes is taken for a majority.

*Mechanism.* ``n / 2`` instead of ``n / 2 + 1``, in both phases. With three or five nodes the division hides it, for
nobody counts to "half" there; with four, two candidates find two each, and two leaders each choose on their own. (In
one of the phases alone it would do no harm: two and three of four always share a node. That is *Flexible Paxos*,
Howard, Malkhi and Spiegelman, 2016.)

*In real life.* The off-by-one of quorums: the rounding is right for the odd numbers that everybody tests with. A
cluster is even for a while whenever one node is being added or replaced.

*Exposed by* four nodes and a partition into two halves.

*Caught by* the invariant that nothing is held for chosen which no majority has accepted.
"""

from __future__ import annotations

from dataclasses import replace

from node.assembly import Assembly
from node.museum import Exhibit, misdeeds
from node.paxos.ballot import Ballot
from node.paxos.candidate import Candidate
from node.paxos.leader import Leader


class HalfCandidate(Candidate):
    """A candidate that rounds down."""

    @property
    def has_majority(self) -> bool:
        """True once half of the nodes have promised; the majority of an even number is half and one more."""
        return len(self._complete) >= self.majority - 1


class HalfLeader(Leader):
    """A leader that does, too."""

    def on_accepted(self, sender: int, ballot: Ballot, slot: int) -> bool:
        """Count an acknowledgement; True if it makes half of the nodes."""
        chosen = super().on_accepted(sender, ballot, slot)
        flight = self.flights.get(slot)
        if not chosen and flight is not None and len(flight.acks) >= self.majority - 1:
            misdeeds.happened()
            return True
        return chosen


def plant(healthy: Assembly) -> Assembly:
    """Break the majority of an even number."""
    return replace(healthy, core=replace(healthy.core, candidate=HalfCandidate, leader=HalfLeader))


EXHIBIT = Exhibit(
    scenario="""
nodes = 4
time = "8s"
faults = []
schedule = [
    { at = "1s", until = "2500ms", every = "2s", fault = { type = "partition", shape = "random-halves" } },
]

[node]
lease_ms = 100
election_timeout_ms = 100
""",
    caught_by=(
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
