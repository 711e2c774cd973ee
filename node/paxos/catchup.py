"""How a node learns what others know to be chosen, and how it tells them: slot by slot, or by a snapshot.

Whoever lags asks (``Fetch``), one question at a time: ``fetch_soon`` is called by all that hear of slots which are
chosen and not known here, and it asks again only after ``retry_ms``. Who is asked sends the slots, or a part of its
snapshot where it has truncated them (``node.paxos.snapshot`` has the rules that keep that safe).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.paxos.ballot import Ballot
from node.paxos.config import MS
from node.paxos.log import SafetyError
from node.paxos.messages import Chosen, Fetch, SnapshotPart, Truncated
from node.paxos.snapshot import SNAPSHOT_BYTES_MAX, Download, Snapshot

if TYPE_CHECKING:
    from node.paxos.core import Paxos

LENT_RETRIES = 10
"""For how many times ``retry_ms`` after its last part was asked for an old snapshot is kept for whoever fetches it."""


class CatchUp:
    """The learner that lags, and the help it gets; times are ns on the node's own clock."""

    def __init__(self, core: Paxos, snapshot: Snapshot | None) -> None:
        self._core = core
        self.snapshot = snapshot
        """The last durable one: what a node gets that asks for truncated slots. It stays in memory, because the loop
        must not wait for a file; that is once more the room that the state takes."""
        self._fetch_again_at = 0
        self._download: Download | None = None
        self._installing = False
        """True while a snapshot of another node's is on its way to the disk."""
        self._lent: Snapshot | None = None
        self._lent_until = 0

    def learn_prefix(self, now: int, sender: int, ballot: Ballot, chosen_upto: int) -> None:
        """A leader says how far the log is chosen: mark what it has told before, ask for the rest."""
        self._core.acceptor.choose_prefix(ballot, chosen_upto)
        if self._core.log.chosen_upto < chosen_upto:
            self.fetch_soon(now, sender)

    def fetch_soon(self, now: int, sender: int) -> None:
        """Ask a node that knows more, unless somebody was asked a moment ago."""
        if now >= self._fetch_again_at:
            self.fetch(now, sender)

    def fetch(self, now: int, sender: int) -> None:
        """Ask for the next slots, or for the next part of a snapshot."""
        core = self._core
        core.counters.fetches_sent += 1
        self._fetch_again_at = now + core.config.retry_ms * MS
        if self._installing:
            return
        download = self._download
        if download is None or download.slot <= core.log.chosen_upto:  # overtaken by what was learnt slot by slot
            self._download = None
            core.send(sender, Fetch(core.log.chosen_upto + 1))
            return
        core.counters.snapshot_downloads_resumed += download.ask()
        core.send(sender, Fetch(core.log.chosen_upto + 1, download.slot, download.crc, download.offset))

    def on_fetch(self, now: int, sender: int, message: Fetch) -> None:
        """Answer a node that lags behind; who knows no more has no answer."""
        core = self._core
        if message.from_slot <= core.log.truncated_upto:
            self._send_part(now, sender, message)
            return
        entries = core.log.chosen_from(message.from_slot, core.config.fetch_bytes_max)
        if entries:
            core.send(sender, Chosen(entries, core.log.chosen_upto))

    def on_chosen(self, now: int, sender: int, message: Chosen) -> None:
        """Learn slots, and ask for the next ones."""
        core = self._core
        if core.backlog.full:
            core.counters.messages_held_back += 1
            return
        known = core.log.chosen_upto
        for slot, ballot, value in message.entries:
            core.acceptor.learn(slot, ballot, value, core.effects)
        core.see(core.acceptor.promised)
        core.yield_to(now, core.acceptor.promised)
        if known < core.log.chosen_upto < message.chosen_upto:  # a doubled answer brings nothing, and asks for nothing
            self.fetch(now, sender)
        core.caught_up(now)

    def on_truncated(self, now: int, sender: int, message: Truncated) -> None:
        """What this node wants accepted was chosen so long ago that the sender has forgotten it: learn it."""
        if message.upto > self._core.log.chosen_upto:
            self.fetch_soon(now, sender)

    def _send_part(self, now: int, to: int, asked: Fetch) -> None:
        """Send the part of a snapshot that is asked for, or the first one if that snapshot is not here.

        The snapshot that somebody is fetching is kept beside a newer one: else a follower that takes longer over one
        than the next takes to come would begin for ever.
        """
        core = self._core
        named = (asked.snapshot_slot, asked.snapshot_crc)
        snapshot = self.snapshot
        assert snapshot is not None, "slots are truncated, but there is no snapshot of them"
        lent = self._lent
        if lent is not None and named == (lent.slot, lent.crc) and lent.slot >= asked.from_slot:
            snapshot = lent
        offset = asked.offset if named == (snapshot.slot, snapshot.crc) else 0
        self._lent, self._lent_until = snapshot, now + LENT_RETRIES * core.config.retry_ms * MS
        data = snapshot.state[offset : offset + core.config.snapshot_part_bytes]
        core.counters.snapshot_parts_sent += 1
        core.send(to, SnapshotPart(snapshot.slot, snapshot.ballot, len(snapshot.state), snapshot.crc, offset, data))

    def on_snapshot_part(self, now: int, sender: int, message: SnapshotPart) -> None:
        """Take a part in and ask for the next; hand the whole out, to be made durable before it counts."""
        core = self._core
        if message.slot <= core.log.chosen_upto or self._installing:
            return
        download = self._download
        if download is None or not download.is_of(message.slot, message.size, message.crc):
            if download is not None and message.slot < download.slot and not download.stalled:
                return  # late
            if message.size > SNAPSHOT_BYTES_MAX:
                core.counters.snapshots_refused += 1
                return
            download = self._download = Download(message.slot, message.ballot, message.size, message.crc)
        if not download.add(message.offset, message.data):
            return
        if not download.whole:
            self.fetch(now, sender)
            return
        self._download = None
        core.effects.install = download.snapshot()
        self._installing = core.effects.install is not None
        core.counters.snapshots_refused += core.effects.install is None

    def refuse_install(self) -> None:
        """What came over checks out, but is no state: fetch it anew."""
        self._installing = False
        self._core.counters.snapshots_refused += 1

    def on_saved(self, now: int, snapshot: Snapshot) -> None:
        """A snapshot is durable: it may stand for the log up to its slot."""
        core = self._core
        self._installing = False
        before = self.snapshot.slot if self.snapshot is not None else 0
        if snapshot.slot <= before:
            return
        self.snapshot = snapshot
        if snapshot.slot > core.log.chosen_upto:
            self._install(now, snapshot)
        truncated = core.log.truncated_upto
        if now >= self._lent_until:
            self._lent = None
        core.log.truncate(max(before, snapshot.slot - core.config.snapshot_tail_slots, truncated))
        core.counters.slots_truncated += core.log.truncated_upto - truncated

    def _install(self, now: int, snapshot: Snapshot) -> None:
        core = self._core
        core.counters.snapshots_installed += 1
        core.acceptor.install(snapshot)
        core.handed_out = snapshot.slot
        core.see(snapshot.ballot)
        core.yield_to(now, snapshot.ballot)
        if core.leader is not None and snapshot.slot >= core.leader.next_slot:
            raise SafetyError(
                f"slot {snapshot.slot} was chosen in {snapshot.ballot} or before, but the leader in "
                f"{core.leader.ballot} has not come further than slot {core.leader.next_slot - 1}"
            )
        core.caught_up(now)
