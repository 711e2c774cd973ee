"""A node that is asked for chosen slots sends whatever it holds.

*Mechanism.* A follower that lags asks the leader for chosen slots and takes what comes for chosen. A leader that
answers with its whole log sends along what it has only just proposed; if it loses the lead, that was never chosen.

*In real life.* A log has one array and two ends, and the wrong end compiles: PySyncObj kept a commit index that lay
beyond the log (issue 197).

*Exposed by* nodes that lag while others propose: bad links, kills and partitions under load.

*Caught by* the invariant that nothing is held for chosen which no majority has accepted.
"""

from __future__ import annotations

from dataclasses import replace

from node.assembly import Assembly
from node.museum import Exhibit, misdeeds
from node.paxos.catchup import CatchUp
from node.paxos.messages import Chosen, Fetch


class UnchosenCatchUp(CatchUp):
    """A core that sends its log as far as it goes."""

    def on_fetch(self, now: int, sender: int, message: Fetch) -> None:
        del now
        entries = []
        for slot in range(message.from_slot, self._core.log.last + 1):
            entry = self._core.log.get(slot)
            if entry is None:
                break
            if not entry.chosen:
                misdeeds.happened()
            entries.append((slot, entry.ballot, entry.value))
        if entries:
            self._core.send(sender, Chosen(tuple(entries), entries[-1][0]))


def plant(healthy: Assembly) -> Assembly:
    """Break the end of what may be fetched."""
    return replace(healthy, core=replace(healthy.core, catchup=UnchosenCatchUp))


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
        "invariants: n# holds slot # for chosen, which no majority has accepted",
        "invariants: n# accepts another value for slot # in # than # had chosen",
        "invariants: n# holds another value for chosen in slot # than # had chosen",
        "invariants: n# makes another value chosen in slot #, in #, than # did",
    ),
)
