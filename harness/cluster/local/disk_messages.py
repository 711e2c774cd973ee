"""What controller, warden and a node's disk say to each other about that disk.

Apart from ``messages``, because the warden only passes most of it on, sealed, and has no use for what it is made of
unless there are disks.
"""

from __future__ import annotations

import msgspec

from harness.cluster.local.errors import LocalError
from nemesis.ground import DiskCounters, DiskTrouble
from nemesis.undo import Arrival, Damage, Damaged

PLACES_MAX = 300


class _Message(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    pass


class Trouble(_Message, frozen=True):
    """Let the disk have this trouble and no other; which reads are wrong is drawn from ``seed``."""

    trouble: DiskTrouble
    seed: int


class Count(_Message, frozen=True):
    """Report what troubles have done."""


class Abandon(_Message, frozen=True):
    """The node is being killed: no sync waits any more."""


class Attach(_Message, frozen=True):
    """The node is about to be started."""


class LosePower(_Message, frozen=True):
    """Take back what was not synced; what arrives after all is drawn from ``seed``."""

    arrival: Arrival
    seed: int


class DoDamage(_Message, frozen=True):
    """Damage what is durable; where is drawn from ``seed``."""

    damage: Damage
    seed: int


DiskRequest = Trouble | Count | Abandon | Attach | LosePower | DoDamage


class Did(_Message, frozen=True):
    """It is so."""


class Report(_Message, frozen=True):
    """What troubles have done; what went wrong that none has asked for ("": nothing); journals over their limit."""

    counters: DiskCounters
    failure: str
    overflows: int


class Places(_Message, frozen=True):
    """What was damaged; ``more`` of it than is listed."""

    places: tuple[Damaged, ...]
    more: int


DiskReply = Did | Report | Places

_encoder = msgspec.msgpack.Encoder()
_requests: msgspec.msgpack.Decoder[DiskRequest] = msgspec.msgpack.Decoder(DiskRequest)
_replies: msgspec.msgpack.Decoder[DiskReply] = msgspec.msgpack.Decoder(DiskReply)


def seal(message: DiskRequest | DiskReply) -> bytes:
    """Return the bytes of a message."""
    return _encoder.encode(message)


def open_request(data: bytes) -> DiskRequest:
    """Read a request; LocalError says in what it is malformed."""
    try:
        return _requests.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise LocalError(f"malformed request to a disk: {error}") from error


def open_reply(data: bytes) -> DiskReply:
    """Read a reply; LocalError says in what it is malformed."""
    try:
        return _replies.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise LocalError(f"malformed reply of a disk: {error}") from error
