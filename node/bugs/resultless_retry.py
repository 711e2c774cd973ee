"""A repeated operation is answered "done", whatever its first attempt had come to.

*Mechanism.* The table of sessions remembers how far each client has come, and not what came of it. A compare-and-set
that failed and whose answer was lost is asked for again, is recognised, and is reported as a success.

*In real life.* Section 6.3 of Ongaro's *Consensus: Bridging Theory and Practice* (2014) keeps the response with the
serial number; idempotency keys of web services were given the stored response for the same reason, later.

*Exposed by* lost answers: kills, pauses and partitions of the leader, and operations that can fail.

*Caught by* the linearizability checker: a compare-and-set is said to have replaced a value that had been replaced
already.
"""

from __future__ import annotations

from dataclasses import replace

from node.assembly import Assembly
from node.kv import Result
from node.machine import Machine
from node.museum import Exhibit, misdeeds
from node.replica import Replica
from node.wire import Answer, Done


class Resultless(Machine):
    """A machine that knows that it was done, and not how."""

    def repeated(self, session: int) -> Answer:
        """Answer that all is well."""
        healthy = super().repeated(session)
        answer = Done(Result(True))
        if isinstance(healthy, Done) and healthy.result.ok != answer.result.ok:
            misdeeds.happened()
        return answer


class ResultlessRetry(Replica):
    """A replica with that machine."""

    machine_type = Resultless


def plant(healthy: Assembly) -> Assembly:
    """Break the memory of results."""
    return replace(healthy, replica=ResultlessRetry)


EXHIBIT = Exhibit(
    scenario="""
nodes = 3
rate = 400
concurrency = 30
time = "10s"
faults = []
schedule = [
    { at = "500ms", until = "10s", fault = { type = "disk-slow", target = "all", times = 30 } },
    { at = "1s", until = "1300ms", every = "800ms", fault = { type = "kill", target = "leader" } },
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
        "linearizable: *",
        "final-reads: *",
    ),
    checkers_alone=(
        "linearizable: *",
        "final-reads: *",
    ),
)
