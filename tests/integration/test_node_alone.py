"""The node without the harness, as its documentation says: from one file, by hand, and under a real overload."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from node import wire
from node.kv import Increment, Read, Write
from node.paxos.counters import Counters
from node.wire import Command, OpenSession, Query, Refusal, Request
from tests.integration.test_node_server import BOUND_S, REPOSITORY, Nodes, free_addresses, wait_for

pytestmark = pytest.mark.integration

HELLO = wire.encode(wire.ClientHello(wire.PROTOCOL, "test"))


class Alone:
    """Three nodes that were started by hand from one file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.peers = ",".join(f"{node}={host}:{port}" for node, (host, port) in free_addresses(3).items())
        self.file = folder / "cluster.toml"
        self.file.write_text(self.node("config", "--peers", self.peers).stdout, encoding="utf-8")
        self.processes: dict[int, subprocess.Popen[bytes]] = {}

    def node(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run ``python -m node`` to its end."""
        return subprocess.run(
            (sys.executable, "-m", "node", *words),
            cwd=REPOSITORY,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=BOUND_S,
        )

    def serve(self, node: int) -> None:
        """Start one."""
        words = (sys.executable, "-m", "node", "serve", "--config", str(self.file), "--id", str(node))
        with (self.folder / f"n{node}.log").open("ab") as log:
            self.processes[node] = subprocess.Popen(words, cwd=REPOSITORY, stderr=log)

    def client(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run one command of the client."""
        return self.node("client", "--config", str(self.file), "--timeout", "20", *words)

    def close(self) -> None:
        for process in self.processes.values():
            process.kill()
            process.wait(BOUND_S)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alone]:
    three = Alone(tmp_path_factory.mktemp("alone"))
    for node in (1, 2, 3):
        three.serve(node)
    try:
        wait_for(lambda: three.client("status").returncode == 0, "a leader that a majority follows")
        yield three
    finally:
        three.close()


def test_each_verb_does_what_it_says_and_exits_accordingly(alone: Alone) -> None:
    for words, said, status in (
        (("put", "x", "7"), "ok\n", 0),
        (("get", "x"), "7\n", 0),
        (("read", "x"), "7\n", 0),
        (("cas", "x", "8", "9"), "", 1),
        (("cas", "x", "7", "[1,true,null]"), "ok\n", 0),
        (("get", "x"), "[1, true, null]\n", 0),
        (("write", "x", "hello"), "ok\n", 0),
        (("get", "x"), '"hello"\n', 0),
        (("append", "l", "a"), "1\n", 0),
        (("add", "s", "1"), "true\n", 0),
        (("add", "s", "1"), "false\n", 0),
        (("increment", "n", "4"), "4\n", 0),
        (("append", "n", "1"), "", 1),
        (("get", "nothing"), "null\n", 0),
        (("increment", "n", "much"), "", 2),
        (("put", "x", "1.5"), "", 2),
        (("get", "k" * 257), "", 2),
        (("--home", "9", "get", "x"), "", 2),
        (("--timeout", "0", "get", "x"), "", 2),
    ):
        done = alone.client(*words)
        assert (done.stdout, done.returncode) == (said, status), (words, done.stderr)
        assert bool(done.stderr) == bool(status), words
        assert "Traceback" not in done.stderr


def test_json_is_one_object_a_line(alone: Alone) -> None:
    assert json.loads(alone.client("--json", "put", "j", "1").stdout)["ended"] == "done"
    assert json.loads(alone.client("--json", "cas", "j", "2", "3").stdout) | {"ref": ""} == {
        "ended": "unchanged",
        "value": 1,
        "ref": "",
    }
    lines = [json.loads(line) for line in alone.client("--json", "ping", "-n", "2", "-i", "0").stdout.splitlines()]
    assert [line.get("ended") for line in lines] == ["done", "done", None]
    assert lines[-1]["done"] == 2
    nodes = json.loads(alone.client("--json", "status").stdout)["nodes"]
    assert [node["node"] for node in nodes] == [1, 2, 3]
    assert all(node["counters"]["elections_started"] >= 0 and node["wal"]["commits"] > 0 for node in nodes)


