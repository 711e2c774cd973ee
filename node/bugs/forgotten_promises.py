"""An acceptor keeps its promises in memory only.

*Mechanism.* The promise is answered but not written down. After a restart the acceptor knows only the ballots of what
it accepted, and takes an Accept of an older leader that it had promised to refuse: two leaders may then both gather a
majority.

*In real life.* *Paxos Made Simple* (Lamport, 2001) gives disks one paragraph: the acceptor records its intended
response in stable storage before it sends it. Implementations for learning leave that out first.

*Exposed by* a crash of an acceptor between its promise to a new leader and that leader's first Accept, with the old
leader still about.

*Caught by* the invariant that a promise is durable before it is answered, at the first election.
"""

from __future__ import annotations

from dataclasses import replace

from node.assembly import Assembly
from node.museum import Exhibit, misdeeds
from node.paxos.acceptor import Acceptor
from node.paxos.ballot import Ballot
from node.paxos.effects import Effects


class ForgottenPromises(Acceptor):
    """An acceptor that does not write promises down."""

    def promise(self, ballot: Ballot, effects: Effects) -> bool:
        """Promise, in memory."""
        del effects
        if ballot < self.promised:
            return False
        if ballot > self.promised:
            misdeeds.happened()
        self.promised = ballot
        return True


def plant(healthy: Assembly) -> Assembly:
    """Break the memory of promises."""
    return replace(healthy, core=replace(healthy.core, acceptor=ForgottenPromises))


EXHIBIT = Exhibit(
    scenario="""
nodes = 5
time = "8s"
faults = []
schedule = [
    { at = "500ms", until = "8s", fault = { type = "link", target = "all", delay_max_us = 20000, loss_ppm = 30000 } },
    { at = "1s", until = "1500ms", every = "1200ms", fault = { type = "pause", target = "leader" } },
    { at = "1100ms", until = "1200ms", every = "1200ms", fault = { type = "kill", target = "majority" } },
]

[node]
election_timeout_ms = 100
election_spread_ms = 100
heartbeat_ms = 50
lease_ms = 100
""",
    caught_by=(
        "invariants: n# promises # before that is durable",
        "invariants: n# remembers a promise of # after it had answered for #",
        "invariants: n# answers in ballot # after it had answered in #",
    ),
)
