"""Real nodes: processes on loopback, killed, restarted, lied to and looked into.

Nothing here waits for a time: every wait is for a condition, with a bound far beyond what any machine needs.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from node import wire
from node.client import Client, ClientError, Done, tcp_dialer
from node.kv import Append, Increment, Operation, Read, Result, Write
from node.storage.wal import segment_name
from node.wire import Command, OpenSession, Request, Status

pytestmark = pytest.mark.integration

REPOSITORY = Path(__file__).resolve().parents[2]
BOUND_S = 60.0
CLUSTER = "test"
FAST_SETTINGS = ("heartbeat_ms=20", "election_timeout_ms=200", "election_spread_ms=200", "lease_ms=150")
FAST = tuple(word for setting in FAST_SETTINGS for word in ("--set", setting))

T = TypeVar("T")


def python_m_node(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``python -m node`` to its end."""
    return subprocess.run(
        (sys.executable, "-m", "node", *arguments),
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        timeout=BOUND_S,
    )


def wait_for(condition: Callable[[], T], what: str) -> T:
    """Wait until a condition holds, and return what it gave."""
    end = time.monotonic() + BOUND_S
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.01)
    pytest.fail(f"not within {BOUND_S:g} s: {what}")


def free_addresses(nodes: int) -> dict[int, tuple[str, int]]:
    """Return addresses that nobody listens on: one loopback address of our own, so that no client's port is there."""
    chosen = random.Random()
    host = f"127.{chosen.randint(1, 250)}.{chosen.randint(1, 250)}.{chosen.randint(2, 250)}"
    sockets = [socket.create_server((host, 0)) for _ in range(nodes)]
    addresses = {node: (host, sock.getsockname()[1]) for node, sock in enumerate(sockets, start=1)}
    for sock in sockets:
        sock.close()
    return addresses


class Nodes:
    """The processes of one cluster, with their data and logs under a folder."""

    def __init__(self, folder: Path, nodes: int = 3) -> None:
        self.folder = folder
        self.addresses = free_addresses(nodes)
        self.peers = ",".join(f"{node}={host}:{port}" for node, (host, port) in self.addresses.items())
        self.running: dict[int, subprocess.Popen[bytes]] = {}

    def data(self, node: int) -> Path:
        """Return a node's data folder."""
        return self.folder / f"n{node}"

    def log(self, node: int) -> str:
        """Return all that a node has logged."""
        path = self.folder / f"n{node}.log"
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def arguments(self, node: int, *more: str) -> list[str]:
        """Return the command line of a node."""
        where = ["--id", str(node), "--peers", self.peers, "--data", str(self.data(node)), "--cluster", CLUSTER]
        return [sys.executable, "-m", "node", "serve", *where, *FAST, *more]

    def start(self, *nodes: int, more: tuple[str, ...] = ()) -> None:
        """Start nodes and wait until they listen."""
        for node in nodes or self.addresses:
            listening = self.log(node).count("listening on")
            with (self.folder / f"n{node}.log").open("ab") as log:
                self.running[node] = subprocess.Popen(self.arguments(node, *more), cwd=REPOSITORY, stderr=log)
            wait_for(lambda n=node, seen=listening: self.log(n).count("listening on") > seen, f"n{node} listens")  # type: ignore[misc]

    def kill(self, node: int) -> None:
        """SIGKILL a node."""
        self.running[node].kill()
        self.running.pop(node).wait(BOUND_S)

    def stop(self, node: int) -> int:
        """SIGTERM a node and return its exit status."""
        self.running[node].terminate()
        return self.running.pop(node).wait(BOUND_S)

    def close(self) -> None:
        """Kill what runs."""
        for node in list(self.running):
            self.kill(node)

    def client(self, home: int = 1) -> Client:
        """Return a client."""
        return Client(tuple(self.addresses), tcp_dialer(self.addresses), CLUSTER, home)

    def run(self, *operations: Operation, home: int = 1) -> list[Result]:
        """Carry out operations with a client of their own, each until it is done."""

        async def main() -> list[Result]:
            client = self.client(home)
            try:
                return [(await until_done(client, operation)).result for operation in operations]
            finally:
                client.close()

        return asyncio.run(main())

    def status(self, node: int) -> Status | None:
        """Ask a node for its status; None if it does not answer."""

        async def main() -> Status | None:
            client = self.client()
            try:
                return await client.status(node, 5.0)
            except OSError:
                return None
            finally:
                client.close()

        return asyncio.run(main())

    def leader(self) -> int:
        """Wait until exactly one of the running nodes leads and all the others follow it; return it."""

        def agreed() -> int:
            statuses = [self.status(node) for node in self.running]
            leaders = {status.leader if status is not None else None for status in statuses}
            leading = [status.node for status in statuses if status is not None and status.role == "leader"]
            return leading[0] if len(leading) == 1 and leaders == {leading[0]} else 0

        return wait_for(agreed, "one leader that all follow")


