"""The leader: Phase 2 for a stream of commands.

- *Batching*: as many waiting commands as fit go into one Accept.
- *Window*: several Accepts may be in flight. Beside others a full batch goes at once; a smaller one only if it is worth
  a round, and half a usual round after the last. So clients that ask together share a round, which costs every node
  the same work for one command as for a hundred; and the next round is at the disks before the one that they are at
  is over, however long their syncs take.
- *Acknowledgements* are counted per slot and per acceptor, in this ballot only; the leader's own vote arrives like
  everybody else's, after its fsync.
- *Slots chosen by predecessors* are proposed again in this ballot, and a no-op closes the leadership's opening: reads
  are served only when it is chosen, because only then everything chosen before is known (``read_floor``).
- *Changing the members*: asked to, a leader lets what is open be chosen, proposes the change, and nothing behind it
  (``node.paxos.membership``).
- *Handing over*: asked to, a leader takes no more commands, waits until all that it proposed is chosen and its
  successor knows it, and resigns in the successor's favour. Until it resigns nothing is lost by giving that up again.
"""

from __future__ import annotations

from collections import deque

import msgspec

from node.paxos.ballot import Ballot
from node.paxos.config import MS, Config
from node.paxos.lease import Lease
from node.paxos.membership import Change, Membership
from node.paxos.messages import Lives, Value
from node.paxos.reads import ReadRounds

WORTH_PARTS = 16
"""A round beside others is worth its work if the batch is full to such a part."""
ROUND_PARTS = 2
"""A batch that is not full follows the one before it after one such part of a usual round."""
ROUNDS_REMEMBERED = 8
"""A usual round is an average with about so much memory."""


class Flight(msgspec.Struct, gc=False):
    """One slot between its Accept and its majority; ``first_sent_at`` and ``sent_at`` (the last time) in ns."""

    value: Value
    first_sent_at: int
    sent_at: int
    acks: set[int] = msgspec.field(default_factory=set)


class Handover:
    """A leadership that is to be handed over to ``to``, unless that is not ready by ``until`` (ns)."""

    __slots__ = ("beat", "ready", "to", "until")

    def __init__(self, to: int, until: int) -> None:
        self.to = to
        self.until = until
        self.beat: int | None = None
        """The beat that tells the successor that everything is chosen, once that is so."""
        self.ready = False
        """True once the successor has answered that beat or a later one, and knows as much."""

    def on_ack(self, sender: int, beat: int, *, knows_all: bool) -> None:
        """Take an acknowledgement of a beat."""
        if sender == self.to and self.beat is not None and beat >= self.beat and knows_all:
            self.ready = True


