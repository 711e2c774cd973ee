"""A new leader leaves the gaps that it finds.

*Mechanism.* A slot for which no promise reports anything is left empty, and new commands go behind it. Slots are
applied in order, so nothing behind the gap is ever applied: the log grows, the cluster answers nobody.

*In real life.* paxi (ailidani/paxi, the artefact of WPaxos, SIGMOD 2019) has a comment in that place: ``// TODO nil
gap?``.

*Exposed by* the end of a leader with several rounds in flight of which an earlier one was lost: bad links, then a
kill.

*Caught by* the demand that a healed cluster serves again.
"""

from __future__ import annotations

from dataclasses import replace

from node.assembly import Assembly
from node.museum import Exhibit, misdeeds
from node.paxos.candidate import Candidate
from node.paxos.core import Paxos
from node.replica import Replica


class NoNoops(Paxos):
    """A core that proposes only what it was told of."""

    def _settle_slot(self, now: int, slot: int, candidate: Candidate) -> None:
        if slot in candidate.best or self.log.is_chosen(slot):
            super()._settle_slot(now, slot, candidate)
        else:
            misdeeds.happened()


class Gapped(Replica):
    """A replica with that core."""

    paxos_type = NoNoops


def plant(healthy: Assembly) -> Assembly:
    """Break the closing of gaps."""
    return replace(healthy, replica=Gapped)


EXHIBIT = Exhibit(
    scenario="""
nodes = 3
rate = 400
time = "8s"
faults = []
schedule = [
    { at = "500ms", until = "8s", fault = { type = "link", target = "all", delay_max_us = 5000, loss_ppm = 200000 } },
    { at = "1s", until = "1500ms", every = "1s", fault = { type = "kill", target = "leader" } },
]

[node]
election_timeout_ms = 200
election_spread_ms = 100
heartbeat_ms = 50
lease_ms = 100
batch_commands_max = 1
window_max = 8
""",
    caught_by=("recovery: * no operation was served*",),
    checkers_alone=("recovery: * no operation was served*",),
)
