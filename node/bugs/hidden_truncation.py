"""A promise does not say which slots its giver has truncated.

*Mechanism.* What a snapshot covers is in the log no more, so a promise has nothing to report there, as if nothing had
ever been accepted. A candidate that lags takes these slots for empty, closes the gap with no-ops, and so proposes
another value than the one that was chosen.

A pre-election hides it: who asks is told how far the others are, and catches up before it takes a ballot. So it is
planted in a node that asks nobody first.

*In real life.* Raft keeps this out by its elections: who lags is not voted for, so a leader never misses what others
have compacted (Ongaro and Ousterhout, 2014, sections 5.4.1 and 7). Paxos has no such rule: any node may lead, if it
learns first what it missed, and it has to be told that there is something.

*Exposed by* a node that was cut off while the others took snapshots, and that wants to lead as soon as it is back.

*Caught by* the invariant that nothing chosen is overruled.
"""

from __future__ import annotations

from dataclasses import replace

from node.assembly import Assembly
from node.museum import Exhibit, Unasked, misdeeds
from node.paxos.acceptor import Acceptor


class HiddenTruncation(Acceptor):
    """An acceptor that calls nothing truncated."""

    def truncated_upto(self) -> int:
        """Say that the log is whole."""
        if super().truncated_upto():
            misdeeds.happened()
        return 0


def plant(healthy: Assembly) -> Assembly:
    """Break the word of truncated slots."""
    return replace(healthy, core=replace(healthy.core, acceptor=HiddenTruncation, pre_election=Unasked))


EXHIBIT = Exhibit(
    scenario="""
nodes = 3
time = "8s"
rate = 50
faults = []
schedule = [
    { at = "1s", until = "1600ms", every = "1s", fault = { type = "partition", shape = "one" } },
]

[node]
election_timeout_ms = 400
election_spread_ms = 100
heartbeat_ms = 200
lease_ms = 0
retry_ms = 10
snapshot_slots = 5
snapshot_tail_slots = 1
""",
    caught_by=(
        "invariants: n# accepts another value for slot # in # than # had chosen",
        "invariants: n# holds another value for chosen in slot # than # had chosen",
        "invariants: n# makes another value chosen in slot #, in #, than # did",
    ),
)