class Leader:
    """One leadership, in one ballot."""

    def __init__(self, config: Config, membership: Membership, ballot: Ballot, next_slot: int, now: int) -> None:
        self.config = config
        self.voters = frozenset(membership.nodes)
        self.majority = membership.majority
        self.ballot = ballot
        self.next_slot = next_slot
        self.read_floor = 0
        self.lives: Lives = ()
        """The lives that were noted by all who promised this ballot."""
        self.flights: dict[int, Flight] = {}
        self.reads = ReadRounds(self.majority, config.reads_max)
        self.lease = Lease(config, membership)
        self.beat = 0
        self.next_heartbeat = now
        self.quiet_until = now
        """Until then followers need no heartbeat: an Accept has told them that the leader is there."""
        self.since = now
        self.handover: Handover | None = None
        self.change: Change | None = None
        """A change of the members that is asked for, or under way: nothing else is proposed from then on."""
        self.change_slot = 0
        """Where it is proposed, once that is so."""
        peers = membership.others(config.me)
        self.known_upto: dict[int, int] = dict.fromkeys(peers, 0)
        """How far each follower was known to know its log chosen."""
        self.last_ack: dict[int, int] = dict.fromkeys(peers, now + config.election_spread_ms * MS)
        """When each follower was heard last; the first acknowledgement may take a round trip, so it has longer."""
        self._queue: deque[bytes] = deque()
        self._queue_bytes = 0
        self._launched_at = now
        self.round_ns = 0
        """How long a slot has taken of late from its Accept to its majority; 0 before the first."""

    # -- commands -----------------------------------------------------------------------------------------------------

    def enqueue(self, commands: tuple[bytes, ...]) -> None:
        """Take commands in; whether there is room was asked before (``has_room``)."""
        self._queue.extend(commands)
        self._queue_bytes += sum(map(len, commands))

    def has_room(self, commands: int) -> bool:
        """Say whether that many commands still fit the queue (the last one may go over its limit of bytes)."""
        config = self.config
        return len(self._queue) + commands <= config.queue_commands_max and self._queue_bytes < config.queue_bytes_max

    def next_batch(self, now: int) -> Value | None:
        """Take the next batch if the window is open, else None."""
        if not self._queue or self.fenced or not self.window_open(now):
            return None
        batch: list[bytes] = []
        size = 0
        while self._queue and len(batch) < self.config.batch_commands_max:
            following = len(self._queue[0])
            if batch and size + following > self.config.batch_bytes_max:
                break
            size += following
            batch.append(self._queue.popleft())
        self._queue_bytes -= size
        return tuple(batch)

    def window_open(self, now: int) -> bool:
        """Say whether one more Accept may go out now, with what waits."""
        in_flight, config = len(self.flights), self.config
        if not in_flight:
            return True
        if in_flight >= config.window_max:
            return False
        waiting = len(self._queue)
        if waiting >= config.batch_commands_max or self._queue_bytes >= config.batch_bytes_max:
            return True
        worth = waiting * WORTH_PARTS >= config.batch_commands_max
        return worth and (now - self._launched_at) * ROUND_PARTS >= self.round_ns > 0

    @property
    def fenced(self) -> bool:
        """True while no more commands may be proposed, because the members are being changed."""
        return self.change is not None

    def take_waiting(self) -> tuple[bytes, ...]:
        """Give up the commands that wait: another leadership of this node is to propose them."""
        waiting = tuple(self._queue)
        self._queue.clear()
        self._queue_bytes = 0
        return waiting

    # -- slots --------------------------------------------------------------------------------------------------------

    def launch(self, slot: int, value: Value, now: int) -> None:
        """A slot's Accept goes out."""
        self.flights[slot] = Flight(value, now, now)
        self._launched_at = now
        self.quiet_until = now + self.config.heartbeat_ms * MS
        self.next_slot = max(self.next_slot, slot + 1)

    def on_accepted(self, sender: int, ballot: Ballot, slot: int) -> bool:
        """Count an acknowledgement; True if it makes the slot chosen now."""
        flight = self.flights.get(slot)
        if flight is None or sender not in self.voters or not self.counts(ballot):
            return False
        self.vote(flight, sender)
        self.lease.renew(sender, flight.first_sent_at)
        return len(flight.acks) >= self.majority

    def counts(self, ballot: Ballot) -> bool:
        """Say whether an acknowledgement in ``ballot`` counts for this leadership."""
        return ballot == self.ballot

    def vote(self, flight: Flight, sender: int) -> None:
        """Count one acceptor once."""
        flight.acks.add(sender)

    def land(self, slot: int, now: int | None = None) -> None:
        """A slot is chosen: it is in flight no more. With ``now``, it is by a majority that has answered just now."""
        flight = self.flights.pop(slot, None)
        if flight is not None and now is not None:
            took = now - flight.first_sent_at
            self.round_ns += (took - self.round_ns) // ROUNDS_REMEMBERED if self.round_ns else took

    # -- handing over -------------------------------------------------------------------------------------------------

    @property
    def drained(self) -> bool:
        """True when nothing that was proposed waits for anything any more."""
        return not self.flights and not self._queue

    def successor(self, now: int, patience_ns: int) -> int | None:
        """Return the follower most fit to lead: of those heard lately, the one that knows most; None if there is none.

        One that was never heard is none, whatever time its first acknowledgement has.
        """
        heard = [peer for peer, at in self.last_ack.items() if 0 <= now - at <= patience_ns]
        return max(heard, key=lambda peer: (self.known_upto[peer], -peer), default=None)

    # -- liveness -----------------------------------------------------------------------------------------------------

    def heard_from(self, sender: int, now: int) -> None:
        """A follower has acknowledged something of this ballot."""
        if sender in self.last_ack:
            self.last_ack[sender] = now

    def has_quorum(self, now: int, patience_ns: int) -> bool:
        """Say whether a majority, this node included, was heard within the last ``patience_ns``."""
        heard = sum(1 for at in self.last_ack.values() if now - at <= patience_ns)
        return heard + 1 >= self.majority

    def overdue(self, now: int, patience_ns: int) -> list[tuple[int, Flight]]:
        """Return the flights whose Accept was sent too long ago, oldest slot first."""
        return [(slot, flight) for slot, flight in self.flights.items() if now - flight.sent_at >= patience_ns]
