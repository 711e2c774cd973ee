"""Leadership handed over between real processes: by request, and by a leader that is asked to stop."""

from __future__ import annotations

import asyncio
import signal

import pytest

from node.client import Client, ClientError, NotDoneError
from node.kv import Read, Write
from tests.integration.test_node_server import BOUND_S, Nodes, nodes, wait_for

pytestmark = pytest.mark.integration
__all__ = ["nodes"]


def transfer(cluster: Nodes, to: int) -> None:
    """Have the leadership handed over."""

    async def main() -> None:
        client = cluster.client()
        try:
            await client.transfer(to, BOUND_S)
        finally:
            client.close()

    asyncio.run(main())


def test_a_leader_hands_over_to_each_node_in_turn_and_nothing_is_lost(nodes: Nodes) -> None:
    nodes.start()
    nodes.leader()
    nodes.run(Write("x", 0))
    for round_, to in enumerate((1, 2, 3, 1), start=1):
        transfer(nodes, to)
        assert nodes.leader() == to
        assert nodes.run(Read("x"), Write("x", round_), home=to)[0].value == round_ - 1
    done = [nodes.status(node) for node in nodes.running]
    assert sum(status.counters.transfers_done for status in done if status is not None) >= 3


def test_a_leader_that_is_asked_to_stop_leaves_a_successor_behind(nodes: Nodes) -> None:
    nodes.start()
    leader = nodes.leader()
    nodes.run(Write("x", 1))
    wait_for(lambda: _heard_by_all(nodes, leader), "all followers have answered")
    assert nodes.stop(leader) == 0
    successor = nodes.leader()
    status = nodes.status(successor)
    assert status is not None
    assert status.counters.resignations_heard >= 1
    assert status.ballot[1] == successor
    assert nodes.run(Read("x"), home=successor)[0].value == 1


def test_a_leader_alone_stops_all_the_same(nodes: Nodes) -> None:
    nodes.start()
    leader = nodes.leader()
    nodes.run(Write("x", 1))
    for node in [node for node in nodes.running if node != leader]:
        nodes.running[node].send_signal(signal.SIGSTOP)
    assert nodes.stop(leader) == 0


def test_nobody_hands_over_to_a_stranger(nodes: Nodes) -> None:
    nodes.start()
    nodes.leader()
    with pytest.raises(NotDoneError, match="node 9 is no member"):
        transfer(nodes, 9)


def test_a_successor_that_is_stopped_does_not_stop_the_cluster(nodes: Nodes) -> None:
    nodes.start()
    leader = nodes.leader()
    gone = next(node for node in nodes.running if node != leader)
    nodes.running[gone].send_signal(signal.SIGSTOP)

    async def main() -> None:
        client: Client = nodes.client()
        try:
            with pytest.raises(ClientError):
                await client.transfer(gone, 2.0)
            await client.execute(Write("x", 2), BOUND_S)
        finally:
            client.close()

    asyncio.run(main())
    status = nodes.status(leader)
    assert status is not None
    assert (status.role, status.counters.stepped_down) == ("leader", 0)
    assert status.counters.transfers_given_up >= 1


def _heard_by_all(nodes: Nodes, leader: int) -> bool:
    upto = [status.chosen_upto for node in nodes.running if (status := nodes.status(node)) is not None]
    return len(set(upto)) == 1 and leader in nodes.running
