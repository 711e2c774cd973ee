"""Lost commits, from the nodes' side: do the logs of all nodes tell one story, and is every acknowledgement in it?

Clients can only see what they ask for. The nodes' durable logs say more: which values were promised, accepted and
chosen. Multi-Paxos (Lamport 2001, "Paxos made simple") rests on a few invariants over them, each checked here on plain
data, so that any implementation can be audited that can export it:

- one value for each slot, whoever learned it, and none but one accepted by a majority under one ballot;
- under one ballot, one value for each slot: a ballot has one proposer, who proposes once;
- promises never go back, restarts included, and nothing is accepted below the promise of the moment;
- every acknowledged change is in the chosen log;
- replicas that applied the same prefix have the same state.

A retried command may stand in the log twice; the session table lets it act once. So repetitions are counted, not
judged. A change that ended *fail* may be there as well (a cas that did not match was chosen, too).

Absence is harder to prove than presence. A value that was chosen stands in a majority of logs, so it takes the logs
of enough nodes to say that one was not; and logs lose their beginning to snapshots. When the slots known to be chosen
have a hole, a missing command may have been in it. Either makes the verdict unknown, not invalid.

A snapshot is evidence of its own. It covers the slots up to its own, so what may be in them is not lost; but that a
command *was* applied in them is believed only where the snapshot says so of that command (its session table does). What
no log shows and no snapshot vouches for stays unknown. The digest of its state is compared as any other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import msgspec

from checkers.history import History, Operation, Outcome
from checkers.sentences import name, show
from checkers.verdict import Anomaly, CheckResult, Limits, Verdict, proved_by, result

Ballot: TypeAlias = tuple[int, int | str]
"""Round and node; ordered by round, then by node."""


class AuditValue(msgspec.Struct, frozen=True):
    """What stands in a slot: a digest that tells values apart, and the refs of the commands in it.

    Values are equal when their digests are; a log that only kept digests may leave ``refs`` empty.
    """

    digest: str
    refs: tuple[str, ...] = ()


class PromiseMade(msgspec.Struct, frozen=True, tag="promise"):
    """A promise became durable."""

    ballot: Ballot


class Accepted(msgspec.Struct, frozen=True, tag="accepted"):
    """An accepted value became durable."""

    slot: int
    ballot: Ballot
    value: AuditValue


class ChosenLearned(msgspec.Struct, frozen=True, tag="chosen"):
    """The node knows this value to be chosen."""

    slot: int
    value: AuditValue


class Incarnation(msgspec.Struct, frozen=True, tag="incarnation"):
    """The node started; numbers grow with every start."""

    number: int


AuditEvent: TypeAlias = PromiseMade | Accepted | ChosenLearned | Incarnation


class NodeLog(msgspec.Struct, frozen=True):
    """One node's log: its events in the order in which they became durable, over all its lives.

    ``applied_upto`` is the last slot applied; ``digests`` maps applied slots to a digest of the state after them. Of a
    truncated log ``snapshot_slot`` is the slot up to which a snapshot stands for it (0 for none), and ``snapshot_refs``
    are the commands of which the snapshot shows that they were applied.
    """

    node: str
    events: tuple[AuditEvent, ...]
    applied_upto: int
    digests: Mapping[int, str] = {}
    snapshot_slot: int = 0
    snapshot_refs: frozenset[str] = frozenset()


def changes_state(operation: Operation) -> bool:
    """Whether an operation has to be in the log: all but reads, and transactions that only read."""
    if operation.f == "txn" and isinstance(operation.argument, tuple):
        return any(step[0] not in ("r", "read") for step in operation.argument)
    return operation.f not in ("read", "get")


_COUNTED: Final = (
    "nodes",
    "slots_chosen",
    "slots_unknown",
    "acknowledged",
    "acknowledged_without_ref",
    "in_snapshots_only",
    "missing",
    "recovered",
    "failed_in_log",
    "refs_in_several_slots",
    "digests_compared",
)


@dataclass(frozen=True)
class NodeAudit:
    """Checks a history against the logs of the nodes that served it.

    ``cluster_size``: how many nodes a majority is of (default: as many as there are logs; with fewer logs than nodes it
    must be given). ``first_slot``: the number of the first slot there is. ``must_be_logged``: which ok operations are
    required to be in the log. ``members_change``: at times fewer nodes than ``cluster_size`` may have been members, and
    then fewer have chosen: what any node has accepted may have been.
    """

    logs: Sequence[NodeLog]
    cluster_size: int | None = None
    first_slot: int = 1
    must_be_logged: Callable[[Operation], bool] = changes_state
    members_change: bool = False
    name: str = "node-audit"

    def check(self, history: History, limits: Limits) -> CheckResult:
        """Any broken invariant is a violation; a hole in the evidence makes an absence unknown."""
        counts = dict.fromkeys(_COUNTED, 0)
        counts["nodes"] = len(self.logs)
        evidence = _Evidence(self._nodes // 2 + 1)
        anomalies: list[Anomaly] = []
        for log in self.logs:
            anomalies += _walk(log)
            evidence.add(log)
        anomalies += evidence.conflicts()
        anomalies += self._divergence(counts)
        unknown = self._look_for_acknowledged(history, evidence, anomalies, counts)
        verdict = Verdict.INVALID if anomalies else Verdict.UNKNOWN if unknown else Verdict.VALID
        sentence = unknown or f"The logs of {len(self.logs)} nodes agree and hold all {counts['acknowledged']} commits."
        if anomalies:
            sentence = f"{anomalies[0].sentence} ({len(anomalies)} anomalies)."
        return result(self.name, verdict, sentence, anomalies, limits, counts)

    def _divergence(self, counts: dict[str, int]) -> Iterator[Anomaly]:
        first: dict[int, tuple[str, str]] = {}
        for log in self.logs:
            for slot, digest in sorted(log.digests.items()):
                node, expected = first.setdefault(slot, (log.node, digest))
                counts["digests_compared"] += node != log.node
                if digest != expected:
                    sentence = (
                        f"after slot {slot} the state of {log.node} ({digest}) is not that of {node} ({expected})"
                    )
                    yield proved_by("state-divergence", sentence)

    def _look_for_acknowledged(
        self, history: History, evidence: _Evidence, anomalies: list[Anomaly], counts: dict[str, int]
    ) -> str:
        """Adds an anomaly for each missing commit; the reason, if any, why nothing can be said instead."""
        chosen = evidence.chosen()
        slots_of = _slots_by_ref(chosen)
        hole = self._hole(chosen, counts)
        counts["slots_chosen"] = len(chosen)
        counts["refs_in_several_slots"] = sum(len(slots) > 1 for slots in slots_of.values())
        vouched = frozenset[str | None]().union(*(log.snapshot_refs for log in self.logs))
        missing: list[Operation] = []
        for operation in history.operations():
            logged = operation.ref in slots_of
            if not logged and operation.ref in vouched:
                logged = True
                counts["in_snapshots_only"] += 1
            if operation.outcome is Outcome.INFO:
                counts["recovered"] += logged
            elif operation.outcome is Outcome.FAIL:
                counts["failed_in_log"] += logged
            elif self.must_be_logged(operation):
                counts["acknowledged"] += 1
                counts["acknowledged_without_ref"] += operation.ref is None
                if not logged and operation.ref is not None:
                    missing.append(operation)
        counts["missing"] = len(missing)
        if missing and hole is not None:
            return f"Unknown: {len(missing)} commits are in no known slot, but no node knows what is in slot {hole}."
        lost = self._certainly_not_chosen(missing, evidence)
        for operation in lost:
            sentence = f"{name(operation)} was acknowledged, but {show(operation.ref)} is in no node's chosen log"
            anomalies.append(proved_by("lost", sentence, operation))
        if not self.logs or len(lost) < len(missing):
            return f"Unknown: {len(self.logs)} logs of {self._nodes} nodes cannot show what was not chosen."
        if counts["acknowledged_without_ref"]:
            return f"Unknown: {counts['acknowledged_without_ref']} commits carry no ref to look for."
        return ""

    @property
    def _nodes(self) -> int:
        return self.cluster_size or len(self.logs)

    def _certainly_not_chosen(self, missing: Sequence[Operation], evidence: _Evidence) -> Sequence[Operation]:
        """Those no majority can have accepted: all logs are here, or so many that one of them had to show it."""
        if not self.logs or len(self.logs) + evidence.quorum <= self._nodes:
            return []
        if len(self.logs) >= self._nodes and not self.members_change:
            return missing
        accepted = evidence.accepted_refs()
        return [operation for operation in missing if operation.ref not in accepted]

    def _hole(self, chosen: Mapping[int, AuditValue], counts: dict[str, int]) -> int | None:
        """The first slot up to the last one applied of which no node knows what was chosen."""
        last = max((log.applied_upto for log in self.logs), default=self.first_slot - 1)
        known = sum(self.first_slot <= slot <= last for slot in chosen)
        counts["slots_unknown"] = max(0, last - self.first_slot + 1 - known)
        if not counts["slots_unknown"]:
            return None
        return next(slot for slot in range(self.first_slot, last + 1) if slot not in chosen)


def _slots_by_ref(chosen: Mapping[int, AuditValue]) -> dict[str | None, list[int]]:
    slots_of: dict[str | None, list[int]] = {}
    for slot, value in chosen.items():
        for ref in dict.fromkeys(value.refs):
            slots_of.setdefault(ref, []).append(slot)
    return slots_of


def _rank(ballot: Ballot) -> tuple[int, int, str]:
    """Orders ballots; nodes named by numbers as numbers, others as text."""
    number, node = ballot
    return (number, node, "") if isinstance(node, int) else (number, 0, node)


def _walk(log: NodeLog) -> Iterator[Anomaly]:
    """One node's log by itself: promises and incarnations only ever grow."""
    promised: Ballot | None = None
    incarnation: int | None = None
    for event in log.events:
        if isinstance(event, Incarnation):
            if incarnation is not None and event.number <= incarnation:
                sentence = f"{log.node} started as incarnation {event.number} after {incarnation}"
                yield proved_by("incarnation-reused", sentence)
            incarnation = event.number
        elif isinstance(event, (Accepted, PromiseMade)):
            if event.ballot == promised:
                continue
            if promised is not None and _rank(event.ballot) < _rank(promised):
                yield _regression(log.node, event, promised)
            else:
                promised = event.ballot  # to accept is to promise


