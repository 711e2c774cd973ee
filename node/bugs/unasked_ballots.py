"""A node that has lost its leader takes a ballot at once.

*Mechanism.* Whoever suspects the leader takes a higher ballot, for that is how an election begins, and asks nobody
whether the leader is lost to them, too. A node that was cut off has a higher ballot than all the others when it comes
back: it has to refuse the leader's heartbeats, the leader sees the higher ballot, and steps down. One that hears nobody
and is heard does it every time that its patience is over. Nothing is lost, but for the time of an election, again and
again.

*In real life.* Section 4.2.3 of Ongaro's *Consensus: Bridging Theory and Practice* (2014) calls them disruptive
servers, section 9.6 has the remedy. Implementations began without it, until users asked why the term had to grow at
once: etcd's issue 9241 (election storms by one flaky member), hashicorp/raft's issue 411 and the pre-vote that its pull
request 474 proposed.

*Exposed by* one node alone for a while, and one that hears nobody.

*Caught by* the judge of disruptions, which sees who had lost a leader when it was deposed. No client could: a leader
may be replaced at any time.
"""

from __future__ import annotations

from dataclasses import replace

from node.assembly import Assembly
from node.museum import Exhibit, misdeeds
from node.paxos.preelection import PreElection


class UnaskedBallots(PreElection):
    """A question that nobody waits to be answered."""

    def ready_at(self, now: int) -> int | None:
        """Return now, whatever was said."""
        if super().ready_at(now) is None:
            misdeeds.happened()
        return now


def plant(healthy: Assembly) -> Assembly:
    """Break the patience of who has lost the leader."""
    return replace(healthy, core=replace(healthy.core, pre_election=UnaskedBallots))


EXHIBIT = Exhibit(
    scenario="""
nodes = 5
time = "6s"
faults = []
schedule = [
    { at = "1s", until = "2s", fault = { type = "partition", shape = "one" } },
    { at = "2500ms", until = "3500ms", fault = { type = "partition", shape = "one" } },
    { at = "4s", until = "5s", fault = { type = "partition", shape = "one" } },
]
""",
    caught_by=("disruption: a healthy leader is deposed",),
)
