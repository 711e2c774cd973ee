"""A read is confirmed by acknowledgements of heartbeats that were sent before it came.

*Mechanism.* A read waits for a majority to acknowledge a heartbeat. Which heartbeat is not asked: those that were
under way when the read arrived count as well, and say only that nobody else led *then*.

*In real life.* etcd's raft until March 2026 (pull request 397): read-index rounds were told apart by a context that
callers chose and could repeat, so late acknowledgements of an earlier round confirmed a later read.

*Exposed by* acknowledgements that are late while another leader is elected: slow links to the leader, and no leases.

*Caught by* the linearizability checker alone: stale reads.
"""

from __future__ import annotations

from dataclasses import replace

from node.assembly import Assembly
from node.museum import Exhibit, misdeeds
from node.paxos.ballot import Ballot
from node.paxos.config import Config
from node.paxos.leader import Leader
from node.paxos.membership import Membership
from node.paxos.reads import ReadRounds


class AnyAck(ReadRounds):
    """Rounds that take any acknowledgement."""

    def on_ack(self, sender: int, beat: int) -> None:
        """Count it for the round under way."""
        if self._round is not None:
            if beat < self._round.beat:
                misdeeds.happened()
            self._round.acks.add(sender)


class LooseReads(Leader):
    """A leader with such rounds."""

    def __init__(self, config: Config, membership: Membership, ballot: Ballot, next_slot: int, now: int) -> None:
        super().__init__(config, membership, ballot, next_slot, now)
        self.reads = AnyAck(self.majority, config.reads_max)


def plant(healthy: Assembly) -> Assembly:
    """Break the tie of a read and its round."""
    return replace(healthy, core=replace(healthy.core, leader=LooseReads))


EXHIBIT = Exhibit(
    scenario="""
nodes = 5
time = "11s"
concurrency = 40
faults = []

[[schedule]]
at = "2s"
until = "4s"
every = "3s"
fault = { type = "link", target = "leader", direction = "to", delay_min_us = 400000, delay_max_us = 900000 }

[[schedule]]
at = "2950ms"
until = "4s"
every = "3s"
fault = { type = "partition", shape = "leader-mute" }

[node]
election_timeout_ms = 1000
election_spread_ms = 100
lease_ms = 0
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
