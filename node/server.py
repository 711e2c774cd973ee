"""The asyncio shell around one replica: sockets, the log's thread, the timer, and nothing of the protocol.

Every event, wherever it comes from, goes through ``_step``, which asks the replica and carries out what it says. The
loop never waits for the disk: the committer's thread does, and tells the loop. Whatever makes the node's memory
untrustworthy (a failed sync, a broken invariant) ends the process at once, without another word to anybody.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import time
from typing import NoReturn

from node import wire
from node.addresses import parse_address
from node.admission import Admission
from node.assembly import Assembly
from node.options import ServerConfig, election_stream
from node.paxos.counters import Counters
from node.paxos.effects import HandOver, Receive, Tick
from node.paxos.membership import Member, Membership
from node.paxos.messages import Message
from node.replica import Apply, Burst, ClientRequest, Durable, Output, ReplicaEvent, RunAhead, SnapshotDurable
from node.storage.announced import AnnouncedDisk, SyncWatch
from node.storage.disk import PosixDisk, lock_folder
from node.transport import Inbound, InboundHost, Mail, PeerLink

log = logging.getLogger("antipaxos.node")

WARNINGS_PER_SECOND = 10
"""Lines about misbehaving connections that are written a second; the others are counted."""
LAST_WORD_S = 0.005
"""What a leader says last, before it stops, has so long to get from its queues to the kernel."""
FAREWELL_S = 30.0
"""So long a node that was removed is still talked to."""
EXIT_UNTRUSTWORTHY = 70
"""Exit status of a node that cannot trust its memory any more (EX_SOFTWARE)."""


class Sparing:
    """Lets a few lines a second through and counts the others, so that nobody can fill a disk with a node's log."""

    def __init__(self, per_second: int) -> None:
        self._per_second = per_second
        self._second = 0
        self._passed = 0
        self._left_out = 0

    def passes(self, now_s: float) -> int | None:
        """Return how many were left out since the last one, if this one may pass; else None."""
        if int(now_s) != self._second:
            self._second, self._passed = int(now_s), 0
        if self._passed >= self._per_second:
            self._left_out += 1
            return None
        self._passed += 1
        left_out, self._left_out = self._left_out, 0
        return left_out


