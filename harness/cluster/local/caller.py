"""The asking side of a channel, in asyncio: numbered requests, their replies in any order.

Used by the controller towards the warden, and by the warden towards the switch. Apart from ``channel``, because the
warden has its network up before it ever imports asyncio.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket

from harness.cluster.local import channel
from harness.cluster.local.errors import LocalError
from harness.cluster.local.messages import Answer, Ask, Refused, Reply, Request


class Caller:
    """Sends requests to one peer, and hands each reply to whoever asked."""

    def __init__(self, end: socket.socket, peer: str) -> None:
        """Take over ``end``; ``peer`` is how error messages call the other side."""
        end.setblocking(False)
        self._end = end
        self._peer = peer
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[int, asyncio.Future[tuple[Reply, int | None]]] = {}
        self._slots = asyncio.Semaphore(channel.IN_FLIGHT_LIMIT)
        self._sending = asyncio.Lock()
        self._number = 0
        self._gone = ""
        self._loop.add_reader(end.fileno(), self._on_readable)

    async def ask(self, request: Request, limit_s: float) -> Reply:
        """Send a request and return its reply; LocalError if it was refused, or not answered within the limit."""
        reply, descriptor = await self.ask_for_descriptor(request, limit_s)
        if descriptor is not None:
            os.close(descriptor)
            raise LocalError(f"{self._peer} sent a descriptor where none belongs")
        return reply

    async def ask_for_descriptor(self, request: Request, limit_s: float) -> tuple[Reply, int | None]:
        """Like ``ask``, also returning the descriptor that came with the reply; the caller owns it."""
        async with self._slots:
            self._number += 1
            number = self._number
            data = channel.encode(Ask(number, request))
            future = self._loop.create_future()
            self._waiting[number] = future
            try:
                async with asyncio.timeout(limit_s):
                    await self._send(data)
                    reply, descriptor = await asyncio.shield(future)
            except TimeoutError as error:
                _discard(future)
                what = type(request).__name__
                raise LocalError(f"{self._peer} did not answer {what} within {limit_s:g} s") from error
            except BaseException:
                _discard(future)
                raise
            finally:
                self._waiting.pop(number, None)
        if isinstance(reply, Refused):
            raise LocalError(reply.reason)
        return reply, descriptor

    def close(self) -> None:
        """Let the other side see that this one is gone; whoever still waits is told. Idempotent."""
        self._fail(f"the connection to {self._peer} was closed")
        self._end.close()

    async def _send(self, data: bytes) -> None:
        if self._gone:
            raise LocalError(self._gone)
        async with self._sending:
            try:
                await self._loop.sock_sendall(self._end, data)
            except OSError as error:
                self._fail(f"{self._peer} is gone")
                raise LocalError(self._gone) from error

    def _on_readable(self) -> None:
        while not self._gone:
            try:
                packet = channel.receive(self._end)
            except BlockingIOError:
                return
            except OSError as error:
                self._fail(f"{self._peer} cannot be read: {error}")
                return
            if packet is None:
                self._fail(f"{self._peer} is gone")
                return
            self._deliver(packet)

    def _deliver(self, packet: channel.Packet) -> None:
        try:
            answer = channel.decode_answer(packet.data)
        except LocalError as error:
            self._fail(f"{self._peer} sent nonsense: {error}")
            answer = Answer(0, Refused(str(error)))
        future = self._waiting.get(answer.number)
        if future is not None and not future.done():
            future.set_result((answer.reply, packet.descriptor))
        elif packet.descriptor is not None:
            os.close(packet.descriptor)  # whoever asked for it has given up

    def _fail(self, reason: str) -> None:
        if self._gone:
            return
        self._gone = reason
        with contextlib.suppress(ValueError):
            self._loop.remove_reader(self._end.fileno())
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(LocalError(reason))


def _discard(future: asyncio.Future[tuple[Reply, int | None]]) -> None:
    """Forget a reply that nobody waits for any more, closing what it carried."""
    if not future.done():
        future.cancel()
    elif not future.cancelled() and future.exception() is None:
        descriptor = future.result()[1]
        if descriptor is not None:
            os.close(descriptor)
