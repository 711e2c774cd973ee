"""A client is told that its write is done when it is proposed.

*Mechanism.* The leader answers and replicates afterwards. If it ends in between, or had been deposed without knowing,
a write that was acknowledged is nowhere.

*In real life.* MongoDB's old default write concern, ``w: 1``, and Redis's replication, both lost acknowledged writes
in Jepsen's first analyses (2013). Both were documented, and hardly anybody had read it.

*Exposed by* the end of leaders: kills and partitions.

*Caught by* the invariant that clients hear of what is chosen; by the linearizability checker and the final reads,
where acknowledged writes are lost.
"""

from __future__ import annotations

from dataclasses import replace

from node.assembly import Assembly
from node.kv import Result
from node.museum import Exhibit, misdeeds
from node.replica import Output, Replica, Waiter
from node.wire import Command, Done


class EarlyReply(Replica):
    """A replica that answers first."""

    def _command(self, waiter: Waiter, command: Command, output: Output) -> None:
        key = (command.session, command.sequence)
        known = key in self._commands
        super()._command(waiter, command, output)
        if known or key not in self._commands:
            return
        del self._commands[key]
        misdeeds.happened()
        self._answer(waiter, Done(Result(True)), output)


def plant(healthy: Assembly) -> Assembly:
    """Break the order of replication and answer."""
    return replace(healthy, replica=EarlyReply)


EXHIBIT = Exhibit(
    scenario="""
nodes = 3
time = "8s"
faults = []
schedule = [
    { at = "1s", until = "1500ms", every = "1s", fault = { type = "kill", target = "leader" } },
]
""",
    caught_by=("invariants: n# tells a client that operation # of session # is done, and has not applied it",),
    checkers_alone=(
        "linearizable: *",
        "final-reads: *",
    ),
)