async def until_done(client: Client, operation: Operation) -> Done:
    """Carry out one operation, with all the time in the world."""
    return await client.execute(operation, BOUND_S)


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Nodes]:
    three = Nodes(tmp_path)
    yield three
    three.close()


@pytest.fixture(scope="module")
def lonely(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    """One node of three: it serves nothing, but has to bear whoever connects."""
    three = Nodes(tmp_path_factory.mktemp("lonely"))
    three.start(1)
    yield three
    three.close()


# -- a cluster's life -------------------------------------------------------------------------------------------------


def test_elects_serves_and_agrees(nodes: Nodes) -> None:
    nodes.start()
    leader = nodes.leader()
    assert nodes.run(Write("x", 7), Increment("n", 2), Append("l", "a"), Read("x"))[-1] == Result(True, 7)
    for node in nodes.addresses:
        assert nodes.run(Read("l"), home=node) == [Result(True, ["a"])], f"a read at n{node}, leader is n{leader}"

    def agreed() -> bool:
        statuses = [nodes.status(node) for node in nodes.addresses]
        return len({(status.applied_upto, status.digest) if status else None for status in statuses}) == 1

    wait_for(agreed, "the same digest everywhere")


def test_survives_kills_of_each_node_and_counts_each_operation_once(nodes: Nodes) -> None:
    """One client increments all the while: each increment is answered, and is in the sum once."""
    nodes.start()

    async def main() -> None:
        client = nodes.client()
        stop = asyncio.Event()
        done = 0

        async def count() -> None:
            nonlocal done
            while not stop.is_set():
                result = (await until_done(client, Increment("n", 1))).result
                done += 1
                assert result == Result(True, done), "an operation was lost, or applied twice"

        counting = asyncio.create_task(count())
        try:
            for node in nodes.addresses:
                await progress(lambda: done, counting)
                await asyncio.to_thread(nodes.kill, node)
                await progress(lambda: done, counting)
                await asyncio.to_thread(nodes.start, node)
            await progress(lambda: done, counting)
            stop.set()
            await counting
            assert (await until_done(client, Read("n"))).result == Result(True, done)
        finally:
            counting.cancel()
            client.close()

    asyncio.run(main())
    assert [node for node in nodes.addresses if "recovered: incarnation 2" in nodes.log(node)] == [1, 2, 3]
    statuses = [nodes.status(node) for node in nodes.addresses]
    shed = [status.counters.messages_shed for status in statuses if status is not None]
    assert sum(shed) > 0, "what was for a node that was down was dropped, and counted"


async def progress(done: Callable[[], int], task: asyncio.Task[None]) -> None:
    """Wait until some more operations are done."""
    goal = done() + 20
    async with asyncio.timeout(BOUND_S):
        while done() < goal:
            if task.done():
                await task
            await asyncio.sleep(0.01)


def test_everything_survives_a_kill_of_all(nodes: Nodes) -> None:
    nodes.start()
    nodes.run(*(Append("l", number) for number in range(30)))
    for node in nodes.addresses:
        nodes.kill(node)
    nodes.start()
    assert nodes.run(Read("l")) == [Result(True, list(range(30)))]


def test_a_retry_over_another_connection_and_another_node_is_applied_once(nodes: Nodes) -> None:
    nodes.start()

    async def main() -> None:
        client = nodes.client()
        first = await until_done(client, Append("l", "x"))
        session, sequence = map(int, first.ref.split("/"))
        again = nodes.client()
        for node in nodes.addresses:
            connection = await again._connection(node, asyncio.get_running_loop().time() + BOUND_S)
            answer = await connection.ask(Command(session, sequence, Append("l", "x")), BOUND_S)
            if isinstance(answer, wire.Refusal):  # a follower that has not applied it yet
                assert answer.reason is wire.Reason.NOT_LEADER
            else:
                assert answer == wire.Done(Result(True, 1))
        assert (await until_done(client, Read("l"))).result == Result(True, ["x"])
        client.close()
        again.close()

    asyncio.run(main())


def test_a_minority_serves_nothing_and_says_so_in_time(nodes: Nodes) -> None:
    nodes.start()
    nodes.run(Write("x", 1))
    for node in (1, 2):
        nodes.kill(node)

    async def main() -> None:
        client = nodes.client(home=3)
        for operation in (Read("x"), Write("x", 2)):
            with pytest.raises(ClientError):
                await client.execute(operation, 1.5)
        client.close()

    asyncio.run(main())
    nodes.start(1)
    assert nodes.run(Read("x"), home=3)[0].value in (1, 2)


def test_a_cluster_of_one(tmp_path: Path) -> None:
    alone = Nodes(tmp_path, nodes=1)
    try:
        alone.start()
        assert alone.run(Write("x", 1), Read("x")) == [Result(True), Result(True, 1)]
    finally:
        alone.close()


# -- the end of a node ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_node_with_status_0(nodes: Nodes, number: signal.Signals) -> None:
    nodes.start()
    nodes.run(Write("x", 1))
    for node in nodes.addresses:
        process = nodes.running.pop(node)
        process.send_signal(number)
        assert process.wait(BOUND_S) == 0
        assert nodes.log(node).endswith("stopped cleanly\n")
        assert "Traceback" not in nodes.log(node)


def test_two_processes_cannot_share_a_data_folder(nodes: Nodes) -> None:
    nodes.start(1)
    before = (nodes.data(1) / segment_name(1)).read_bytes()
    other = Nodes(nodes.folder)
    done = python_m_node(*other.arguments(1)[3:])
    assert done.returncode == 1
    assert "another node process uses this data folder" in done.stderr
    assert (nodes.data(1) / segment_name(1)).read_bytes().startswith(before.rstrip(b"\0"))
    nodes.kill(1)
    nodes.start(1)
    assert "recovered: incarnation 2" in nodes.log(1)


def test_an_address_in_use_ends_a_node_with_status_1(nodes: Nodes) -> None:
    with socket.create_server(nodes.addresses[1]):
        done = python_m_node(*nodes.arguments(1)[3:])
    assert done.returncode == 1
    assert "cannot serve" in done.stderr
    assert "Traceback" not in done.stderr


# -- strangers --------------------------------------------------------------------------------------------------------


def frame(body: bytes) -> bytes:
    """Return a frame."""
    return struct.pack(">I", len(body)) + body


PEER = wire.encode(wire.PeerHello(wire.PROTOCOL, CLUSTER, 2, 1))
CLIENT = wire.encode(wire.ClientHello(wire.PROTOCOL, CLUSTER))

STRANGERS = {
    "another protocol": (
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        r"a frame of 1195725856 bytes is over the limit of 1024",
    ),
    "a huge length": (b"\xff\xff\xff\xff", r"a frame of 4294967295 bytes is over the limit of 1024"),
    "garbage in a frame": (frame(b"\xc1\xff\x00"), r"malformed hello: .*"),
    "no UTF-8": (frame(b"\x81\xa4type\xa2\xff\xff"), r"malformed hello: .*"),
    "a request before the hello": (wire.encode(Request(1, OpenSession())), r"malformed hello: .*"),
    "another version": (
        wire.encode(wire.ClientHello("antipaxos/0", CLUSTER)),
        r"speaks 'antipaxos/0', not 'antipaxos/1'",
    ),
    "another cluster": (
        wire.encode(wire.ClientHello(wire.PROTOCOL, "prod")),
        r"is of cluster 'prod', not of 'test'",
    ),
    "a peer of another cluster": (
        wire.encode(wire.PeerHello(wire.PROTOCOL, "prod", 2, 1)),
        r"is of cluster 'prod', not of 'test'",
    ),
    "an unknown node": (
        wire.encode(wire.PeerHello(wire.PROTOCOL, CLUSTER, 9, 1)),
        r"says it is node 9, which is no peer here",
    ),
    "the node itself": (
        wire.encode(wire.PeerHello(wire.PROTOCOL, CLUSTER, 1, 1)),
        r"says it is node 1, which is no peer here",
    ),
    "no hello": (b"", r"no hello within 2 s"),
    "half a frame": (CLIENT[:-3], r"no hello within 2 s"),
    "a peer that goes mad": (PEER + frame(b"\x93\xa8accepted\x01\x02"), r"malformed peer message: .*"),
    "a peer with a huge frame": (PEER + b"\x7f\xff\xff\xff", r"a frame of 2147483647 bytes is over the limit of .*"),
    "a client that goes mad": (CLIENT + frame(b"\x92\x01\x91\xa3now"), r"malformed request: .*"),
    "a client without UTF-8": (
        CLIENT + frame(b"\x92\x01\x92\xa5query\x92\xa4read\xa2\xff\xff"),
        r"malformed request: .*",
    ),
    "a client with a huge frame": (CLIENT + struct.pack(">I", 1 << 20 | 1), r"a frame of 1048577 bytes is over .*"),
}


@pytest.mark.parametrize("stranger", STRANGERS)
def test_a_stranger_is_cut_off_with_one_line_and_the_node_lives_on(lonely: Nodes, stranger: str) -> None:
    said, why = STRANGERS[stranger]
    before = len(cut_off(lonely))
    with socket.create_connection(lonely.addresses[1], timeout=BOUND_S) as sock:
        host, port = sock.getsockname()
        sock.sendall(said)
        assert drained(sock), "the node must hang up"
    lines = wait_for(lambda: cut_off(lonely)[before:], "a line in the log")
    assert len(lines) == 1
    assert re.search(rf"n1 WARNING cut off {re.escape(host)}:{port}: {why}$", lines[0]), lines[0]
    status = lonely.status(1)
    assert status is not None
    assert status.incarnation == 1
    assert status.counters.frames_refused > len([line for line in cut_off(lonely)[:before] if "slow" not in line])
    assert cut_off(lonely)[before:] == lines
    assert "Traceback" not in lonely.log(1)
    assert "Fatal error" not in lonely.log(1)


def cut_off(nodes: Nodes) -> list[str]:
    """Return the lines about who was cut off."""
    return [line for line in nodes.log(1).splitlines() if "cut off" in line]


def drained(sock: socket.socket) -> bool:
    """Read until the other end hangs up."""
    try:
        while sock.recv(4096):
            pass
    except ConnectionResetError:
        pass
    return True


def test_who_hangs_up_in_the_middle_of_a_frame_is_no_news(lonely: Nodes) -> None:
    before = lonely.log(1).count("cut off")
    for said in (b"", CLIENT[:7], CLIENT, CLIENT + b"\x00\x00\x00\x09half", PEER):
        with socket.create_connection(lonely.addresses[1], timeout=BOUND_S) as sock:
            sock.sendall(said)
    status = lonely.status(1)
    assert status is not None
    assert lonely.log(1).count("cut off") == before
    assert "Traceback" not in lonely.log(1)


def test_an_operation_that_the_store_does_not_take_is_refused_and_the_connection_stays(lonely: Nodes) -> None:
    async def main() -> None:
        client = lonely.client()
        connection = await client._connection(1, asyncio.get_running_loop().time() + BOUND_S)
        for operation in (Write("", 1), Write("x", 1.5), Write("x", {"a": 1})):
            answer = await connection.ask(Command(1, 1, operation), BOUND_S)
            assert isinstance(answer, wire.Refusal)
            assert answer.reason is wire.Reason.INVALID
        assert isinstance(await connection.ask(wire.StatusRequest(), BOUND_S), Status)
        client.close()

    asyncio.run(main())


# -- looking into a folder --------------------------------------------------------------------------------------------


def test_inspect_as_text_and_as_json(nodes: Nodes) -> None:
    nodes.start()

    async def main() -> str:
        client = nodes.client()
        done = await until_done(client, Write("x", 7))
        client.close()
        return done.ref

    ref = asyncio.run(main())
    for node in nodes.addresses:
        assert nodes.stop(node) == 0
    leader = next(node for node in nodes.addresses if "leader in ballot" in nodes.log(node))
    before = {path.name: path.read_bytes() for path in nodes.data(leader).iterdir()}
    text = python_m_node("inspect", str(nodes.data(leader)))
    assert (text.returncode, text.stderr) == (0, "")
    assert re.search(rf"^node +{leader}$", text.stdout, re.MULTILINE)
    assert re.search(r"^incarnation +1$", text.stdout, re.MULTILINE)
    assert re.search(rf'^ +\d+ +\d+\.{leader} +chosen +{ref} \["write","x",7\]$', text.stdout, re.MULTILINE)
    dump = python_m_node("inspect", str(nodes.data(leader)), "--json")
    records = [json.loads(line) for line in dump.stdout.splitlines()]
    assert (dump.returncode, dump.stderr) == (0, "")
    assert records[0] == {"kind": "started", "incarnation": 1}
    assert records[-1]["kind"] == "chosen-upto"
    assert [record["kind"] for record in records if ref in record.get("refs", ())] == ["accepted"]
    assert {path.name: path.read_bytes() for path in nodes.data(leader).iterdir()} == before


def test_inspect_of_no_folder_is_a_usage_error(tmp_path: Path) -> None:
    done = python_m_node("inspect", str(tmp_path / "nowhere"))
    assert (done.returncode, done.stdout) == (2, "")
    assert "is not a folder" in done.stderr
    assert not (tmp_path / "nowhere").exists()


def test_inspect_of_an_empty_folder(tmp_path: Path) -> None:
    done = python_m_node("inspect", str(tmp_path))
    assert done.returncode == 0
    assert "unknown (the log is empty)" in done.stdout


def test_a_corrupt_log_ends_with_65(nodes: Nodes) -> None:
    nodes.start(1)
    nodes.stop(1)
    nodes.start(1)
    nodes.stop(1)
    segment = nodes.data(1) / segment_name(1)
    content = bytearray(segment.read_bytes())
    content[80] ^= 1
    segment.write_bytes(content)
    for arguments in (nodes.arguments(1)[3:], ["inspect", str(nodes.data(1))]):
        done = python_m_node(*arguments)
        assert done.returncode == 65
        assert "bit rot, not a torn tail" in done.stderr
        assert "Traceback" not in done.stderr
    assert segment.read_bytes() == content, "a damaged log is evidence: nothing may be cut off it"


def test_the_folder_of_another_node_ends_with_65(nodes: Nodes) -> None:
    nodes.start(1)
    nodes.stop(1)
    nodes.data(1).rename(nodes.data(2))
    done = python_m_node(*nodes.arguments(2)[3:])
    assert done.returncode == 65
    assert "belongs to node 1, not to node 2" in done.stderr


def test_a_torn_tail_is_cut_and_counted(nodes: Nodes) -> None:
    without_zeros = ("--set", "log_zero_ahead_bytes=0")
    nodes.start(1, more=without_zeros)
    nodes.stop(1)
    with (nodes.data(1) / segment_name(1)).open("ab") as segment:
        segment.write(b"APXR\x10\x00\x00\x00torn")
    nodes.start(1, more=without_zeros)
    assert "cut 12 torn bytes" in nodes.log(1)
    status = nodes.status(1)
    assert status is not None
    assert status.counters.torn_tails_cut == 1


# -- the command line -------------------------------------------------------------------------------------------------

PEERS = "1=127.0.0.1:7001,2=127.0.0.1:7002,3=127.0.0.1:7003"

USAGE_ERRORS = {
    "no peers": (["--id", "1", "--data", "d"], "who are the members? --peers, or [members] in a --config file"),
    "no id": (["--peers", PEERS, "--data", "d"], "which node is this? --id, or id under [node]"),
    "no data": (["--id", "1", "--peers", PEERS], "where does it keep its data? --data, or data under [node]"),
    "an id that is no number": (["--id", "x", "--peers", PEERS, "--data", "d"], "invalid int value: 'x'"),
    "an id that is no member": (["--id", "4", "--peers", PEERS, "--data", "d"], "me=4 is not among members=[1, 2, 3]"),
    "no address": (["--id", "1", "--peers", "1", "--data", "d"], "--peers: '1' is not ID=HOST:PORT"),
    "no port": (["--id", "1", "--peers", "1=host", "--data", "d"], "--peers: '1=host' is not ID=HOST:PORT"),
    "no host": (["--id", "1", "--peers", "1=:7001", "--data", "d"], "--peers: '1=:7001' is not ID=HOST:PORT"),
    "port 0": (["--id", "1", "--peers", "1=h:0", "--data", "d"], "--peers: '1=h:0' is not ID=HOST:PORT"),
    "port 65536": (["--id", "1", "--peers", "1=h:65536", "--data", "d"], "--peers: '1=h:65536' is not ID=HOST:PORT"),
    "an odd digit": (["--id", "1", "--peers", "²=h:7001", "--data", "d"], "--peers: '²=h:7001' is not ID=HOST:PORT"),
    "a node twice": (["--id", "1", "--peers", "1=h:1,1=h:2", "--data", "d"], "--peers: node 1 is named twice"),
    "node 0": (["--id", "0", "--peers", "0=h:1", "--data", "d"], "members=[0]: node ids start at 1"),
    "an unknown setting": (
        ["--id", "1", "--peers", PEERS, "--data", "d", "--set", "window=3"],
        "--set: 'window' is unknown; did you mean window_max?",
    ),
    "a setting without value": (
        ["--id", "1", "--peers", PEERS, "--data", "d", "--set", "window_max"],
        "--set: 'window_max' is not window_max=NUMBER",
    ),
    "a setting that is no number": (
        ["--id", "1", "--peers", PEERS, "--data", "d", "--set", "window_max=²"],
        "--set: 'window_max=²' is not window_max=NUMBER",
    ),
    "a setting of zero": (
        ["--id", "1", "--peers", PEERS, "--data", "d", "--set", "window_max=0"],
        "--set: window_max is 0, not 1 to 1024",
    ),
    "settings that do not fit": (
        ["--id", "1", "--peers", PEERS, "--data", "d", "--set", "heartbeat_ms=300"],
        "election_timeout_ms=400 must be at least twice heartbeat_ms=300",
    ),
    "the members as a setting": (
        ["--id", "1", "--peers", PEERS, "--data", "d", "--set", "members=3"],
        "--set: 'members' is unknown; there are: heartbeat_ms,",
    ),
    "an unknown bug": (
        ["--id", "1", "--peers", PEERS, "--data", "d", "--bug", "off-by-one"],
        "no planted bug is named 'off-by-one'; there are: ",
    ),
}


@pytest.mark.parametrize("mistake", USAGE_ERRORS)
def test_a_usage_error_exits_with_2_and_says_what_is_wrong(mistake: str, tmp_path: Path) -> None:
    arguments, message = USAGE_ERRORS[mistake]
    data = str(tmp_path / "d")
    done = python_m_node("serve", *(data if argument == "d" else argument for argument in arguments))
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "d").exists(), "a mistake must leave nothing behind"


