"""A restarted leader takes its last ballot up again.

*Mechanism.* The last promise on its disk is its own, so it is the leader of that ballot, so it asks for it again;
those who had promised it promise it once more. But it does not know any more what it had proposed in that ballot: its
own copy was still on its way to the disk. One ballot then has two values for a slot, and acceptors keep the first and
acknowledge the second, for the ballot is the same.

*In real life.* PySyncObj (pull request 202, 2026): the term began at 0 again when all nodes restarted, and committed
data was overwritten. Tencent/phxpaxos, issue 145, is the discussion of the right way: begin above what was promised.

*Exposed by* power cuts of a leader that is back at once, with Accepts that reached only some.

*Caught by* two values in one slot and one ballot: the invariant in simulation, the audit of the logs.
"""

from __future__ import annotations

from dataclasses import replace

from node.assembly import Assembly
from node.museum import Exhibit, misdeeds
from node.paxos.ballot import ZERO, Ballot
from node.paxos.core import Paxos
from node.replica import Replica


class ReusedBallot(Paxos):
    """A core that begins where it was."""

    _used = ZERO

    def next_ballot(self) -> Ballot:
        """Return the last promised ballot if it is this node's and was not used since the start, else a new one."""
        promised = self.acceptor.promised
        if promised.node == self.config.me and promised > self._used and promised >= self.highest:
            misdeeds.happened()
            self._used = promised
        else:
            self._used = super().next_ballot()
        return self._used


class Resuming(Replica):
    """A replica with that core."""

    paxos_type = ReusedBallot


def plant(healthy: Assembly) -> Assembly:
    """Break the uniqueness of ballots over restarts."""
    return replace(healthy, replica=Resuming)


EXHIBIT = Exhibit(
    scenario="""
nodes = 3
time = "10s"
rate = 400
concurrency = 30
faults = []
schedule = [
    { at = "500ms", until = "10s", fault = { type = "disk-slow", target = "all", times = 30 } },
    { at = "1s", until = "1010ms", every = "600ms", fault = { type = "power-off", target = "all" } },
]

[node]
batch_commands_max = 1
window_max = 8
election_timeout_ms = 100
election_spread_ms = 100
heartbeat_ms = 50
lease_ms = 100
""",
    caught_by=(
        "invariants: n# has another value on its disk for slot # in # than others have",
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
