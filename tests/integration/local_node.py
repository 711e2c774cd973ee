"""A node for tests of the place, without any Paxos: it connects, says and reports what it heard, on command.

    python local_node.py <name> <host> <port>

A connection that opens with ``control`` takes commands, a line each, and answers each with one line; one that opens
with ``peer <key>`` is another node's, and everything that comes over it is kept under that key.
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


class Node:
    def __init__(self, name: str) -> None:
        self.name = name
        self.writers: dict[str, asyncio.StreamWriter] = {}
        self.heard: dict[str, bytes] = {}
        self.echoing: set[str] = set()
        self.tasks: set[asyncio.Task[None]] = set()

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
        return self.obey_at_once(verb, words)

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
            case "heard":
                return "heard " + self.heard.get(words[0], b"").decode()
            case "network":
                return str(Path("/proc/self/ns/net").stat().st_ino)
            case "child":
                return str(subprocess.Popen(("sleep", "600")).pid)
            case "orphan":
                # A grandchild whose parent is gone at once: nobody's child but the group's.
                script = "sleep 600 >&2 & echo $!"
                done = subprocess.run(("sh", "-c", script), stdout=subprocess.PIPE, check=True)
                return done.stdout.decode().strip()
            case "descriptors":
                return " ".join(str(entry.resolve()) for entry in Path("/proc/self/fd").iterdir())
            case "unacknowledged":
                connection = self.writers[words[0]].get_extra_info("socket")
                (waiting,) = struct.unpack("i", fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, bytes(4)))
                return str(waiting)
            case "clocks":
                return f"{time.monotonic_ns()} {time.time_ns()}"
            case "environment":
                return " ".join(sorted(os.environ))
            case _:
                return f"unknown {verb}"

    async def connect(self, key: str, host: str, port: int, limit_s: float) -> str:
        async with asyncio.timeout(limit_s):
            reader, writer = await asyncio.open_connection(host, port)
        writer.write(f"peer {key}\n".encode())
        self.writers[key] = writer
        task = asyncio.create_task(self.listen(key, reader))
        self.tasks.add(task)
        return "connected"


async def main(name: str, host: str, port: int) -> None:
    node = Node(name)
    server = await asyncio.start_server(node.accept, host, port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
