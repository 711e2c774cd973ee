"""A restarted acceptor does not take up again what it had accepted.

*Mechanism.* Promises are read back from the log, and what is known to be chosen; values that were accepted and not yet
known to be chosen are left out ("the leader will send them again"). The leader may be gone, and the acceptor was one
of the majority that had chosen them: Phase 1 then hears "nothing accepted here", and another value is chosen.

*In real life.* Whatever keeps its votes in memory has this bug and hides it by never restarting: paxi (ailidani/paxi,
the artefact of WPaxos, SIGMOD 2019) persists nothing. omnipaxos had a branch of repairs for it (245fe1f,
"fail-recovery").

*Exposed by* restarts of a majority while values are in flight: kills, power cuts.

*Caught by* the invariant that nothing chosen is overruled.
"""

from __future__ import annotations

from dataclasses import replace

from node.assembly import Assembly
from node.museum import Exhibit, misdeeds
from node.paxos.acceptor import Acceptor
from node.paxos.config import Config
from node.paxos.counters import Counters
from node.paxos.log import Log
from node.paxos.records import Remembered


class ForgottenAccepts(Acceptor):
    """An acceptor that begins with what is chosen, and with nothing else."""

    def __init__(self, config: Config, remembered: Remembered, counters: Counters) -> None:
        super().__init__(config, remembered, counters)
        self.log = Log()
        for reported in remembered.log.report(1):
            if reported.chosen:
                self.log.learn(reported.slot, reported.ballot, reported.value)
            else:
                misdeeds.happened()


def plant(healthy: Assembly) -> Assembly:
    """Break the memory of accepted values."""
    return replace(healthy, core=replace(healthy.core, acceptor=ForgottenAccepts))


EXHIBIT = Exhibit(
    scenario="""
nodes = 3
time = "8s"
faults = []
schedule = [
    { at = "1s", until = "1200ms", every = "700ms", fault = { type = "kill", target = "all" } },
]
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
