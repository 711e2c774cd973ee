"""What goes into a step and what comes out of it: the whole surface of the core.

Events go in one at a time; ``Effects`` come out and must be carried out by the shell:

=====================  ===============================================================================================
``persist``            append these records to the log, in this order; record numbers count on from the last ones
``send_now``           messages that promise nothing durable: they may leave at once
``send_after_persist`` messages that may leave only when the record with their number is durable
``apply``              slots newly chosen, in order and without gaps: apply them to the state machine
``reads``              reads that may be answered once everything up to their slot is applied
``reads_failed``       reads that this node could not confirm; nothing happened, they may be tried anywhere again
``membership``         the members have changed: messages go to others from now on
``install``            a whole snapshot from another node: make it durable, then step with ``Saved``
``incarnation``        the node's own from now on, if not 0: it has learned of a later life than it knew
``stepped_down``       True if this node has stopped leading: what it had proposed may or may not be chosen
``handed_over``        True if the leadership that was to be handed over has a new holder, the one that was asked for;
                       False if not: this node goes on, or somebody else leads. None: nothing is to be said
``wake_at``            the time (ns) by which the core wants a ``Tick``
=====================  ===============================================================================================

A message whose destination is the node itself is handed back by the shell as a ``Receive``, by the same rules.
"""

from __future__ import annotations

import msgspec

from node.paxos.membership import Change, Membership
from node.paxos.messages import Message, Value
from node.paxos.records import Record
from node.paxos.snapshot import Snapshot


class _Plain(msgspec.Struct, frozen=True, gc=False):
    """What is made at every step: a struct, for it is made and read several times as fast as a named tuple."""


class Receive(_Plain, frozen=True):
    """A message arrived from a member, sent by its given incarnation."""

    sender: int
    incarnation: int
    message: Message


class Propose(_Plain, frozen=True):
    """Clients' commands, to be put into the log as soon as the window allows."""

    commands: tuple[bytes, ...]


class Reconfigure(_Plain, frozen=True):
    """The leader is asked to change the members; whether that can be done now was asked before."""

    change: Change


class ReadRequest(_Plain, frozen=True):
    """A client wants to read; ``read_id`` is unique for this node over all its incarnations."""

    read_id: int


class HandOver(_Plain, frozen=True):
    """The leader is asked to hand its leadership over: to a member, or (None) to whoever is most fit for it."""

    to: int | None


class Tick(_Plain, frozen=True):
    """Time has passed."""


class Saved(_Plain, frozen=True):
    """A snapshot is durable: one that was taken here, or came from another node and holds more than this one knew."""

    snapshot: Snapshot
    membership: Membership | None = None
    """Who the members are after it, if it came from another node."""


Event = Receive | Propose | Reconfigure | ReadRequest | HandOver | Tick | Saved


class Send(_Plain, frozen=True):
    """A message that may leave at once."""

    to: int
    message: Message


class Deferred(_Plain, frozen=True):
    """A message that may leave when record number ``after`` is durable."""

    after: int
    to: int
    message: Message


class ReadReady(_Plain, frozen=True):
    """A confirmed read: answer it when everything up to slot ``upto`` is applied."""

    read_id: int
    upto: int


class Effects(msgspec.Struct, gc=False):
    """What one step wants done; see the module's table."""

    persist: list[Record] = []
    send_now: list[Send] = []
    send_after_persist: list[Deferred] = []
    apply: list[tuple[int, Value]] = []
    reads: list[ReadReady] = []
    reads_failed: list[int] = []
    membership: Membership | None = None
    install: Snapshot | None = None
    incarnation: int = 0
    stepped_down: bool = False
    handed_over: bool | None = None
    wake_at: int = 0
