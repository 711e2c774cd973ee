"""A node answers for records that are written but not yet synced.

*Mechanism.* The write-ahead log's thread reports records as durable when they are handed over, and syncs afterwards.
The promise or the accepted value that was answered for is gone if the power fails in between.

*In real life.* The default of many a database "for speed"; PySyncObj's journal is memory-mapped and never synced
(issue 84); benchmarks of consensus systems with ``unsafe-no-fsync``.

*Exposed by* power loss on a majority. Killing the process does not expose it: the kernel still has the pages.

*Caught by* the invariant that a node remembers what it had answered for; without it by lost commits, from the clients'
final reads and from the nodes' logs.
"""

from __future__ import annotations

from dataclasses import replace

from node.assembly import Assembly
from node.committer import Committer
from node.museum import Exhibit, Real, misdeeds
from node.paxos.records import Record


class EarlyAck(Committer):
    """A committer that counts what it is handed as durable."""

    def submit(self, records: list[Record]) -> None:
        """Say that it is done, then do it."""
        misdeeds.happened()
        self.durable_upto += len(records)
        self._durable(self.durable_upto)
        super().submit(records)


def plant(healthy: Assembly) -> Assembly:
    """Break the order of fsync and answer."""
    return replace(healthy, committer=EarlyAck)


EXHIBIT = Exhibit(
    scenario="""
nodes = 3
time = "8s"
faults = []
schedule = [
    { at = "1s", until = "1200ms", every = "700ms", fault = { type = "power-off", target = "all", mode = "drop" } },
]
""",
    caught_by=(
        "invariants: n# has forgotten what it had answered for: slot #, accepted in ballot #",
        "invariants: n# remembers a promise of # after it had answered for #",
    ),
    checkers_alone=(
        "node-audit: *",
        "linearizable: *",
        "final-reads: *",
        "recovery: *is not running (exit status *",
    ),
    real=Real(
        scenario="""
nodes = 3
time = "60s"
rate = 100
faults = []
schedule = [
    { at = "500ms", until = "59s", fault = { type = "disk-slow", target = "all", times = 50 } },
    { at = "4s", until = "4500ms", every = "5s", fault = { type = "power-off", target = "all", mode = "drop" } },
]
""",
        caught_by=("linearizable: *", "final-reads: *", "node-audit: *"),
    ),
)
