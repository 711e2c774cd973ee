"""A leader that is deposed tells its clients that nothing has happened.

*Mechanism.* What clients wait for at that moment was proposed and may be chosen by the next leader. The honest answer
is "I do not know"; told "not the leader", a client reports a failure of what then takes place.

*In real life.* Errors that may mean success are the most common finding of Jepsen's reports on anything; MongoDB,
etcd's clients and many drivers turned time-outs and lost leadership into definite errors.

*Exposed by* leaders that are deposed under load: partitions and pauses, with answers that take their time.

*Caught by* the linearizability checker: a value is read whose write is said to have failed.
"""

from __future__ import annotations

from dataclasses import replace

from node.assembly import Assembly
from node.museum import Exhibit, misdeeds
from node.replica import Output, Replica
from node.wire import Reason, Refusal


class FalseRefusals(Replica):
    """A replica that says no where it does not know."""

    def _abandon(self, output: Output) -> None:
        refusal = Refusal(Reason.INVALID, detail="the leader was deposed")
        for waiters in self._commands.values():
            for waiter in waiters:
                misdeeds.happened()
                self._answer(waiter, refusal, output)
        self._commands.clear()
        super()._abandon(output)


def plant(healthy: Assembly) -> Assembly:
    """Break the honesty of refusals."""
    return replace(healthy, replica=FalseRefusals)


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
        "linearizable: *",
        "final-reads: *",
    ),
    checkers_alone=(
        "linearizable: *",
        "final-reads: *",
    ),
)
