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
from node.assembly import Assembly
from node.options import ServerConfig, election_stream
from node.paxos.counters import Counters
from node.paxos.effects import HandOver, Receive, Tick
from node.paxos.messages import Message
from node.replica import ClientRequest, Durable, Output, ReplicaEvent, SnapshotDurable
from node.storage.disk import PosixDisk, lock_folder
from node.transport import Inbound, InboundHost, PeerLink

log = logging.getLogger("antipaxos.node")

CLIENTS_MAX = 1_024
STRANGERS_MAX = 64
HELLO_TIMEOUT_S = 2.0
LAST_WORD_S = 0.005
"""What a leader says last, before it stops, has so long to get from its queues to the kernel."""
EXIT_UNTRUSTWORTHY = 70
"""Exit status of a node that cannot trust its memory any more (EX_SOFTWARE)."""


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
        disk = PosixDisk(config.data, direct=bool(config.log_direct))
        if disk.refusal is not None:
            log.warning("the file system refuses O_DIRECT, the log goes through the page cache: %s", disk.refusal)
        elif config.log_direct:
            log.info("the log is written with O_DIRECT")
        journal = assembly.journal(disk, self._me, config.log_segment_bytes, config.log_zero_ahead_bytes)
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
        self._links: dict[int, PeerLink] = {}
        self._clients: dict[int, Inbound] = {}
        self._strangers: dict[Inbound, asyncio.TimerHandle] = {}
        self._clients_seen = 0
        self._timer: asyncio.TimerHandle | None = None
        self._stopping = asyncio.Event()
        self._left = asyncio.Event()
        self._stopped = False
        self._leading: tuple[str, int | None] = ("follower", None)

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT, then stop cleanly."""
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self._stopping.set)
        host, port = self._config.addresses[self._me]
        listener = await self._loop.create_server(lambda: Inbound(self), host, port, reuse_address=True)
        self._committer.start()
        hello = wire.PeerHello(wire.PROTOCOL, self._config.cluster, self._me, self._replica.incarnation)
        for peer in self._config.core.peers:
            self._links[peer] = PeerLink(self._config.addresses[peer], hello, self._shed)
        log.info("listening on %s:%d, members %s", host, port, list(self._config.core.members))
        self._step(Tick())
        await self._stopping.wait()
        listener.close()
        await self._hand_over()
        self._stop()

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
            self._links[send.to].outbox.put(wire.encode(send.message))
        for client, reply in output.replies:
            connection = self._clients.get(client)
            if connection is not None:
                connection.outbox.put(wire.encode(reply))
        if output.wake_at:
            self._wake(now, output.wake_at)
        if self._stopping.is_set() and not self._replica.paxos.hands_over:
            self._left.set()
        self._tell_leadership()

    def _wake(self, now: int, at: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(max(0, at - now) / 1e9, self._step, Tick())

    def _tell_leadership(self) -> None:
        paxos = self._replica.paxos
        leading = (paxos.role, paxos.leader_hint)
        if leading != self._leading:
            self._leading = leading
            log.info("%s in ballot %s, leader %s", paxos.role, paxos.ballot, paxos.leader_hint or "unknown")

    # -- the log's thread ---------------------------------------------------------------------------------------------

    def _from_thread_durable(self, upto: int) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits for the answer any more
            self._loop.call_soon_threadsafe(self._durable, upto)

    def _durable(self, upto: int) -> None:
        if not self._stopped:
            self._step(Durable(upto))

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
        if len(self._strangers) >= STRANGERS_MAX:
            self.refused(connection, "too many connections without a hello")
            connection.close()
            return
        self._strangers[connection] = self._loop.call_later(HELLO_TIMEOUT_S, self._silent, connection)

    def _silent(self, connection: Inbound) -> None:
        self.refused(connection, f"no hello within {HELLO_TIMEOUT_S:g} s")
        connection.close()

    def introduced(self, connection: Inbound) -> None:
        """A stranger no more."""
        handle = self._strangers.pop(connection, None)
        if handle is not None:
            handle.cancel()

    def check(self, hello: wire.Hello) -> None:
        """Turn away other clusters and nodes that are no members."""
        if hello.cluster != self._config.cluster:
            raise wire.FrameError(f"is of cluster {hello.cluster!r}, not of {self._config.cluster!r}")
        if isinstance(hello, wire.PeerHello) and hello.node not in self._config.core.peers:
            raise wire.FrameError(f"says it is node {hello.node}, which is no peer here")

    def admit(self, connection: Inbound) -> int:
        """Number a client."""
        if len(self._clients) >= CLIENTS_MAX:
            raise wire.FrameError(f"one client more than the {CLIENTS_MAX} that are served at once")
        self._clients_seen += 1
        self._clients[self._clients_seen] = connection
        return self._clients_seen

    def on_message(self, peer: wire.PeerHello, message: Message) -> None:
        """Hand a peer's message to the replica."""
        self._step(Receive(peer.node, peer.incarnation, message))

    def on_request(self, client: int, request: wire.Request) -> None:
        """Hand a client's request to the replica."""
        self._step(ClientRequest(client, request))

    def refused(self, connection: Inbound, why: str) -> None:
        """Log who was cut off and why."""
        self._counters.frames_refused += 1
        log.warning("cut off %s: %s", connection.remote, why)

    def closed(self, connection: Inbound) -> None:
        """Forget a connection."""
        self.introduced(connection)
        self._clients.pop(connection.client, None)

    def _shed(self) -> None:
        self._counters.messages_shed += 1
