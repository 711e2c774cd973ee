"""A result that was computed ahead is told to the client at once.

*Mechanism.* The leader computes results while its Accepts are under way, so that they are there when the slot is
chosen. It takes "there is a result" for "it is done". If the leader ends or is cut off before a majority has accepted,
the next one may have another value in that slot, and what the client was told has never been.

*In real life.* Speculation and its release are two things in Zyzzyva (Kotla et al., SOSP 2007) and in every database
that computes before it replicates: there the client, or the commit point, has to know the difference. PBFT's tentative
execution (Castro and Liskov, *Practical Byzantine Fault Tolerance*, 1999, section 5.1) makes the client wait for more
replies for this reason.

*Exposed by* the end of leaders with Accepts under way, where `speculative` is on.

*Caught by* the invariant that clients hear of what is chosen; by the linearizability checker and the final reads, where
what was told is lost.
"""

from __future__ import annotations

from dataclasses import replace

from node.assembly import Assembly
from node.museum import Exhibit, misdeeds
from node.replica import Output, Replica


class ReleasedEarly(Replica):
    """A replica that answers as soon as it can."""

    def _run_ahead(self, output: Output) -> None:
        """Compute what will come of the next slot, and tell it."""
        super()._run_ahead(output)
        if self.speculation is None or not self.speculation.ran:
            return
        for applied in self.speculation.ran[-1].applied:
            self._applied(applied, output)
        if output.replies:
            misdeeds.happened()


def plant(healthy: Assembly) -> Assembly:
    """Break the order of choosing and answering."""
    return replace(healthy, replica=ReleasedEarly)


EXHIBIT = Exhibit(
    scenario="""
nodes = 3
time = "8s"
faults = []
schedule = [
    { at = "1s", until = "1500ms", fault = { type = "kill", target = "leader" } },
    { at = "2s", until = "2500ms", fault = { type = "kill", target = "leader" } },
    { at = "3s", until = "3500ms", fault = { type = "kill", target = "leader" } },
    { at = "4s", until = "4500ms", fault = { type = "kill", target = "leader" } },
    { at = "5s", until = "5500ms", fault = { type = "kill", target = "leader" } },
    { at = "6s", until = "6500ms", fault = { type = "kill", target = "leader" } },
    { at = "7s", until = "7500ms", fault = { type = "kill", target = "leader" } },
]

[node]
speculative = 1
""",
    caught_by=(
        "invariants: n# tells a client that operation # of session # is done, and has not applied it",
        "invariants: n# tells a client of session #, and has not opened it",
    ),
    checkers_alone=(
        "linearizable: *",
        "final-reads: *",
    ),
)
