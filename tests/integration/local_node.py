"""A node for tests of the place, without any Paxos: it connects, says and reports what it heard, on command.

    python local_node.py <name> <host> <port>

A connection that opens with ``control`` takes commands, a line each, and answers each with one line; one that opens
with ``peer <key>`` is another node's, and everything that comes over it is kept under that key.

It also takes datagrams at its port: the numbers in them are kept in the order of their arrival; one that begins with
``ping`` is sent back.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import cast


class Node:
    def __init__(self, name: str) -> None:
        self.name = name
        self.writers: dict[str, asyncio.StreamWriter] = {}
        self.heard: dict[str, bytes] = {}
        self.echoing: set[str] = set()
        self.tasks: set[asyncio.Task[None]] = set()
        self.datagrams = Datagrams()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        role, _, key = (await reader.readline()).decode().strip().partition(" ")
        if role == "peer":
            self.writers[key] = writer
            await self.listen(key, reader)
            return
        while line := await reader.readline():
            words = line.decode().split()
            try:
                answer = await self.obey(words[0], words[1:])
            except (OSError, TimeoutError, KeyError) as error:
                answer = type(error).__name__
            writer.write(answer.encode() + b"\n")

    async def listen(self, key: str, reader: asyncio.StreamReader) -> None:
        self.heard.setdefault(key, b"")
        try:
            while data := await reader.read(65536):
                self.heard[key] += data
                if key in self.echoing:
                    self.writers[key].write(data)
            self.heard[key] += b"<end>"
        except OSError as error:
            self.heard[key] += f"<{type(error).__name__}>".encode()

    async def obey(self, verb: str, words: list[str]) -> str:
        if verb == "connect":
            return await self.connect(words[0], words[1], int(words[2]), float(words[3]))
        if verb == "fire":
            return await self.fire((words[0], int(words[1])), int(words[2]), float(words[3]))
        if verb == "ping":
            return await self.ping((words[0], int(words[1])), int(words[2]))
        if verb == "push":
            return await self.push(words[0], int(words[1]))
        return self.look(verb) or self.obey_at_once(verb, words)

    def look(self, verb: str) -> str:
        """Answer what asks for no more than a look at this process; "" if this does not."""
        match verb:
            case "network":
                return str(Path("/proc/self/ns/net").stat().st_ino)
            case "descriptors":
                return " ".join(str(entry.resolve()) for entry in Path("/proc/self/fd").iterdir())
            case "clocks":
                return f"{time.monotonic_ns()} {time.time_ns()}"
            case "environment":
                return " ".join(sorted(os.environ))
            case _:
                return ""

    def obey_at_once(self, verb: str, words: list[str]) -> str:
        match verb:
            case "say":
                self.writers[words[0]].write(words[1].encode())
                return "said"
            case "echo":
                self.echoing.add(words[0])
                return "echoing"
            case "close":
                self.writers[words[0]].close()
                return "closed"
            case "size":
                return str(len(self.heard.get(words[0], b"")))
            case "numbers":
                return "numbers " + ",".join(map(str, self.datagrams.numbers))
            case "forget":
                self.datagrams.numbers.clear()
                return "forgotten"
            case "heard":
                return "heard " + self.heard.get(words[0], b"").decode()
            case "child":
                return str(subprocess.Popen(("sleep", "600")).pid)
            case "orphan":
                # A grandchild whose parent is gone at once: nobody's child but the group's.
                script = "sleep 600 >&2 & echo $!"
                done = subprocess.run(("sh", "-c", script), stdout=subprocess.PIPE, check=True)
                return done.stdout.decode().strip()
            case "unacknowledged":
                connection = self.writers[words[0]].get_extra_info("socket")
                (waiting,) = struct.unpack("i", fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, bytes(4)))
                return str(waiting)
            case _:
                return f"unknown {verb}"

    async def fire(self, address: tuple[str, int], count: int, gap_s: float) -> str:
        """Send numbered datagrams, one every so often."""
        for number in range(count):
            self.datagrams.transport.sendto(b"%d" % number, address)
            await asyncio.sleep(gap_s)
        return "fired"

    async def ping(self, address: tuple[str, int], count: int) -> str:
        """Return the median of so many round trips of a datagram, in microseconds."""
        times = []
        for number in range(count):
            began = time.perf_counter_ns()
            self.datagrams.transport.sendto(b"ping %d" % number, address)
            async with asyncio.timeout(5):
                await self.datagrams.pongs.get()
            times.append(time.perf_counter_ns() - began)
        return str(sorted(times)[count // 2] // 1_000)

    async def push(self, key: str, size: int) -> str:
        """Write so many bytes over a connection."""
        writer = self.writers[key]
        for _ in range(size // 65536):
            writer.write(b"x" * 65536)
            await writer.drain()
        writer.write(b"x" * (size % 65536))
        return "pushed"

    async def connect(self, key: str, host: str, port: int, limit_s: float) -> str:
        async with asyncio.timeout(limit_s):
            reader, writer = await asyncio.open_connection(host, port)
        writer.write(f"peer {key}\n".encode())
        self.writers[key] = writer
        task = asyncio.create_task(self.listen(key, reader))
        self.tasks.add(task)
        return "connected"


class Datagrams(asyncio.DatagramProtocol):
    transport: asyncio.DatagramTransport

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.pongs: asyncio.Queue[bytes] = asyncio.Queue()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)  # Python 3.11's is one in all but the class

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        if data.startswith(b"ping"):
            self.transport.sendto(b"pong" + data[4:], address)
        elif data.startswith(b"pong"):
            self.pongs.put_nowait(data)
        else:
            self.numbers.append(int(data))


async def main(name: str, host: str, port: int) -> None:
    node = Node(name)
    server = await asyncio.start_server(node.accept, host, port)
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(lambda: node.datagrams, local_addr=(host, port))
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
