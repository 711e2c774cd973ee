"""A candidate counts promises that were given to an earlier attempt of its own.

*Mechanism.* An attempt fails, the next one begins in a higher ballot, and then the late answers to the first one come.
They name the candidate and look right, but their senders have promised the *older* ballot and may have accepted
something from others since: the majority that is counted has not promised what it is counted for.

A pre-election all but hides it: who asks first deposes nobody that leads, so between two attempts of its own little is
chosen that it does not know of. So it is planted in a node that asks nobody first.

*In real life.* luohaha/MyPaxos, issue 18: a stale ``PrepareResponse`` was counted for a newer round, and two values
were decided.

*Exposed by* promises that arrive late, after the next attempt has begun: a node to which links are slow, and which
deposes healthy leaders that are elected again at once.

*Caught by* the invariant that nothing chosen is overruled.
"""

from __future__ import annotations

from dataclasses import replace

from node.assembly import Assembly
from node.museum import Exhibit, Unasked, misdeeds
from node.paxos.candidate import Candidate
from node.paxos.messages import Promise


class StalePromises(Candidate):
    """A candidate that does not compare ballots."""

    def belongs(self, message: Promise) -> bool:
        """Say that it does."""
        if not super().belongs(message):
            misdeeds.happened()
        return True


def plant(healthy: Assembly) -> Assembly:
    """Break what a promise is counted for."""
    return replace(healthy, core=replace(healthy.core, candidate=StalePromises, pre_election=Unasked))


EXHIBIT = Exhibit(
    scenario="""
nodes = 3
time = "8s"
faults = []

[[schedule]]
at = "1s"
until = "1900ms"
every = "1s"
fault = { type = "link", target = "n3", direction = "to", delay_min_us = 500000, delay_max_us = 700000 }

[node]
election_timeout_ms = 100
election_spread_ms = 50
heartbeat_ms = 50
lease_ms = 0
""",
    caught_by=(
        "invariants: n# accepts another value for slot # in # than # had chosen",
        "invariants: n# holds another value for chosen in slot # than # had chosen",
        "invariants: n# makes another value chosen in slot #, in #, than # did",
        "invariants: n# holds slot # for chosen, which no majority has accepted",
    ),
)