def test_a_ping_that_is_interrupted_sums_up(alone: Alone) -> None:
    words = (sys.executable, "-m", "node", "client", "--config", str(alone.file), "ping", "-i", "0.01", "--write", "p")
    with subprocess.Popen(words, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert re.match(r"1: write \d+\.\d\d ms", process.stdout.readline())
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=BOUND_S)
    assert re.search(r"\d+ done, 0 failed: p50 .*, max .* ms\n$", out), out
    assert process.returncode == 130
    assert "Traceback" not in err


def test_the_example_of_the_documentation_runs(alone: Alone) -> None:
    document = (REPOSITORY / "docs" / "client.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", document, flags=re.DOTALL)
    done = subprocess.run(
        (sys.executable, "-c", example),
        cwd=REPOSITORY,
        env={**os.environ, "ANTIPAXOS_PEERS": alone.peers},
        capture_output=True,
        text=True,
        check=False,
        timeout=BOUND_S,
    )
    assert (done.stdout, done.returncode) == ("done\n", 0), done.stderr


def test_without_nodes_it_says_so_in_time_and_exits_with_3(tmp_path: Path) -> None:
    three = Alone(tmp_path)
    done = three.node("client", "--peers", three.peers, "--timeout", "0.5", "put", "x", "1")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("not done: node ")
    status = three.node("client", "status", ANTIPAXOS_PEERS=three.peers)
    assert status.returncode == 3
    assert status.stdout.count("down") == 3
    assert three.node("client", "status", ANTIPAXOS_PEERS="").returncode == 2


# -- overload, for real -----------------------------------------------------------------------------------------------


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Nodes]:
    three = Nodes(tmp_path)
    yield three
    three.close()


def answers(sock: socket.socket, count: int) -> list[wire.Reply]:
    """Read that many replies, or all until the node hangs up."""
    frames = wire.FrameReader(wire.REPLY_FRAME_BYTES_MAX)
    replies: list[wire.Reply] = []
    while len(replies) < count:
        data = sock.recv(1 << 16)
        if not data:
            break
        replies += [wire.decode_reply(frame) for frame in frames.feed(data)]
    return replies


def test_a_client_that_pipelines_without_limit_is_refused_and_the_others_are_served(nodes: Nodes) -> None:
    nodes.start(more=("--set", "pipeline_max=20"))
    leader = nodes.leader()
    with socket.create_connection(nodes.addresses[leader], timeout=BOUND_S) as sock:
        sock.sendall(HELLO + wire.encode(Request(1, OpenSession())))
        (opened,) = answers(sock, 1)
        assert isinstance(opened.answer, wire.Done)
        session = opened.answer.result.value
        commands = 2_000
        sock.sendall(
            b"".join(
                wire.encode(Request(number, Command(session, number, Increment("n", 1))))
                for number in range(2, commands + 2)
            )
        )
        replies = answers(sock, commands)
    refused = [reply.answer for reply in replies if isinstance(reply.answer, Refusal)]
    done = commands - len(refused)
    assert len(replies) == commands
    assert refused
    assert {answer.reason for answer in refused} == {wire.Reason.OVERLOADED}
    assert "20 requests of this connection" in refused[0].detail
    assert done >= 20
    assert nodes.run(Read("n"))[0].value == done, "what was refused was done all the same"
    status = nodes.status(leader)
    assert status is not None
    assert status.counters.pipelines_overloaded == len(refused)


