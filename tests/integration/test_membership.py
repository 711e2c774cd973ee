"""Members added, removed and replaced on real processes, under load, by the client that people use."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from node.addresses import format_address
from node.client import UnknownError
from node.kv import Increment, Read, Write
from tests.integration.test_node_server import BOUND_S, CLUSTER, REPOSITORY, Nodes, until_done, wait_for


class Changing(Nodes):
    """Three founding members, and a fourth node that joins."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, 4)
        self.all = dict(self.addresses)
        self.joiner = self.peers
        del self.addresses[4]
        self.peers = self.peers.rpartition(",")[0]

    def join(self) -> None:
        """Start the fourth node: from now on clients know all four."""
        self.peers, self.addresses = self.joiner, self.all
        self.start(4, more=("--set", "joins=1"))

    def person(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Carry out what somebody types."""
        where = ["--peers", self.joiner, "--cluster", CLUSTER, "--timeout", str(BOUND_S)]
        command = [sys.executable, "-m", "node", "client", *where, *words]
        return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=BOUND_S, check=False)

    def members(self, node: int) -> tuple[int, ...]:
        """Say who the members are, for all that a node knows."""
        status = self.status(node)
        return status.membership.nodes if status is not None and status.membership is not None else ()


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Changing]:
    """Return the cluster of three, running."""
    it = Changing(tmp_path)
    it.start(1, 2, 3)
    yield it
    it.close()


def test_each_founder_is_replaced_in_turn_while_clients_count(nodes: Changing) -> None:
    """A rolling replacement with one spare node: no increment is lost or done twice, whoever leads."""
    nodes.run(Write("k", 1))
    nodes.join()
    assert nodes.members(4) == (1, 2, 3)

    changes = [(4, 1), (1, 2), (2, 3)]

    async def main() -> int:
        client = nodes.client()
        counted = 0

        async def count() -> None:
            nonlocal counted
            async with nodes.client(2) as counter:
                while True:
                    await until_done(counter, Increment("n", 1))
                    counted += 1

        counting = asyncio.create_task(count())
        for new, old in changes:
            await client.add_node(new, format_address(nodes.addresses[new]) if new == 4 else "", BOUND_S)
            await client.remove_node(old, BOUND_S)
            await until_done(client, Write("k", new))
        counting.cancel()
        client.close()
        await asyncio.gather(counting, return_exceptions=True)
        return counted

    counted = asyncio.run(main())
    wait_for(lambda: {nodes.members(node) for node in (1, 2, 4)} == {(1, 2, 4)}, "all know who the members are")
    total = nodes.run(Read("n"), home=4)[0].value
    assert total in (counted, counted + 1)  # the last one may have been done when the client was stopped
    assert nodes.run(Read("k"), home=4)[0].value == changes[-1][0]


def test_the_log_knows_the_members_after_a_restart_whatever_the_file_says(nodes: Changing) -> None:
    nodes.join()
    added = nodes.person("add-node", "4", format_address(nodes.all[4]))
    assert (added.returncode, added.stdout) == (0, "members n1 n2 n3 n4\n"), added.stderr
    removed = nodes.person("--json", "remove-node", "n1")
    assert removed.returncode == 0, removed.stderr
    assert [one["node"] for one in json.loads(removed.stdout)["members"]] == [2, 3, 4]
    wait_for(lambda: nodes.members(4) == (2, 3, 4), "the joined node knows")
    for node in (1, 2, 3, 4):
        nodes.kill(node)
    nodes.peers = nodes.joiner.rpartition(",")[0]
    nodes.start(2, 3)
    nodes.start(4, more=("--peers", nodes.joiner))
    leader = nodes.leader()
    assert leader in (2, 3, 4)
    assert nodes.members(leader) == (2, 3, 4)
    table = nodes.person("status").stdout
    assert "n1" in table
    assert nodes.run(Write("x", 7), Read("x"), home=leader)[1].value == 7


def test_a_founder_with_another_file_keeps_to_its_log(nodes: Changing) -> None:
    """Somebody adds a node to the file and restarts the nodes: without a change in the log it is no member."""
    nodes.leader()
    for node in (1, 2, 3):
        nodes.stop(node)
    nodes.peers, nodes.addresses = nodes.joiner, nodes.all
    nodes.start(1, 2, 3)
    assert nodes.members(nodes.leader()) == (1, 2, 3)
    assert "the log knows better" in nodes.log(1)


def test_changes_that_cannot_be_made_are_refused(nodes: Changing) -> None:
    nodes.leader()
    for words, status, said in [
        (("add-node", "zero"), 2, "'zero' is no node's id"),
        (("add-node", "4", "nowhere"), 2, "'nowhere' is not HOST:PORT"),
        (("add-node", "1", "127.0.0.1:9"), 3, "node 1 is a member already, elsewhere"),
    ]:
        ended = nodes.person(*words)
        assert (ended.returncode, said in ended.stderr) == (status, True), ended.stderr
    assert nodes.person("remove-node", "4").stdout == "members n1 n2 n3\n"


def test_a_change_without_a_majority_is_unknown(nodes: Changing) -> None:
    leader = nodes.leader()
    for node in {1, 2, 3} - {leader}:
        nodes.kill(node)

    async def main() -> None:
        client = nodes.client(leader)
        with pytest.raises(UnknownError):
            await client.remove_node(leader % 3 + 1, 1.0)
        client.close()

    asyncio.run(main())
