"""Random schedules in which disks lie and are replaced, on a minority, with nodes that know that they may forget.

The disks of some nodes call durable what is not, and lose it with the power, down to the number of the life they had
lived; or they are new. All nodes ask the others after every crash, so no more of them may be down or recovering at once
than leave a majority: after that nobody could tell anything to anybody, and they would wait for ever, as they must.
"""

from __future__ import annotations

from node.assembly import Assembly
from node.storage.wal import CorruptLogError
from tests.node.schedule import Run


class ForgetfulRun(Run):
    """One seed's run."""

    def __init__(self, seed: int, size: int = 3, assembly: Assembly | None = None) -> None:
        super().__init__(seed, size, assembly, {"amnesia_safe": 1})
        self.liars = set(self.rng.sample(self.cluster.members, size // 2))

    def start(self, node: int) -> None:
        """Start a node on its disk, which may lie from now on, or no more."""
        if self.cluster.nodes[node].replica is not None:
            return
        self.cluster.nodes[node].disk.lies = node in self.liars and not self.calm and self.rng.random() < 0.8
        try:
            super().start(node)
        except CorruptLogError:
            self.cluster.wipe(node)  # what an operator would do
            super().start(node)

    def crash(self, node: int) -> None:
        """Crash a node, if the others can do without it."""
        if len(self.unsure() | {node}) <= (len(self.cluster.members) - 1) // 2:
            super().crash(node)

    def unsure(self) -> set[int]:
        """Return the nodes that are down, about to be, or recovering."""
        return self._doomed | {
            node for node, it in self.cluster.nodes.items() if it.replica is None or it.replica.paxos.recovers
        }

    def fall(self, node: int) -> None:
        """A node is killed; one whose disk lies loses its power, or its disk, and is soon back."""
        if self.cluster.nodes[node].journal is not None and self.rng.random() < 0.2:
            self.cluster.stop(node)
        elif node not in self.liars:
            super().fall(node)
            return
        elif self.rng.random() < 0.3:
            self.cluster.wipe(node)
        else:
            self.cluster.lose_power(node)
        self.later(self.rng.uniform(0, 200), self.start, node)

    def blow(self) -> None:
        """Do one bad thing, or mend one; often the one that this is about."""
        super().blow()
        if not self.calm and self.rng.random() < 0.5:
            self.crash(self.rng.choice(sorted(self.liars)))
