"""What a node must remember across a restart, and how the records fold back into a state.

Promises and accepted values go through one log in one order, so there is one fsync to wait for and one order to audit.
That a slot is chosen need not be durable (a majority's accepted values say it), so it rides along in the next
``AcceptedRecord`` for free; only a node that *learns* a chosen value from others writes it as a record of its own.

A log that lost its beginning to a snapshot begins with a ``Base``: what the missing records said beside their slots.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from node.paxos.ballot import ZERO, Ballot
from node.paxos.log import Log
from node.paxos.messages import Value
from node.paxos.snapshot import Snapshot


class _Record(msgspec.Struct, frozen=True, array_like=True, gc=False):
    pass


class Started(_Record, frozen=True, tag="started"):
    """The node has started for the ``incarnation``-th time; durable before it says a word.

    ``founders`` are the members that the cluster began with, as far as this start knew: the first record is believed.
    """

    incarnation: int
    founders: tuple[int, ...] = ()


class Promised(_Record, frozen=True, tag="promised"):
    """Nothing below ``ballot`` will be accepted any more."""

    ballot: Ballot


class AcceptedRecord(_Record, frozen=True, tag="accepted"):
    """``value`` was accepted for ``slot`` in ``ballot``; implies the promise of ``ballot``."""

    slot: int
    ballot: Ballot
    value: Value
    chosen_upto: int


class Learned(_Record, frozen=True, tag="learned"):
    """``value`` is known to be chosen for ``slot``; it was told by others, in ``ballot``, whose promise it implies."""

    slot: int
    ballot: Ballot
    value: Value


class ChosenUpto(_Record, frozen=True, tag="chosen-upto"):
    """Every slot up to ``slot`` is chosen as this log has it (the last record of a clean stop, and only there)."""

    slot: int


class Noted(_Record, frozen=True, tag="noted"):
    """A node has begun its ``incarnation``-th life, with this nonce: what it said in earlier ones counts no more."""

    node: int
    incarnation: int
    nonce: int


Record = Started | Promised | AcceptedRecord | Learned | ChosenUpto | Noted


class Life(NamedTuple):
    """One life of a node: no two have both numbers in common."""

    incarnation: int
    nonce: int


class Base(_Record, frozen=True):
    """What all records before some point add up to, but for the slots: these are in a snapshot up to ``last_slot``."""

    incarnation: int = 0
    promised: Ballot = ZERO
    last_slot: int = 0
    lives: tuple[tuple[int, int, int], ...] = ()
    founders: tuple[int, ...] = ()

    def after(self, records: Iterable[Record]) -> Base:
        """Return the base with more records behind it."""
        incarnation, promised, last_slot, lives = self.incarnation, self.promised, self.last_slot, self.lives
        founders = self.founders
        for record in records:
            kind = type(record)
            if kind is AcceptedRecord or kind is Learned:
                promised = max(promised, record.ballot)  # type: ignore[union-attr]
                last_slot = max(last_slot, record.slot)  # type: ignore[union-attr]
            elif kind is Promised:
                promised = max(promised, record.ballot)  # type: ignore[union-attr]
            elif kind is Started:
                incarnation = max(incarnation, record.incarnation)  # type: ignore[union-attr]
                founders = founders or record.founders  # type: ignore[union-attr]
            elif isinstance(record, Noted):
                others = (life for life in lives if life[0] != record.node)
                lives = (*others, (record.node, record.incarnation, record.nonce))
        return Base(incarnation, promised, last_slot, lives, founders)


class RecoveryError(Exception):
    """The records contradict each other: this log cannot have been written by a correct node."""


class Remembered:
    """What a snapshot and the records of a log behind it add up to; ``records`` is the number of the last record.

    ``base`` is what the log begins with, ``first`` the number of its first record.
    """

    __slots__ = ("founders", "incarnation", "lives", "log", "promised", "records", "snapshot", "stopped_cleanly")

    def __init__(self, snapshot: Snapshot | None = None, base: Base | None = None, first: int = 1) -> None:
        base = base or Base()
        self.incarnation = base.incarnation
        self.promised = base.promised
        self.founders = base.founders
        """The members that the cluster began with; none if no start of this node has said so."""
        self.snapshot = snapshot
        self.log = Log(snapshot.slot if snapshot is not None else 0)
        self.records = first - 1
        self.lives = {node: Life(incarnation, nonce) for node, incarnation, nonce in base.lives}
        """The life of each node that has asked for it to be noted."""
        self.stopped_cleanly = False
        """The last life ended with its last record on the disk; nothing it had answered for can be missing."""

    @property
    def blank(self) -> bool:
        """True if there is nothing but starts."""
        return self.promised == ZERO and self.log.last == 0

    def replay(self, record: Record) -> None:
        """Fold one record in. Raises RecoveryError where it contradicts what came before."""
        self.records += 1
        self.stopped_cleanly = isinstance(record, ChosenUpto)
        match record:
            case Started():
                self.incarnation = max(self.incarnation, record.incarnation)
                self.founders = self.founders or record.founders
            case Promised():
                self._promise(record.ballot)
            case AcceptedRecord():
                self._promise(record.ballot)
                self.log.accept(record.slot, record.ballot, record.value)
                self._chosen_upto(record.chosen_upto)
            case Learned():
                self.promised = max(self.promised, record.ballot)
                self.log.learn(record.slot, record.ballot, record.value)
            case ChosenUpto():
                self._chosen_upto(record.slot)
            case Noted():
                self.lives[record.node] = Life(record.incarnation, record.nonce)

    def _promise(self, ballot: Ballot) -> None:
        if ballot < self.promised:
            raise RecoveryError(f"record {self.records}: promise of {ballot} after a promise of {self.promised}")
        self.promised = ballot

    def _chosen_upto(self, upto: int) -> None:
        while self.log.chosen_upto < upto:
            if not self.log.choose(self.log.chosen_upto + 1):
                raise RecoveryError(
                    f"record {self.records}: slot {self.log.chosen_upto + 1} is chosen but not in the log"
                )


def replay(
    records: Iterable[Record],
    snapshot: Snapshot | None = None,
    base: Base | None = None,
    first: int = 1,
    kind: type[Remembered] = Remembered,
) -> Remembered:
    """Fold a snapshot and all records of a log, oldest first. Raises RecoveryError, SafetyError."""
    remembered = kind(snapshot, base, first)
    for record in records:
        remembered.replay(record)
    if snapshot is not None:  # it may have come from another node, after all these records
        remembered.promised = max(remembered.promised, snapshot.ballot)
    return remembered
