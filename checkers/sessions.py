"""Session guarantees: what one client may rely on, whatever the others do.

Terry, Demers, Petersen, Spreitzer, Theimer and Welch, *Session guarantees for weakly consistent replicated data* (PDIS
1994), over objects that only grow: registers that are written growing numbers, counters that nothing is taken from. A
number is then a version, and each guarantee says of two operations of one client on one object, in their order, which
version the later one has at least:

- *monotonic-reads*: a read shows no less than an earlier read;
- *read-your-writes*: a read shows no less than an earlier write brought about;
- *monotonic-writes*: a write brings about more than an earlier write;
- *writes-follow-reads*: a write brings about more than an earlier read had shown.

A session is a process of the history: a client whose operation ended *info* goes on as another one, with nothing to
rely on. What an operation of unknown outcome did binds nobody. Guarantees across objects (a write to y made after a
read of x, seen by a third client) are those of causal consistency, and not judged.

*Between clients* there is the order of real time: Jepsen's *monotonic* workload asks whether versions agree with it. An
operation that began after another one was over has no smaller version (*regressed*), and no two writes bring about the
same one (*repeated*).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from checkers.findings import Findings, by_key, whole
from checkers.growth import Step, regressions, repetitions
from checkers.history import History, Operation
from checkers.sentences import name
from checkers.verdict import CheckResult, Limits

WRITES: Final = ("write", "increment", "add")
GUARANTEES: Final = ("monotonic-reads", "read-your-writes", "monotonic-writes", "writes-follow-reads")
_BY_KINDS: Final = {
    (False, False): "monotonic-reads",
    (True, False): "read-your-writes",
    (True, True): "monotonic-writes",
    (False, True): "writes-follow-reads",
}
"""The guarantee, by whether the earlier operation wrote and whether the later one does."""
_TOLD: Final = {
    "monotonic-reads": "reads went back",
    "read-your-writes": "a client does not see its own write",
    "monotonic-writes": "writes of one client are in the wrong order",
    "writes-follow-reads": "a write is ordered before what its client had read",
}


def _steps(operations: Sequence[Operation], initial: int) -> Iterator[Step]:
    """The ok operations of one object, by invocation.

    A write's version is what it was given, an addition's what it returned; of one that returned nil nothing is known.
    """
    for op in operations:
        if op.ok and op.f == "read":
            yield Step(op, initial if op.result is None else whole(op, op.result), writes=False)
        elif op.ok and op.f == "write":
            yield Step(op, whole(op, op.argument), writes=True)
        elif op.ok and op.result is not None:
            yield Step(op, whole(op, op.result), writes=True)


@dataclass(frozen=True)
class SessionGuarantees:
    """Checks ``read``, ``write`` of growing numbers, and ``increment`` (or ``add``) that returns the number after it.

    ``guarantees``: which of the four are promised. ``initial``: what a read of nil is a read of.
    """

    guarantees: tuple[str, ...] = GUARANTEES
    initial: int = 0
    name: str = "session-guarantees"

    def check(self, history: History, limits: Limits) -> CheckResult:
        """Every guarantee broken is a violation."""
        findings = Findings(self.name, limits, ("sessions", "operations", *self.guarantees))
        sessions: set[int] = set()
        for operations in by_key(history, "read", *WRITES).values():
            before: dict[tuple[int, bool], Step] = {}  # by process and kind: the greatest version so far
            for step in _steps(operations, self.initial):
                self._judge(step, before, findings)
                sessions.add(step.operation.process)
                findings.counts["operations"] += 1
        findings.counts["sessions"] = len(sessions)
        return findings.result(
            f"In {len(sessions)} sessions every operation is consistent with those before it.",
            "" if sessions else "no session did anything",
        )

    def _judge(self, step: Step, before: dict[tuple[int, bool], Step], findings: Findings) -> None:
        process = step.operation.process
        for wrote in (False, True):
            kind, earlier = _BY_KINDS[wrote, step.writes], before.get((process, wrote))
            if kind not in self.guarantees or earlier is None:
                continue
            if step.version < earlier.version or (step.writes and step.version == earlier.version):
                _broken(kind, earlier.operation, step.operation, findings)
        greatest = before.get((process, step.writes))
        if greatest is None or step.version > greatest.version:
            before[process, step.writes] = step


def _broken(kind: str, earlier: Operation, later: Operation, findings: Findings) -> None:
    findings.add(kind, lambda: f"{_TOLD[kind]}: {name(earlier)}, and then {name(later)}", earlier, later)


@dataclass(frozen=True)
class Monotonic:
    """Checks that versions agree with real time, between all clients: same operations as ``SessionGuarantees``."""

    initial: int = 0
    name: str = "monotonic"

    def check(self, history: History, limits: Limits) -> CheckResult:
        """Every version that goes back, or comes twice, is a violation."""
        findings = Findings(self.name, limits, ("operations", "regressed", "repeated"))
        for operations in by_key(history, "read", *WRITES).values():
            steps = list(_steps(operations, self.initial))
            findings.counts["operations"] += len(steps)
            for earlier, later in regressions(steps):
                _regressed(earlier, later, findings)
            for first, again in repetitions(steps):
                _repeated(first, again, findings)
        seen = findings.counts["operations"]
        return findings.result(f"{seen} versions grow with time.", "" if seen else "no version was seen")


def _regressed(earlier: Step, later: Step, findings: Findings) -> None:
    findings.add(
        "regressed",
        lambda: (
            f"versions went back from {earlier.version} to {later.version}: {name(earlier.operation)} was over "
            f"before the {name(later.operation)} began"
        ),
        earlier.operation,
        later.operation,
    )


def _repeated(first: Step, again: Step, findings: Findings) -> None:
    findings.add(
        "repeated",
        lambda: f"two writes brought about {first.version}: {name(first.operation)}, and {name(again.operation)}",
        first.operation,
        again.operation,
    )
