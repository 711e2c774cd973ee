"""A node answers for records that are written but not yet synced.

*Mechanism.* The write-ahead log's thread reports records as durable when they are handed over, and syncs afterwards.
The promise or the accepted value that was answered for is gone if the power fails in between.

*In real life.* The default of many a database "for speed"; PySyncObj's journal is memory-mapped and never synced
(issue 84); benchmarks of consensus systems with ``unsafe-no-fsync``.

*Exposed by* power loss on a majority. Killing the process does not expose it: the kernel still has the pages.

*Caught by* lost commits, from the clients' final reads and from the nodes' logs.
"""

from __future__ import annotations

from dataclasses import replace

from node.assembly import Assembly
from node.committer import Committer
from node.paxos.records import Record


class EarlyAck(Committer):
    """A committer that counts what it is handed as durable."""

    def submit(self, records: list[Record]) -> None:
        """Say that it is done, then do it."""
        self.durable_upto += len(records)
        self._durable(self.durable_upto)
        super().submit(records)


def plant(healthy: Assembly) -> Assembly:
    """Break the order of fsync and answer."""
    return replace(healthy, committer=EarlyAck)