def _regression(node: str, event: PromiseMade | Accepted, promised: Ballot) -> Anomaly:
    if isinstance(event, PromiseMade):
        sentence = f"{node} promised {event.ballot} after it had promised {promised}"
        return proved_by("promise-regressed", sentence)
    sentence = f"{node} accepted slot {event.slot} at {event.ballot} after it had promised {promised}"
    return proved_by("accepted-below-promise", sentence)


@dataclass
class _Evidence:
    """What all nodes together show of each slot."""

    quorum: int
    _values: dict[str, AuditValue] = field(default_factory=dict)  # by digest, with the refs where anyone has them
    _learned: dict[int, dict[str, list[str]]] = field(default_factory=dict)  # slot: digest: nodes
    _votes: dict[int, dict[tuple[Ballot, str], set[str]]] = field(default_factory=dict)

    def add(self, log: NodeLog) -> None:
        node, learned, votes = log.node, self._learned, self._votes
        for event in log.events:
            if isinstance(event, ChosenLearned):
                learned.setdefault(event.slot, {}).setdefault(self._keep(event.value), []).append(node)
            elif isinstance(event, Accepted):
                of_slot = votes.setdefault(event.slot, {})
                of_slot.setdefault((event.ballot, self._keep(event.value)), set()).add(node)

    def _keep(self, value: AuditValue) -> str:
        digest = value.digest
        if not self._values.setdefault(digest, value).refs:
            self._values[digest] = value
        return digest

    def accepted_refs(self) -> set[str]:
        """The commands in every value that any node accepted."""
        digests = {digest for votes in self._votes.values() for _, digest in votes}
        return {ref for digest in digests for ref in self._values[digest].refs}

    def slots(self) -> list[int]:
        return sorted(self._learned.keys() | self._votes.keys())

    def chosen(self) -> dict[int, AuditValue]:
        """A value for each slot of which one is known to be chosen, by slot."""
        found = ((slot, self._claims(slot)) for slot in self.slots())
        return {slot: self._values[claims[0]] for slot, claims in found if claims}

    def conflicts(self) -> Iterator[Anomaly]:
        for slot in self.slots():
            if len(claims := self._claims(slot)) > 1:
                yield self._two_values(slot, claims)
            if len(self._votes.get(slot, ())) > 1:
                yield from self._two_proposals(slot)

    def _claims(self, slot: int) -> list[str]:
        """The digests of the values that count as chosen in the slot, learned ones first."""
        claims = list(self._learned.get(slot, ()))
        for (_, digest), voters in self._votes.get(slot, {}).items():
            if len(voters) >= self.quorum and digest not in claims:
                claims.append(digest)
        return claims

    def _who(self, slot: int, digest: str) -> str:
        """Who says that a value is chosen in the slot."""
        learned = self._learned.get(slot, {}).get(digest)
        if learned:
            return f"learned by {', '.join(dict.fromkeys(learned))}"
        ballot, voters = next(
            (ballot, voters)
            for (ballot, voted), voters in self._votes[slot].items()
            if voted == digest and len(voters) >= self.quorum
        )
        return f"accepted by the majority {', '.join(sorted(voters))} at {ballot}"

    def _two_values(self, slot: int, claims: Sequence[str]) -> Anomaly:
        told = [f"{_told(self._values[digest])}, {self._who(slot, digest)}" for digest in claims]
        return proved_by("slot-conflict", f"slot {slot} has {len(claims)} chosen values: {told[0]}; and {told[1]}")

    def _two_proposals(self, slot: int) -> Iterator[Anomaly]:
        proposed: dict[Ballot, str] = {}
        for ballot, digest in self._votes.get(slot, {}):
            other = proposed.setdefault(ballot, digest)
            if other != digest:
                pair = f"{_told(self._values[other])} and {_told(self._values[digest])}"
                yield proved_by("ballot-conflict", f"ballot {ballot} proposed two values for slot {slot}: {pair}")


def _told(value: AuditValue) -> str:
    refs = ", ".join(value.refs[:3]) + (" ..." if len(value.refs) > 3 else "")
    return f"{value.digest[:12]} ({refs})" if refs else value.digest[:12]
