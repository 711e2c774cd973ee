"""What was computed ahead is rolled back, and the table of sessions is forgotten.

*Mechanism.* A leader that computes ahead keeps new values and new entries of the session table apart from the chosen
ones. When its ballot is lost it throws the values away. The table it leaves: nobody thinks of it as state. Elected
again, it takes commands of that time for repetitions, answers what it had computed then, and changes nothing.

*In real life.* The table of sessions is the part of the state that is forgotten: by snapshots (`lost-sessions`), and
here by an undo. Whoever keeps "the last request of each client" beside the state machine instead of in it has two
things to roll back.

*Exposed by* leaders that lose a majority with commands under way and lead again: they propose the same commands anew.

*Caught by* the invariant that nodes which have applied the same slots have the same state; by the linearizability
checker and the audit of the logs, because what was acknowledged is in no state.
"""

from __future__ import annotations

from dataclasses import replace

from node.assembly import Assembly
from node.kv import Result
from node.museum import Exhibit, misdeeds
from node.replica import Replica
from node.sessions import Sessions, Standing
from node.speculation import SessionsAhead, Speculation


class Remembering(SessionsAhead):
    """A table ahead that keeps what it knows."""

    def __init__(self, below: Sessions) -> None:
        super().__init__(below)
        self._kept: set[int] = set()

    def forget(self) -> None:
        """Throw nothing away that was computed."""
        known = self._sessions.copy()
        super().forget()
        self._sessions.update(known)
        self._kept = set(known)

    def record(self, session: int, sequence: int, result: Result) -> None:
        """Remember a new operation's result."""
        self._kept.discard(session)
        super().record(session, sequence, result)

    def standing(self, session: int, sequence: int) -> Standing:
        """Say how an operation stands to what was once computed."""
        standing = super().standing(session, sequence)
        stale = standing is Standing.REPEATED and session in self._kept
        if stale and self._below.standing(session, sequence) is Standing.NEW:
            misdeeds.happened()
        return standing


class HalfRolledBack(Speculation):
    """A speculation with that table."""

    sessions_type = Remembering


class HalfRollback(Replica):
    """A replica that speculates so."""

    speculation_type = HalfRolledBack


def plant(healthy: Assembly) -> Assembly:
    """Break the rollback."""
    return replace(healthy, replica=HalfRollback)


EXHIBIT = Exhibit(
    scenario="""
nodes = 3
time = "10s"
rate = 200
concurrency = 20
faults = []

[[schedule]]
at = "1s"
until = "3s"
fault = { type = "partition", grudge = { n1 = ["n2", "n3"], n2 = ["n1", "n3"], n3 = ["n1", "n2"] } }

[[schedule]]
at = "4s"
until = "6s"
fault = { type = "partition", grudge = { n1 = ["n2", "n3"], n2 = ["n1", "n3"], n3 = ["n1", "n2"] } }

[[schedule]]
at = "7s"
until = "9s"
fault = { type = "partition", grudge = { n1 = ["n2", "n3"], n2 = ["n1", "n3"], n3 = ["n1", "n2"] } }

[node]
speculative = 1
""",
    caught_by=("invariants: n# has another state than n# after slot #: #, not #",),
    checkers_alone=(
        "linearizable: *",
        "final-reads: *",
        "node-audit: *",
    ),
)
