"""A connection from the clients' machine to a node, as the controller holds it.

The warden made and connected the socket, on the clients' machine; here it is only read and written, which needs no
namespace at all.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct

READ_BYTES = 64 << 10
WRITE_LIMIT_BYTES = 16 << 20
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends a reset and forgets what was not sent


def abort(writer: asyncio.StreamWriter) -> None:
    """Close a connection with a reset; one that has ended meanwhile is closed."""
    with contextlib.suppress(OSError):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()


class LocalWire:
    """A byte stream on a connected socket; implements ``harness.cluster.base.Wire``."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def adopt(cls, descriptor: int) -> LocalWire:
        """Take over a connected socket."""
        connection = socket.socket(fileno=descriptor)
        try:
            connection.setblocking(False)
            reader, writer = await asyncio.open_connection(sock=connection)
        except BaseException:
            connection.close()
            raise
        return cls(reader, writer)

    def write(self, data: bytes) -> None:
        """Queue bytes; more than ``WRITE_LIMIT_BYTES`` that the node does not take breaks the stream."""
        transport = self._writer.transport
        if transport.is_closing():
            return
        if transport.get_write_buffer_size() + len(data) > WRITE_LIMIT_BYTES:
            transport.abort()
            return
        transport.write(data)

    async def read(self) -> bytes:
        """Return the next bytes, or ``b""`` once the stream is over (closed or reset)."""
        try:
            return await self._reader.read(READ_BYTES)
        except OSError:
            return b""

    def reset(self) -> bool:
        """Break the stream, so that both ends see it; False if it was over already."""
        if self._writer.transport.is_closing():
            return False
        abort(self._writer)
        return True

    def close(self) -> None:
        """Close at once, dropping what is still queued; closing twice is harmless."""
        self._writer.transport.abort()
