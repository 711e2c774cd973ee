"""A follower takes what it accepts for chosen, and applies it.

*Mechanism.* The leader "will get its majority". A leader that loses it was followed too far: the follower has applied
a command that never was.

*In real life.* Executing before the commit is known: EPaxos's implementation did (efficient/epaxos, issue 27), and
every "optimistic" replica that has no way to undo.

*Exposed by* leaders that are cut off from a majority with a follower on their side; the invariant needs no fault.

*Caught by* the invariant that nothing is held for chosen which no majority has accepted.
"""

from __future__ import annotations

from dataclasses import replace

from node.assembly import Assembly
from node.museum import Exhibit, misdeeds
from node.paxos.acceptor import Acceptor
from node.paxos.effects import Effects
from node.paxos.messages import Accept


class AcceptedIsChosen(Acceptor):
    """An acceptor that learns from itself."""

    def on_accept(self, sender: int, message: Accept, effects: Effects) -> bool:
        """Accept, and call it chosen."""
        accepted = super().on_accept(sender, message, effects)
        if accepted and sender != self.config.me and not self.log.is_chosen(message.slot):
            misdeeds.happened()
            self.log.choose(message.slot)
        return accepted


def plant(healthy: Assembly) -> Assembly:
    """Break the difference of accepted and chosen."""
    return replace(healthy, core=replace(healthy.core, acceptor=AcceptedIsChosen))


EXHIBIT = Exhibit(
    scenario="""
nodes = 3
time = "8s"
faults = []
schedule = [
    { at = "500ms", until = "8s", fault = { type = "link", target = "all", delay_max_us = 20000, loss_ppm = 30000 } },
    { at = "1s", until = "1500ms", every = "1200ms", fault = { type = "pause", target = "leader" } },
]

[node]
election_timeout_ms = 100
election_spread_ms = 100
heartbeat_ms = 50
lease_ms = 100
""",
    caught_by=(
        "invariants: n# holds slot # for chosen, which no majority has accepted",
        "invariants: n# holds another value for chosen in slot # than # had chosen",
    ),
)
