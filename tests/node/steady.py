"""A cluster in steady weather: every message takes a moment, every sync another, and links are cut at will.

``schedule.py`` throws everything at a cluster; here nothing happens but what the test says, so that what follows from
one cut alone can be measured: how long nobody leads, how often the leader changes, how high the ballots climb.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise

from node import wire
from node.assembly import Assembly
from node.paxos.ballot import ZERO, Ballot
from node.paxos.config import MS
from node.paxos.effects import Tick
from tests.node.cluster import Cluster, Letter

DELAY_NS = 300_000
SYNC_NS = 200_000
PROBE_MS = 5
"""How often a client asks every node whether it can have something chosen."""


class Steady:
    """A running cluster; ``chosen_at`` are the times at which something was chosen, ``reigns`` who led when."""

    def __init__(
        self,
        size: int = 3,
        seed: int = 0,
        settings: Mapping[str, int | str] | None = None,
        assembly: Assembly | None = None,
    ) -> None:
        self.cluster = Cluster(size, seed, settings=dict(settings or {}), assembly=assembly)
        self.cluster.carry = self._send
        self.chosen_at: list[int] = []
        self.reigns: list[tuple[int, int, Ballot]] = []
        self._heap: list[tuple[int, int, Callable[..., None], tuple[object, ...]]] = []
        self._count = 0
        self._syncing: set[tuple[int, int]] = set()
        self._alarm: dict[int, int] = {}
        self._frozen: set[int] = set()
        self._asked = 0
        for node in self.cluster.members:
            self.start(node)
        self._at(0, self._probe)

    # -- what tests say -----------------------------------------------------------------------------------------------

    def run(self, ms: float) -> None:
        """Let time pass."""
        end = self.cluster.now + int(ms * MS)
        while self._heap and self._heap[0][0] <= end:
            due, _, action, arguments = heapq.heappop(self._heap)
            self.cluster.now = max(self.cluster.now, due)
            action(*arguments)
        self.cluster.now = end

    def until_led(self, within_ms: float = 10_000) -> int:
        """Let time pass until something was chosen just now; return who leads."""
        end = self.cluster.now + int(within_ms * MS)
        begun = len(self.chosen_at)
        while self.cluster.now < end:
            self.run(1)
            if len(self.chosen_at) > begun + 3:
                return self.reigns[-1][1]
        raise AssertionError(f"nobody leads after {within_ms} ms")

    def start(self, node: int) -> None:
        """Start a node."""
        self.cluster.start(node)
        self._syncing = {key for key in self._syncing if key[0] != node}
        self._stepped(node)

    def crash(self, node: int) -> None:
        """Kill a node."""
        self.cluster.crash(node)
        self._alarm.pop(node, None)

    def freeze(self, *nodes: int) -> None:
        """Stop nodes: what comes for them waits."""
        self._frozen |= set(nodes)

    def thaw(self, *nodes: int) -> None:
        """Let them go on."""
        self._frozen -= set(nodes)

    def cut(self, links: Iterable[tuple[int, int]]) -> None:
        """Cut exactly these directed links."""
        self.cluster.cut = set(links)

    def longest_gap_ms(self, since: int) -> float:
        """Return the longest time without anything being chosen since then, the open end included."""
        times = [since, *(at for at in self.chosen_at if at > since), self.cluster.now]
        return max(later - sooner for sooner, later in pairwise(times)) / MS

    def highest(self) -> Ballot:
        """Return the highest ballot that any running node has promised."""
        return max((it.replica.paxos.ballot for it in self.cluster.nodes.values() if it.replica), default=ZERO)

    def total(self, counter: str) -> int:
        """Return the sum of a counter over all nodes."""
        return sum(getattr(it.counters, counter) for it in self.cluster.nodes.values())

    # -- the weather --------------------------------------------------------------------------------------------------

    def _at(self, due: int, action: Callable[..., None], *arguments: object) -> None:
        self._count += 1
        heapq.heappush(self._heap, (due, self._count, action, arguments))

    def _send(self, letter: Letter) -> None:
        self._at(self.cluster.now + DELAY_NS, self._arrive, letter)

    def _arrive(self, letter: Letter) -> None:
        if letter.to in self._frozen:
            self._at(self.cluster.now + MS, self._arrive, letter)
        elif self.cluster.deliver(letter):
            self._stepped(letter.to)

    def _stepped(self, node: int) -> None:
        it = self.cluster.nodes[node]
        if it.waiting and (node, it.starts) not in self._syncing:
            self._syncing.add((node, it.starts))
            self._at(self.cluster.now + SYNC_NS, self._synced, node, it.starts)
        if it.wake_at and self._alarm.get(node) != it.wake_at:
            self._alarm[node] = it.wake_at
            self._at(max(it.wake_at, self.cluster.now), self._wake, node, it.starts, it.wake_at)
        if it.replica is not None and it.replica.paxos.leader is not None:
            reign = (node, it.replica.paxos.leader.ballot)
            if reign not in [(who, ballot) for _, who, ballot in self.reigns[-3:]]:
                self.reigns.append((self.cluster.now, *reign))

    def _synced(self, node: int, starts: int) -> None:
        it = self.cluster.nodes[node]
        if it.starts == starts and it.replica is not None:
            self._syncing.discard((node, starts))
            self.cluster.fsync(node)
            self._stepped(node)

    def _wake(self, node: int, starts: int, at: int) -> None:
        it = self.cluster.nodes[node]
        if it.starts != starts or it.wake_at != at or it.replica is None:
            return
        if node in self._frozen:
            self._at(self.cluster.now + MS, self._wake, node, starts, at)
            return
        self._alarm.pop(node, None)
        self.cluster.step(node, Tick())
        self._stepped(node)

    def _probe(self) -> None:
        """Ask every node to have something chosen, and note when anything was."""
        self._at(self.cluster.now + PROBE_MS * MS, self._probe)
        witnessed = len(self.cluster.witness.chosen)
        if witnessed != self._asked:
            self._asked = witnessed
            self.chosen_at.append(self.cluster.now)
        for node, it in self.cluster.nodes.items():
            if it.replica is not None and node not in self._frozen:
                self.cluster.request(node, 1, wire.Request(1, wire.OpenSession()))
                self._stepped(node)


def quorum_connected(size: int, cut: set[tuple[int, int]]) -> list[int]:
    """Return the nodes that have links in both directions with enough others for a majority."""
    members = range(1, size + 1)
    return [
        node
        for node in members
        if 1 + sum((node, other) not in cut and (other, node) not in cut for other in members if other != node)
        > size // 2
    ]