class Server(InboundHost):
    """One running node."""

    def __init__(self, config: ServerConfig, assembly: Assembly) -> None:
        """Recover from the data folder. Raises CorruptLogError, LogFailedError, StateError, OSError."""
        self._config = config
        self._me = config.core.me
        self._loop = asyncio.get_running_loop()
        self._counters = Counters()
        PosixDisk(config.data, create=True)
        self._lock = lock_folder(config.data)
        disk = assembly.disk(config.data, direct=bool(config.log_direct))
        if isinstance(disk, PosixDisk) and disk.refusal is not None:
            log.warning("the file system refuses O_DIRECT, the log goes through the page cache: %s", disk.refusal)
        elif config.log_direct:
            log.info("the log is written with O_DIRECT")
        self._ahead_wanted = False
        self._syncs = SyncWatch(self._from_thread_syncs)
        if config.core.speculative:
            disk = AnnouncedDisk(disk, self._syncs)
        journal = assembly.journal(
            disk, self._me, config.log_segment_bytes, config.log_zero_ahead_bytes, config.core.founders
        )
        remembered = journal.remembered
        statistics = journal.statistics
        self._counters.torn_tails_cut += bool(statistics.torn_bytes)
        log.info(
            "recovered: incarnation %d, snapshot of slot %d, %d records in %d segments, chosen up to %d, promised %s, "
            "cut %d torn bytes",
            remembered.incarnation,
            remembered.snapshot.slot if remembered.snapshot is not None else 0,
            statistics.records,
            statistics.segments,
            remembered.log.chosen_upto,
            remembered.promised,
            statistics.torn_bytes,
        )
        rng = election_stream(config.seed, self._me, remembered.incarnation)
        self._replica = assembly.replica(
            config.core, remembered, rng, time.monotonic_ns(), self._counters, assembly.core
        )
        assembly.equip(self._replica, time.time_ns)
        self._committer = assembly.committer(
            journal, self._from_thread_durable, self._from_thread_failed, self._from_thread_saved
        )
        self._limits = config.limits
        self._admission = Admission(config.limits, self._counters)
        self._replica.wal = self._committer.use
        self._replica.clients = self._admission.__len__
        self._links: dict[int, PeerLink] = {}
        self._peers: dict[int, Inbound] = {}
        self._clients: dict[int, Inbound] = {}
        self._strangers: dict[Inbound, asyncio.TimerHandle] = {}
        self._warnings = Sparing(WARNINGS_PER_SECOND)
        self._timer: asyncio.TimerHandle | None = None
        self._rings_at = 0
        self._wake_at = 0
        self._burst: list[ClientRequest] = []
        self._asked_before = 0
        self._mail = Mail(self._loop)
        self._encoded: tuple[Message | None, bytes] = (None, b"")
        self._durable_upto = 0
        self._durable_due = False
        self._apply_due = False
        self._stopping = asyncio.Event()
        self._left = asyncio.Event()
        self._stopped = False
        self._leading: tuple[str, int | None] = ("follower", None)

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT, then stop cleanly."""
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self._stopping.set)
        host, port = self._config.addresses[self._me]
        listener = await self._loop.create_server(
            lambda: Inbound(self, self._mail, self._limits.client_outbox_bytes_max), host, port, reuse_address=True
        )
        self._committer.start(time.monotonic_ns)
        membership = self._replica.paxos.membership
        for peer in self._config.core.members:  # who is no member yet, or no more, may have to be told so
            self._connect(Member(peer))
        self._connect_all(membership)
        log.info("listening on %s:%d, members %s, data in %s", host, port, list(membership.nodes), self._config.data)
        if membership.version == 0 and membership.nodes != self._config.core.founders:
            log.warning("the configuration says members %s, the log knows better", list(self._config.core.founders))
        self._step(Tick())
        await self._stopping.wait()
        listener.close()
        await self._hand_over()
        self._stop()

    def _connect_all(self, membership: Membership) -> None:
        """Have a link to every member. A node that was removed is talked to for a while: it may not know it yet."""
        for member in membership.members:
            self._connect(member)
        for node in self._links.keys() - set(membership.nodes):
            self._loop.call_later(FAREWELL_S, self._disconnect, node)

    def _connect(self, member: Member) -> None:
        """Dial a node, unless it is this one, or is dialled there already."""
        node = member.node
        if member.address:
            address = parse_address(member.address, f"node {node} was added at {member.address!r}")
        elif node in self._config.addresses:
            address = self._config.addresses[node]
        else:
            log.warning("node %d is a member, but nobody has said where it listens", node)
            return
        link = self._links.get(node)
        if node == self._me or (link is not None and link.address == address):
            return
        if link is not None:
            link.close()
        hello = wire.PeerHello(wire.PROTOCOL, self._config.cluster, self._me, self._replica.incarnation)
        outbox_max = self._limits.peer_outbox_bytes_max
        self._links[node] = PeerLink(address, hello, self._mail, outbox_max, self._shed)

    def _disconnect(self, node: int) -> None:
        """Drop the link to a node that was removed, unless it was added again."""
        if node not in self._replica.paxos.voters and node in self._links:
            self._links.pop(node).close()

    async def _hand_over(self) -> None:
        """Leave the leadership to another node, if there is one that is ready for it in a short time."""
        if self._replica.paxos.leader is None:
            return
        self._step(HandOver(None))
        await self._left.wait()
        await asyncio.sleep(LAST_WORD_S)

    def _stop(self) -> None:
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
        for link in self._links.values():
            link.close()
        for connection in (*self._clients.values(), *self._strangers):
            connection.close()
        self._committer.submit(self._replica.stop())
        self._committer.stop()
        log.info("stopped cleanly")

    # -- the one way in -----------------------------------------------------------------------------------------------

    def _step(self, event: ReplicaEvent) -> None:
        if self._stopped:  # the last record is written: what comes in behind it, in the same turn, was never heard
            return
        now = time.monotonic_ns()
        try:
            output = self._replica.step(now, event)
        except Exception as error:  # noqa: BLE001 - half a step was taken: nothing of this memory can be trusted
            self._die(error)
        self._carry_out(now, output)

    def _carry_out(self, now: int, output: Output) -> None:
        if output.persist:
            self._committer.submit(output.persist)
        if output.snapshot is not None:
            self._committer.save(output.snapshot)
        for send in output.sends:
            link = self._links.get(send.to)
            if link is not None:
                link.outbox.put(self._frame(send.message))
        if output.membership is not None:
            log.info("members %s from now on", list(output.membership.nodes))
            self._connect_all(output.membership)
        for client, reply in output.replies:
            connection = self._clients.get(client)
            if connection is not None:
                self._admission.answered(client)
                connection.outbox.put(wire.encode_reply(reply))
        if output.wake_at and (output.wake_at != self._wake_at or self._timer is None):
            self._wake(now, output.wake_at)
        if output.chosen and not self._apply_due:
            self._apply_due = True
            self._loop.call_soon(self._apply_next)
        if output.ahead and not self._ahead_wanted:
            self._ahead_wanted = True
            if self._syncs.under_way:  # if one begins just now, both will call: once is enough
                self._loop.call_soon(self._run_ahead)
        paxos = self._replica.paxos
        if self._stopping.is_set() and not paxos.hands_over:
            self._left.set()
        if paxos.leader_hint != self._leading[1] or paxos.role != self._leading[0]:
            self._tell_leadership()

    def _apply_next(self) -> None:
        """Apply in the next turn: what was to be sent in this one is written at its end."""
        self._mail.send()
        self._loop.call_soon(self._apply)

    def _apply(self) -> None:
        self._apply_due = False
        self._step(Apply())
        self._mail.send()

    def _frame(self, message: Message) -> bytes:
        """Return a message's frame; one that goes to everybody is encoded once."""
        known, frame = self._encoded
        if message is not known:
            frame = wire.encode(message)
            self._encoded = (message, frame)
        return frame

    def _wake(self, now: int, at: int) -> None:
        """Wake the replica at a time. Most wake-ups are put off before they come: a timer that is set may stay."""
        self._wake_at = at
        if self._timer is not None:
            if at >= self._rings_at:
                return
            self._timer.cancel()
        self._rings_at = at
        self._timer = self._loop.call_later(max(0, at - now) / 1e9, self._ring)

    def _ring(self) -> None:
        self._timer = None
        now = time.monotonic_ns()
        if now < self._wake_at:
            self._wake(now, self._wake_at)
        else:
            self._step(Tick())

    def _from_thread_syncs(self) -> None:
        """The disk is at work: there is time to compute something ahead."""
        if self._ahead_wanted:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._run_ahead)

    def _run_ahead(self) -> None:
        """Compute one slot's results ahead: in a turn of its own, when what was to be sent has been handed over."""
        if self._ahead_wanted:
            self._ahead_wanted = False
            self._step(RunAhead())

    def _tell_leadership(self) -> None:
        paxos = self._replica.paxos
        leading = (paxos.role, paxos.leader_hint)
        if leading != self._leading:
            self._leading = leading
            log.info("%s in ballot %s, leader %s", paxos.role, paxos.ballot, paxos.leader_hint or "unknown")

    # -- the log's thread ---------------------------------------------------------------------------------------------

    def _from_thread_durable(self, upto: int) -> None:
        """Tell the loop; if it has not come round since it was told last, once is enough."""
        self._durable_upto = max(self._durable_upto, upto)
        if self._durable_due:
            return
        self._durable_due = True
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits for the answer any more
            self._loop.call_soon_threadsafe(self._durable)

    def _durable(self) -> None:
        self._durable_due = False  # before the number is read: whoever sets it afterwards tells again
        self._step(Durable(self._durable_upto))
        self._mail.send()

    def _from_thread_saved(self, segments: int) -> None:
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._saved, segments)

    def _saved(self, segments: int) -> None:
        self._counters.segments_removed += segments
        self._counters.segments_recycled = self._committer.segments_recycled
        if not self._stopping.is_set():
            self._step(SnapshotDurable())
            snapshot = self._replica.paxos.snapshot
            if snapshot is not None:
                log.info(
                    "snapshot of slot %d is durable, %d bytes; %d segments of the log went for it",
                    snapshot.slot,
                    len(snapshot.state),
                    segments,
                )

    def _from_thread_failed(self, error: BaseException) -> None:
        self._die(error)

    def _die(self, error: BaseException) -> NoReturn:
        log.critical("stopping at once, memory cannot be trusted: %s: %s", type(error).__name__, error)
        logging.shutdown()
        os._exit(EXIT_UNTRUSTWORTHY)

    # -- connections --------------------------------------------------------------------------------------------------

    def opened(self, connection: Inbound) -> None:
        """Give a stranger a moment to say who it is."""
        if len(self._strangers) >= self._limits.strangers_max:
            self.refused(connection, "too many connections without a hello")
            connection.close()
            return
        self._strangers[connection] = self._loop.call_later(
            self._limits.hello_timeout_ms / 1e3, self._silent, connection
        )

    def _silent(self, connection: Inbound) -> None:
        self.refused(connection, f"no hello within {self._limits.hello_timeout_ms / 1e3:g} s")
        connection.close()

    def introduced(self, connection: Inbound) -> None:
        """A stranger no more."""
        handle = self._strangers.pop(connection, None)
        if handle is not None:
            handle.cancel()
        if connection.peer is not None:
            self._only_one(connection.peer.node, connection)

    def _only_one(self, peer: int, connection: Inbound) -> None:
        """A peer that dials anew has given its earlier connection up, whether or not this end has noticed."""
        earlier = self._peers.get(peer)
        self._peers[peer] = connection
        if earlier is not None and earlier is not connection:
            earlier.close()

    def check(self, hello: wire.Hello) -> None:
        """Turn away other clusters and nodes that are no members."""
        if hello.cluster != self._config.cluster:
            raise wire.FrameError(f"is of cluster {hello.cluster!r}, not of {self._config.cluster!r}")
        if isinstance(hello, wire.PeerHello) and hello.node not in self._links:
            raise wire.FrameError(f"says it is node {hello.node}, which is no peer here")

    def admit(self, connection: Inbound) -> int | None:
        """Number a client; turn it away if there are too many."""
        client = self._admission.enter()
        if client is None:
            self._warn(connection, "one client more than are served at once")
            connection.turn_away(self._admission.turned_away)
            return None
        self._clients[client] = connection
        return client

    def on_message(self, peer: wire.PeerHello, message: Message) -> None:
        """Hand a peer's message to the replica."""
        self._step(Receive(peer.node, peer.incarnation, message))

    def on_request(self, client: int, request: wire.Request) -> None:
        """Hand a client's request to the replica, unless the client has asked for too much at once."""
        refusal = self._admission.ask(client)
        if refusal is None:
            if not self._burst:
                self._loop.call_soon(self._take_burst)
            self._burst.append(ClientRequest(client, request))
        else:
            self._clients[client].outbox.put(wire.encode(wire.Reply(request.number, refusal)))

    def _take_burst(self) -> None:
        """Hand over all that was asked, once a turn of the loop has brought no more of it.

        Clients that were answered together ask again within microseconds of each other. If the first of them were
        proposed alone, all the others would wait until its round is over.
        """
        asked, asked_before = len(self._burst), self._asked_before
        if asked_before < asked < min(len(self._clients), self._config.core.batch_commands_max):
            self._asked_before = asked
            self._loop.call_soon(self._take_burst)
            return
        self._asked_before = 0
        burst, self._burst = self._burst, []
        self._step(Burst(burst))
        self._mail.send()

    def refused(self, connection: Inbound, why: str) -> None:
        """Log who was cut off and why."""
        self._counters.frames_refused += 1
        self._warn(connection, why)

    def paused(self, connection: Inbound) -> None:
        """Count a client that is not read from until it reads."""
        self._counters.clients_paused += 1

    def too_slow(self, connection: Inbound) -> None:
        """Count and log a client that never reads."""
        self._counters.clients_too_slow += 1
        self._warn(connection, "does not read its replies")

    def _warn(self, connection: Inbound, why: str) -> None:
        left_out = self._warnings.passes(self._loop.time())
        if left_out is not None:
            more = f" ({left_out} more such lines were left out before)" if left_out else ""
            log.warning("cut off %s: %s%s", connection.remote, why, more)

    def closed(self, connection: Inbound) -> None:
        """Forget a connection."""
        handle = self._strangers.pop(connection, None)
        if handle is not None:
            handle.cancel()
        if connection.peer is not None and self._peers.get(connection.peer.node) is connection:
            del self._peers[connection.peer.node]
        if self._clients.pop(connection.client, None) is not None:
            self._admission.leave(connection.client)

    def _shed(self) -> None:
        self._counters.messages_shed += 1
