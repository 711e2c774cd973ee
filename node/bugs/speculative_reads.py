"""Reads see what has been computed ahead.

*Mechanism.* The leader holds the lease and answers a read from the newest state that it has: the one ahead of what is
chosen. If its ballot is lost, somebody has read a value that was never written, or is written later, after others have
read the one before.

*In real life.* The dirty read (ANSI's P1; Berenson et al., *A Critique of ANSI SQL Isolation Levels*, 1995), one layer
further down. MongoDB's reads with the "local" concern are documented to return what a failover may roll back; Jepsen
showed it in *MongoDB: stale reads* (2015).

*Exposed by* partitions of the leader with writes under way: its lease goes on for a while.

*Caught by* the linearizability checker alone. No invariant asks what a read returns.
"""

from __future__ import annotations

from dataclasses import replace

from node.assembly import Assembly
from node.museum import Exhibit, misdeeds
from node.replica import Output, Replica
from node.wire import Done


class SpeculativeReads(Replica):
    """A replica that reads what will be."""

    def _read(self, read_id: int, output: Output) -> None:
        """Answer from the state ahead, if there is one."""
        asked = self._reads.get(read_id)
        if asked is None or self.speculation is None or not self.speculation.ran:
            super()._read(read_id, output)
            return
        del self._reads[read_id]
        result = asked.operation.apply(self.speculation.store)
        if result != asked.operation.apply(self.machine.store):
            misdeeds.happened()
        self._answer(asked.waiter, Done(result), output)


def plant(healthy: Assembly) -> Assembly:
    """Break the reads."""
    return replace(healthy, replica=SpeculativeReads)


EXHIBIT = Exhibit(
    scenario="""
nodes = 3
time = "8s"
rate = 400
concurrency = 30
faults = []
schedule = [
    { at = "1s", until = "1800ms", fault = { type = "partition", shape = "leader" } },
    { at = "2500ms", until = "3300ms", fault = { type = "partition", shape = "leader" } },
    { at = "4s", until = "4800ms", fault = { type = "partition", shape = "leader" } },
    { at = "5500ms", until = "6300ms", fault = { type = "partition", shape = "leader" } },
]

[node]
speculative = 1
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
