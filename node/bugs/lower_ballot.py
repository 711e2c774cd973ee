"""An acceptor accepts below its promise.

*Mechanism.* It promises as it should, and does not look at the promise when an Accept comes. A deposed leader goes on
gathering majorities beside the new one.

*In real life.* The second line of the acceptor in every textbook (P1a of *Paxos Made Simple*, Lamport, 2001), and the
slip of ``>`` and ``>=``, of "promised" and "accepted ballot", in home-made ones: tests with one proposer never reach
the refusal.

*Exposed by* two leaders: partitions and pauses of the leader, slow links.

*Caught by* the node itself, which finds two values for one slot and stops: its log contradicts itself, and it cannot
start again. The audit of the logs finds the record that was accepted below a promise.
"""

from __future__ import annotations

from dataclasses import replace

from node.assembly import Assembly
from node.museum import Exhibit, misdeeds
from node.paxos.acceptor import Acceptor
from node.paxos.effects import Effects
from node.paxos.messages import Accept


class LowerBallot(Acceptor):
    """An acceptor that takes any Accept."""

    def on_accept(self, sender: int, message: Accept, effects: Effects) -> bool:
        """Accept, whatever was promised."""
        if message.ballot < self.promised:
            misdeeds.happened()
            self.promised = message.ballot
        return super().on_accept(sender, message, effects)


def plant(healthy: Assembly) -> Assembly:
    """Break the acceptor's refusal."""
    return replace(healthy, core=replace(healthy.core, acceptor=LowerBallot))


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
        "invariants: n# accepts another value for slot # in # than # had chosen",
        "invariants: n# holds another value for chosen in slot # than # had chosen",
        "invariants: n# makes another value chosen in slot #, in #, than # did",
        "invariants: n# answers in ballot # after it had answered in #",
        "recovery: *is not running (exit status *",
        "node-audit: accepted-below-promise",
    ),
    checkers_alone=(
        "node-audit: *",
        "linearizable: *",
        "final-reads: *",
        "recovery: *is not running (exit status *",
    ),
)
