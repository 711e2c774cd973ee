"""What nodes say to each other.

Every message carries the ballot it belongs to, and every acknowledgement says exactly what it acknowledges (the slot,
the beat), so a late or doubled one can never be counted for something else. The sender and its incarnation travel in
the frame around the message (``node.wire``).
"""

from __future__ import annotations

import msgspec

from node.paxos.ballot import Ballot

Value = tuple[bytes, ...]
"""What a slot holds: some commands, or none (a no-op)."""

NOOP: Value = ()


Lives = tuple[tuple[int, int, int], ...]
"""Nodes, the incarnation that each lives in, and its start's nonce: what it said in earlier ones counts no more."""


class _Message(msgspec.Struct, frozen=True, array_like=True, gc=False):
    pass


class Reported(_Message, frozen=True):
    """One slot as an acceptor knows it: accepted in ``ballot``, or known to be chosen."""

    slot: int
    ballot: Ballot
    value: Value
    chosen: bool


class Prepare(_Message, frozen=True, tag="prepare"):
    """Phase 1a for *every* slot from ``from_slot`` on; whoever promises has noted ``lives`` before."""

    ballot: Ballot
    from_slot: int
    lives: Lives = ()


class Promise(_Message, frozen=True, tag="promise"):
    """Phase 1b: the sender will accept nothing below ``ballot``; ``reported`` is all that it has from ``from_slot`` on.

    Slots up to ``truncated_upto`` are chosen, and the sender has only a snapshot of what they came to: it can report
    none of them, and nobody may lead over them who does not know them to be chosen.

    Large reports come in ``parts`` messages; a promise counts only when every part of one answer is there. ``as_of`` is
    the number of the last record that the answer tells of: an answer given later may be cut into other parts.
    ``lives`` is all that the sender has noted: promises of earlier lives must not be counted together with this one.
    """

    ballot: Ballot
    from_slot: int
    as_of: int
    part: int
    parts: int
    truncated_upto: int
    reported: tuple[Reported, ...]
    lives: Lives = ()


class Accept(_Message, frozen=True, tag="accept"):
    """Phase 2a; ``chosen_upto`` tells followers how far the log is chosen."""

    ballot: Ballot
    slot: int
    value: Value
    chosen_upto: int


class Accepted(_Message, frozen=True, tag="accepted"):
    """Phase 2b: this slot, in this ballot, is on the sender's disk."""

    ballot: Ballot
    slot: int


class Refused(_Message, frozen=True, tag="refused"):
    """The sender has promised ``promised`` and so refuses ``ballot``."""

    ballot: Ballot
    promised: Ballot


class Truncated(_Message, frozen=True, tag="truncated"):
    """What was to be accepted in ``ballot`` is in a slot that was chosen long since: up to ``upto``, all are."""

    ballot: Ballot
    upto: int


class Heartbeat(_Message, frozen=True, tag="heartbeat"):
    """The leader of ``ballot`` is there; ``beat`` numbers the beats of one leadership and never repeats in it."""

    ballot: Ballot
    beat: int
    chosen_upto: int


class HeartbeatAck(_Message, frozen=True, tag="heartbeat-ack"):
    """When it answered ``beat``, the sender had promised nothing above ``ballot``."""

    ballot: Ballot
    beat: int


class ReadIndex(_Message, frozen=True, tag="read-index"):
    """A follower asks the leader up to which slot it must have applied the log before it may answer a read."""

    read_id: int


class ReadIndexReply(_Message, frozen=True, tag="read-index-reply"):
    """The answer: apply up to ``index`` first; confirmed by a round of beats begun after the request arrived.

    None says that the asked node does not lead, or has no room: nothing happened, try elsewhere.
    """

    ballot: Ballot
    read_id: int
    index: int | None


class Fetch(_Message, frozen=True, tag="fetch"):
    """A node that lags behind asks for chosen slots from ``from_slot`` on.

    If they are truncated it takes a snapshot: of the one after ``snapshot_slot`` with the checksum ``snapshot_crc``, it
    has ``offset`` bytes already (of none: 0, 0, 0).
    """

    from_slot: int
    snapshot_slot: int = 0
    snapshot_crc: int = 0
    offset: int = 0


class Chosen(_Message, frozen=True, tag="chosen"):
    """Chosen slots, in order; ``chosen_upto`` is how far the sender's log is chosen (more may be fetched)."""

    entries: tuple[tuple[int, Ballot, Value], ...]
    chosen_upto: int


class SnapshotPart(_Message, frozen=True, tag="snapshot-part"):
    """A part of the sender's snapshot of the state after ``slot``: ``data`` at ``offset`` of ``size`` bytes.

    ``ballot`` and ``crc`` as in ``node.paxos.snapshot.Snapshot``.
    """

    slot: int
    ballot: Ballot
    size: int
    crc: int
    offset: int
    data: bytes


class Recover(_Message, frozen=True, tag="recover"):
    """The sender has started, does not vote yet, and asks the others to note its life (``node.paxos.recovery``).

    ``nonce`` is this start's own. ``whole``: it has forgotten nothing. ``all_blank``: every member, the sender
    included, has told it that its disk is blank.
    """

    nonce: int
    whole: bool
    all_blank: bool


class LifeNoted(_Message, frozen=True, tag="life-noted"):
    """The asking start's life is noted, durably; ``blank``: the sender has answered for nothing yet."""

    nonce: int
    blank: bool


class OldLife(_Message, frozen=True, tag="old-life"):
    """The receiver says that it lives a life that it cannot be in: the sender knows of its ``incarnation``-th."""

    incarnation: int


class Welcome(_Message, frozen=True, tag="welcome"):
    """The start that asked with ``nonce`` may vote, in ``ballot`` and above, once it knows all slots up to ``upto``."""

    nonce: int
    ballot: Ballot
    upto: int
    lives: Lives


Message = (
    Prepare
    | Promise
    | Accept
    | Accepted
    | Refused
    | Heartbeat
    | HeartbeatAck
    | ReadIndex
    | ReadIndexReply
    | Fetch
    | Chosen
    | Truncated
    | SnapshotPart
    | Recover
    | LifeNoted
    | OldLife
    | Welcome
)
