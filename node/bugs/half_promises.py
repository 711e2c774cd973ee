"""A promise counts when its first part is there.

*Mechanism.* A long report comes in several messages. The candidate counts the promise with the first of them, and has
a majority before it has heard what that majority accepted; slots of the missing parts are closed with no-ops.

*In real life.* Every protocol whose report outgrows its frame meets this when the log has grown: "it is one message"
was true in the paper and in the tests.

*Exposed by* long reports, cut into parts, whose later parts are late or lost: a leader's end under load, on bad links.

*Caught by* the invariant that nothing chosen is overruled.
"""

from __future__ import annotations

from dataclasses import replace

from node.assembly import Assembly
from node.museum import Exhibit, misdeeds
from node.paxos.candidate import Candidate
from node.paxos.messages import Promise


class HalfPromises(Candidate):
    """A candidate that counts who has answered, not what is there."""

    def on_promise(self, sender: int, message: Promise) -> None:
        """Count the sender with its first part."""
        super().on_promise(sender, message)
        if self.belongs(message) and sender not in self._complete:
            misdeeds.happened()
            self._complete.add(sender)


def plant(healthy: Assembly) -> Assembly:
    """Break the wholeness of promises."""
    return replace(healthy, core=replace(healthy.core, candidate=HalfPromises))


EXHIBIT = Exhibit(
    scenario="""
nodes = 3
rate = 400
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
batch_commands_max = 1
window_max = 8
promise_part_bytes = 40
""",
    caught_by=(
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
