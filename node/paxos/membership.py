"""Who the members are, and how that changes: one node at a time, through the log, each change by itself.

Every slot is a Paxos of its own, and its acceptors are the members that the log has come to before it. A change of the
members is a value like any other; once the log is chosen up to and including it, the slots behind it belong to the new
members. So a leader and its followers may differ over who is a member, and what keeps that safe is this:

1. *One node at a time* (the overlap rule). A change adds one node or removes one, so every majority of the members
   before it shares a node with every majority of those after it. Replacing a node is adding one, then removing one.
2. *One change at a time, with nothing open before it.* A leader proposes one only when all that it has proposed is
   chosen, the no-op that opens its leadership included. So of all slots that are not chosen yet, at most one can turn
   out to hold a change: there are never two steps between what any two nodes take for the members of an open slot.
3. *Nothing behind it until it is chosen* (the fence). Then the leader takes a new ballot among the new members: a
   ballot belongs to one set of members, and so do its Phase 1, its quorums, its lease and its reads.

Why rule 1 is needed although there is rule 3: slots are chosen out of order. A leader may get slot 9 chosen by the old
members while slot 8 is still open, then fall; if its successor finds in slot 8 a change that an earlier leader had
proposed and could not get chosen, it must propose it again. Slot 9 belongs to the new members then, and what was chosen
there by a majority of the old ones must be found by any majority of the new ones.

A candidate that finds a change among the open slots leads only up to it, gets it chosen, and takes a new ballot behind
it like any leader. Raft has the same rules for a log without gaps (Ongaro, *Consensus: Bridging Theory and Practice*,
2014, section 4.1; that a leader must first have committed an entry of its own term was missing there, and was published
as a bug in 2015). Changing the members by a command of the state machine is Lamport's (*Paxos Made Simple*, section 3),
who lets it take effect a fixed number of slots later instead of fencing it.

A node that is no member accepts, learns and answers like any other, for who counts votes looks at who gave them; but it
never asks to lead. That is what a node does that waits to be added (``joins``), and one that was removed. A removed
node that does not know it yet asks the others whether the leader is lost, is told no and how far the log has come, and
learns there that it is none of them any more.

The members that a cluster began with stand in its nodes' configuration, and in the first record of their logs: from
then on the log alone says who the members are, whatever the file says.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from node.paxos.config import Config
from node.paxos.messages import Value

MEMBERS_MAX = 31
MARK = b"\xc1"
"""The first byte of a command that changes the members: no MessagePack begins with it, so no other command does."""


class Member(NamedTuple):
    """A node, and where it listens (``host:port``; "" for where its peers' configuration says)."""

    node: int
    address: str = ""


class MembershipError(ValueError):
    """A change that cannot be made; the message says why."""


class Change(msgspec.Struct, frozen=True, array_like=True):
    """The ``version``-th change of the members: who they are from then on."""

    version: int
    members: tuple[Member, ...]

    def __str__(self) -> str:
        return "members " + ", ".join(f"n{member.node}" for member in self.members)


class Membership(msgspec.Struct, frozen=True, array_like=True):
    """The members after ``version`` changes, by node id."""

    version: int
    members: tuple[Member, ...]

    @property
    def nodes(self) -> tuple[int, ...]:
        """The members' ids, in order."""
        return tuple(member.node for member in self.members)

    @property
    def majority(self) -> int:
        """How many of them make a quorum."""
        return len(self.members) // 2 + 1

    def has(self, node: int, address: str = "") -> bool:
        """Say whether a node is a member, at that address if one is said."""
        return any(one.node == node and address in ("", one.address) for one in self.members)

    def others(self, me: int) -> tuple[int, ...]:
        """Return the members but one."""
        return tuple(node for node in self.nodes if node != me)

    def with_added(self, member: Member) -> Change:
        """Return the change that adds a node. Raises MembershipError."""
        if member.node < 1:
            raise MembershipError(f"node ids start at 1, not at {member.node}")
        if member.node in self.nodes:
            raise MembershipError(f"node {member.node} is a member already, elsewhere: remove it first")
        if len(self.members) >= MEMBERS_MAX:
            raise MembershipError(f"there are {len(self.members)} members, and no more than {MEMBERS_MAX} may be")
        return Change(self.version + 1, tuple(sorted((*self.members, member))))

    def without(self, node: int) -> Change:
        """Return the change that removes a node. Raises MembershipError."""
        if node not in self.nodes:
            raise MembershipError(f"node {node} is no member")
        if len(self.members) == 1:
            raise MembershipError(f"node {node} is the last member")
        return Change(self.version + 1, tuple(member for member in self.members if member.node != node))

    def after(self, change: Change) -> Membership:
        """Return the members after a change that was chosen; one that another has come before changes nothing."""
        if change.version != self.version + 1:
            return self
        return Membership(change.version, change.members)


NOBODY = Membership(0, ())
"""Nobody is known to be a member: for whoever applies a log and does not care."""


def founding(config: Config, founders: tuple[int, ...] = ()) -> Membership:
    """Return the members that a cluster began with: ``founders`` if the log names them, else the configuration's."""
    return Membership(0, tuple(Member(node) for node in founders or config.founders))


def is_change(value: Value) -> bool:
    """Say whether a slot's value changes the members: a change is always alone in its slot."""
    return len(value) == 1 and value[0][:1] == MARK


def encode_change(change: Change) -> bytes:
    """Return a change as a command."""
    return MARK + msgspec.msgpack.encode(change)


def decode_change(command: bytes) -> Change:
    """Return a command's change. Raises msgspec.DecodeError."""
    return msgspec.msgpack.decode(memoryview(command)[1:], type=Change)
