"""A follower that hears how far the log is chosen takes whatever it holds up to there for chosen.

*Mechanism.* A leader says "chosen up to slot 7" and nothing else. A follower that has accepted something in slot 7 may
have it from an earlier leader, whose value lost: only if it was accepted in the very ballot that says so is it the one
that was chosen. Otherwise it has to be fetched. Without the comparison the node applies a value that nobody chose.

*In real life.* The first sketch of every replicated log has a commit index and no term beside it. Raft's leader sends
the index and term of the entry before, and a follower that disagrees loses its tail first; a follower may then advance
its commit index only as far as the last entry that *this* message confirmed, ``min(leaderCommit, index of last new
entry)`` in figure 2 of *In Search of an Understandable Consensus Algorithm* (Ongaro and Ousterhout, 2014).

*Exposed by* a leader that accepts alone and is cut off or stands still until another one is there: partitions, pauses
and kills of the leader under load.

*Caught by* two values held for chosen in one slot: the invariant in simulation, the audit of the logs, lost writes.
"""

from __future__ import annotations

from dataclasses import replace

from node.assembly import Assembly
from node.museum import Exhibit, misdeeds
from node.paxos.acceptor import Acceptor
from node.paxos.ballot import Ballot


class CommitByIndex(Acceptor):
    """An acceptor that believes any leader about any value of its own."""

    def choose_prefix(self, ballot: Ballot, upto: int) -> None:
        """Mark slots as chosen up to ``upto``, as far as they hold anything."""
        log = self.log
        while log.chosen_upto < upto and (entry := log.get(log.chosen_upto + 1)) is not None:
            if entry.ballot != ballot:
                misdeeds.happened()
            log.choose(log.chosen_upto + 1)


def plant(healthy: Assembly) -> Assembly:
    """Break the rule of whose values are chosen."""
    return replace(healthy, core=replace(healthy.core, acceptor=CommitByIndex))


EXHIBIT = Exhibit(
    scenario="""
nodes = 3
rate = 400
time = "8s"
faults = []
schedule = [
    { at = "500ms", until = "8s", fault = { type = "link", target = "all", delay_max_us = 20000, loss_ppm = 200000 } },
    { at = "1s", until = "1350ms", every = "500ms", fault = { type = "partition", shape = "leader" } },
]

[node]
election_timeout_ms = 100
election_spread_ms = 100
heartbeat_ms = 50
lease_ms = 100
batch_commands_max = 1
window_max = 8
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