@pytest.mark.parametrize("bug", ["early-ack", "local-reads"])
def test_nodes_with_a_planted_bug_start_and_serve(nodes: Nodes, bug: str) -> None:
    """Each works as long as nothing goes wrong; that is what makes it a bug worth planting."""
    nodes.start(more=("--bug", bug))
    assert nodes.run(Write("x", 1))[0].ok
    assert nodes.leader() in nodes.addresses


def test_leaders_that_compute_ahead_answer_the_same(nodes: Nodes) -> None:
    more = ("--set", "speculative=1", "--set", "batch_commands_max=4")
    nodes.start(more=more)
    leader = nodes.leader()

    async def increment(times: int) -> list[int]:
        client = nodes.client(leader)
        try:
            return [(await until_done(client, Increment("n", 1))).result.value for _ in range(times)]
        finally:
            client.close()

    async def together() -> list[int]:
        return [value for values in await asyncio.gather(*[increment(8) for _ in range(16)]) for value in values]

    def agreed() -> list[Status]:
        statuses = [status for node in nodes.addresses if (status := nodes.status(node)) is not None]
        return statuses if len(statuses) == 3 and len({(s.applied_upto, s.digest) for s in statuses}) == 1 else []

    assert sorted(asyncio.run(together())) == list(range(1, 129))
    statuses = wait_for(agreed, "who computed ahead and who did not have the same state")
    assert sum(status.counters.slots_released for status in statuses) > 0, "what was computed ahead was used"
    nodes.kill(leader)
    nodes.leader()
    assert nodes.run(Increment("n", 1), Read("n")) == [Result(True, 129), Result(True, 129)]
    nodes.start(leader, more=more)
    wait_for(agreed, "the same state again")


