"""Any node answers reads from its own state, without asking whether it is up to date.

*Mechanism.* A read is answered from what the node has applied. A follower is behind the leader by one message at best,
and a deposed leader, or a node that is cut off, by as long as that lasts: the read returns what has been overwritten.

*In real life.* Early etcd answered reads from any member by default, as did Consul's default consistency mode
and every "read from the local replica" option since; Jepsen's first etcd and Consul analyses (2014) found it.

*Exposed by* partitions of a leader from a majority; with clients on every node, by nothing at all.

*Caught by* the linearizability checker alone: stale reads.
"""

from __future__ import annotations

from dataclasses import replace

from node.assembly import Assembly
from node.museum import Exhibit, misdeeds
from node.paxos.effects import ReadReady
from node.replica import Output, Replica


class LocalReads(Replica):
    """A replica that takes every read for confirmed."""

    def begin_read(self, now: int, read_id: int, output: Output) -> None:
        """Answer from the state as it is here, now."""
        misdeeds.happened()
        del now
        self.read_when_applied(ReadReady(read_id, self.machine.applied_upto))
        self.serve_reads(output)


def plant(healthy: Assembly) -> Assembly:
    """Break the reads."""
    return replace(healthy, replica=LocalReads)


EXHIBIT = Exhibit(
    scenario="""
nodes = 3
time = "6s"
faults = []
schedule = [
    { at = "1s", until = "1600ms", every = "1s", fault = { type = "partition", shape = "leader" } },
]
""",
    caught_by=(
        "linearizable: *",
        "final-reads: *",
    ),
    checkers_alone=(
        "linearizable: *",
        "final-reads: *",
    ),
)
