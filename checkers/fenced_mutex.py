"""Mutexes with fencing tokens: one holder at a time, and a number that shows who came later.

``acquire`` returns a token, greater than every one before, and ``release`` gives one back. What the lock protects
compares tokens, and so turns away who was thought dead and comes late (Kleppmann, *How to do distributed locking*,
2016; the sequencers of Burrows, *The Chubby lock service*, OSDI 2006). Tokens name the order in which the lock was
held. With the order known there is nothing to search for: acquire and release, token after token, must each have a
moment between invocation and completion, and the earliest possible one is always the best choice. O(n log n).

- *token-regressed*: an acquire began after another one was over, and got the smaller token;
- *two-holders*: an acquire was over before the release of an earlier token began, if that was ever released: for a
  moment two clients certainly held the lock;
- *duplicate-token*; *released-twice*; *never-acquired*: a token was given back that no acquire can have got by then.

An acquire of unknown outcome may hold a token that nobody was told; if that is given back, its acquire happened. Where
holders may lose the lock without giving it back (leases), say ``expires``: then only the tokens are judged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from checkers.findings import Findings, MisfitError, by_key, whole
from checkers.history import History, Operation, Outcome
from checkers.sentences import began, name
from checkers.verdict import CheckResult, Limits

_COUNTED = (
    "acquired",
    "released",
    "token-regressed",
    "two-holders",
    "duplicate-token",
    "released-twice",
    "never-acquired",
)


@dataclass(frozen=True)
class FencedMutex:
    """Checks ``acquire`` (returns a token) and ``release`` (of a token, nil for the last of the process) by key.

    ``expires``: whether a lock may be taken from its holder.
    """

    expires: bool = False
    name: str = "fenced-mutex"

    def check(self, history: History, limits: Limits) -> CheckResult:
        """Every anomaly is a violation."""
        findings = Findings(self.name, limits, _COUNTED)
        for operations in by_key(history, "acquire", "release").values():
            holds = _holds(operations, findings)
            self._look_at_the_order(holds, findings)
        held = findings.counts["acquired"]
        return findings.result(
            f"All {held} tokens grow, and no two of them were held at once.", "" if held else "no lock was acquired"
        )

    def _look_at_the_order(self, holds: Sequence[_Hold], findings: Findings) -> None:
        """Give every operation the earliest moment that those before it leave; one without is the anomaly.

        ``reached`` is the operation whose invocation is the earliest moment for the next.
        """
        reached: Operation | None = None
        for hold in holds:
            for operation in hold.operations(self.expires):
                if reached is not None and operation.precedes(reached):
                    _contradiction(reached, operation, hold, findings)
                if reached is None or operation.invoke_index > reached.invoke_index:
                    reached = operation
            if not hold.over and not self.expires:
                _look_behind(hold, holds, findings)
                return


@dataclass
class _Hold:
    """One token's time; ``acquire`` is None if the one who got it is unknown."""

    token: int
    acquire: Operation | None = None
    releases: list[Operation] = field(default_factory=list)

    @property
    def over(self) -> bool:
        """Whether it may have been given back."""
        return bool(self.releases) or self.acquire is None

    def operations(self, expires: bool) -> list[Operation]:
        """What must have its moment, in this order: of several releases that which was over first, if any was.

        A release of unknown outcome need not have happened where nobody is known to have held the lock.
        """
        ordered = [] if self.acquire is None else [self.acquire]
        happened = self.acquire is not None or any(release.ok for release in self.releases)
        if self.releases and happened and not expires:
            ordered.append(min(self.releases, key=_urgency))
        return ordered


def _urgency(release: Operation) -> tuple[bool, int]:
    """Of several releases of one token, one that returned ok did it; of unknown ones, the earliest may have."""
    return not release.ok, release.invoke_index


def _holds(operations: Sequence[Operation], findings: Findings) -> list[_Hold]:
    """All tokens by number, each with those who got it and gave it back."""
    holds: dict[int, _Hold] = {}
    last_of: dict[int, int] = {}  # by process; a release that names no token is of its process's last
    releases: list[tuple[Operation, int]] = []
    for op in operations:
        if op.f == "acquire" and op.ok:
            token = last_of[op.process] = whole(op, op.result)
            _take_acquire(op, holds.setdefault(token, _Hold(token)), findings)
        elif op.f == "release" and op.outcome is not Outcome.FAIL:
            if op.argument is None and op.process not in last_of:
                raise MisfitError(f"release of event {op.invoke_index} does not say of which token")
            token = last_of[op.process] if op.argument is None else whole(op, op.argument)
            releases.append((op, token))
    nobodys = any(op.f == "acquire" and op.outcome is Outcome.INFO for op in operations)
    for op, token in releases:
        _take_release(op, holds.setdefault(token, _Hold(token)), nobodys, findings)
    return [holds[token] for token in sorted(holds)]


def _take_acquire(acquire: Operation, hold: _Hold, findings: Findings) -> None:
    findings.counts["acquired"] += 1
    if (first := hold.acquire) is None:
        hold.acquire = acquire
        return
    findings.add(
        "duplicate-token",
        lambda: f"token {hold.token} was given out twice: {name(first)}, and {name(acquire)}",
        first,
        acquire,
    )


def _take_release(release: Operation, hold: _Hold, nobodys: bool, findings: Findings) -> None:
    findings.counts["released"] += release.ok
    if hold.acquire is None and release.ok and not nobodys:
        findings.add(
            "never-acquired",
            lambda: f"{name(release)} gave back token {hold.token}, which nobody had got",
            release,
        )
    before = next((op for op in hold.releases if op.ok), None)
    if release.ok and before is not None:
        findings.add(
            "released-twice",
            lambda: f"token {hold.token} was given back twice: {name(before)}, and {name(release)}",
            before,
            release,
        )
    hold.releases.append(release)


def _contradiction(earlier: Operation, operation: Operation, hold: _Hold, findings: Findings) -> None:
    """An operation of a greater token was over before one of a smaller token (or its own acquire) began."""
    if earlier.f == "release" and operation.f == "acquire":
        findings.add(
            "two-holders",
            lambda: (
                f"{name(operation)} was over before the {name(earlier)} began, at {began(earlier)}: "
                "for a moment two held the lock"
            ),
            operation,
            earlier,
        )
        return
    if earlier is hold.acquire:
        findings.add(
            "never-acquired",
            lambda: f"{name(operation)} was over before the {name(earlier)} began, at {began(earlier)}",
            operation,
            earlier,
        )
        return
    findings.add(
        "token-regressed",
        lambda: (
            f"tokens went back: {name(operation)}, of token {hold.token}, was over before the {name(earlier)} "
            f"began, at {began(earlier)}, which is of a smaller one"
        ),
        operation,
        earlier,
    )


def _look_behind(hold: _Hold, holds: Sequence[_Hold], findings: Findings) -> None:
    """A token was never given back, so nobody can have got a later one."""
    later = next((one for one in holds if one.token > hold.token and one.acquire is not None), None)
    if later is None or later.acquire is None or hold.acquire is None:
        return
    holder, intruder = hold.acquire, later.acquire
    findings.add(
        "two-holders",
        lambda: f"{name(intruder)} was let in although token {hold.token} was never given back: {name(holder)}",
        holder,
        intruder,
    )