# -- snapshots --------------------------------------------------------------------------------------------------------

OFTEN_SETTINGS = ("snapshot_slots=20", "snapshot_tail_slots=0", "snapshot_part_bytes=50", "log_segment_bytes=2000")
OFTEN = tuple(word for setting in OFTEN_SETTINGS for word in ("--set", setting))


@pytest.mark.parametrize(("ahead", "direct"), [(0, 0), (512, 0), (512, 1)])
def test_a_node_that_was_away_gets_a_snapshot_and_the_logs_stay_short(nodes: Nodes, ahead: int, direct: int) -> None:
    more = (*OFTEN, "--set", f"log_zero_ahead_bytes={ahead}", "--set", f"log_direct={direct}")
    nodes.start(more=more)
    nodes.leader()
    nodes.kill(3)
    counted = nodes.run(*[Increment("n", 1)] * 150)
    assert counted[-1] == Result(True, 150)
    assert ("O_DIRECT" in nodes.log(1)) == bool(direct), "written so, or said why not"
    nodes.start(3, more=more)

    def caught_up() -> bool:
        statuses = [nodes.status(node) for node in (1, 2, 3)]
        return all(statuses) and len({status.digest for status in statuses if status is not None}) == 1

    wait_for(caught_up, "n3 has caught up")
    status = nodes.status(3)
    assert status is not None
    assert status.counters.snapshots_installed >= 1
    assert status.counters.slots_learned < 100, "most of it came in the snapshot"
    for node in (1, 2, 3):
        names = sorted(path.name for path in nodes.data(node).iterdir())
        assert sum(name.startswith("snapshot-") for name in names) == 1, names
        assert sum(name.startswith("wal-") for name in names) <= 6, names
    for node in (1, 2, 3):
        nodes.kill(node)
    nodes.start(more=more)
    nodes.leader()
    assert nodes.run(Read("n")) == [Result(True, 150)]
    shown = python_m_node("inspect", str(nodes.data(1)))
    assert shown.returncode == 0
    assert re.search(r"snapshot +of slot \d+, ballot \d+\.\d+, \d+ bytes: 1 keys, \d+ sessions", shown.stdout)


def test_a_rotten_snapshot_ends_with_65(nodes: Nodes) -> None:
    nodes.start(1, 2, more=OFTEN)
    nodes.run(*[Increment("n", 1)] * 60)
    wait_for(lambda: list(nodes.data(1).glob("snapshot-*.snap")), "n1 has a snapshot")
    nodes.kill(1)
    newest = max(nodes.data(1).glob("snapshot-*.snap"))  # the kill may have left the one before it, too
    content = bytearray(newest.read_bytes())
    content[-1] ^= 1
    newest.write_bytes(content)
    ended = subprocess.run(nodes.arguments(1), cwd=REPOSITORY, capture_output=True, check=False, timeout=BOUND_S)
    assert ended.returncode == 65
    assert f"{newest.name}, offset 64: the state's checksum does not hold: bit rot" in ended.stderr.decode()