def test_a_client_that_never_reads_is_not_read_from_and_one_that_floods_as_well_is_cut_off(nodes: Nodes) -> None:
    """They ask for a large value again and again and never take it: the node keeps a bounded piece of it all."""
    nodes.start(more=("--set", "client_outbox_bytes_max=1000000"))
    leader = nodes.leader()
    nodes.run(Write("big", "x" * 60_000))
    query = wire.encode(Request(1, Query(Read("big"))))

    def counters() -> Counters:
        status = nodes.status(leader)
        assert status is not None
        return status.counters

    with socket.create_connection(nodes.addresses[leader], timeout=BOUND_S) as sock:
        sock.sendall(HELLO)

        def asks_on() -> int:
            sock.sendall(query)
            return counters().clients_paused

        wait_for(asks_on, "it is not read from any more")
        assert counters().clients_too_slow == 0
        sock.setblocking(False)
        taken = 0
        with contextlib.suppress(BlockingIOError):
            while taken < 1 << 28:
                taken += sock.send(query * 1_000)
        assert taken < 1 << 28, "its requests must stay in its own socket"
        assert counters().clients_too_slow == 0
    with socket.create_connection(nodes.addresses[leader], timeout=BOUND_S) as sock:
        sock.sendall(HELLO + query * 1_000)
        assert wait_for(lambda: counters().clients_too_slow, "it is cut off")
    assert "does not read its replies" in nodes.log(leader)
    assert nodes.run(Read("n")), "the others are served"


def test_one_client_too_many_is_told_why(nodes: Nodes) -> None:
    nodes.start(1, more=("--set", "clients_max=2"))
    socks = [socket.create_connection(nodes.addresses[1], timeout=BOUND_S) for _ in range(3)]
    try:
        for sock in socks[:2]:
            sock.sendall(HELLO + wire.encode(Request(1, wire.StatusRequest())))
            assert isinstance(answers(sock, 1)[0].answer, wire.Status)
        socks[2].sendall(HELLO)
        (reply,) = answers(socks[2], 1)
        assert reply.number == wire.NO_NUMBER
        assert isinstance(reply.answer, Refusal)
        assert (reply.answer.reason, reply.answer.detail) == ("overloaded", "2 clients are being served already")
        assert socks[2].recv(1) == b"", "the node hangs up"
    finally:
        for sock in socks:
            sock.close()


def test_a_client_that_sends_much_and_then_nonsense_is_cut_off_with_one_line(nodes: Nodes) -> None:
    """A large chunk lets others have their turn before more is read: not so if the connection is over by then."""
    nodes.start(1)
    requests = b"".join(wire.encode(Request(number, wire.StatusRequest())) for number in range(1, 20_000))
    with socket.create_connection(nodes.addresses[1], timeout=BOUND_S) as sock, contextlib.suppress(OSError):
        sock.sendall(HELLO + requests + b"\xff" * 8)
        while sock.recv(1 << 16):
            pass
    assert nodes.status(1) is not None
    wait_for(lambda: nodes.log(1).count("cut off") == 1, "one line")
    assert "Traceback" not in nodes.log(1)


def hung_up(sock: socket.socket) -> bool:
    """Wait until the node hangs up, with or without ceremony."""
    try:
        return sock.recv(1) == b""
    except ConnectionError:
        return True


def test_strangers_beyond_the_limit_are_cut_off_and_the_log_does_not_fill_with_them(nodes: Nodes) -> None:
    nodes.start(1, more=("--set", "strangers_max=2", "--set", "hello_timeout_ms=60000"))
    socks = [socket.create_connection(nodes.addresses[1], timeout=BOUND_S) for _ in range(2)]
    try:
        for _ in range(100):
            with socket.create_connection(nodes.addresses[1], timeout=BOUND_S) as sock:
                assert hung_up(sock)
        assert 0 < nodes.log(1).count("too many connections without a hello") < 100
    finally:
        for sock in socks:
            sock.close()


def test_a_peer_that_dials_anew_has_given_its_earlier_connection_up(nodes: Nodes) -> None:
    """Else each cut that nobody noticed at this end would leave a connection behind for ever."""
    nodes.start(1)
    hello = wire.encode(wire.PeerHello(wire.PROTOCOL, "test", 2, 1))
    with socket.create_connection(nodes.addresses[1], timeout=BOUND_S) as first:
        first.sendall(hello)
        wait_for(lambda: nodes.status(1), "it serves")
        with socket.create_connection(nodes.addresses[1], timeout=BOUND_S) as second:
            second.sendall(hello)
            assert hung_up(first)
            second.settimeout(0.2)
            with pytest.raises(TimeoutError):
                second.recv(1)
