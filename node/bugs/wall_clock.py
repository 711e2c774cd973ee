"""A node times everything by the wall clock.

*Mechanism.* ``time.time()`` instead of ``time.monotonic()``. When the clock is set back by three seconds, a leader's
lease is three seconds longer, and so is its patience with followers that it does not hear: deposed long ago, it
answers reads from its own state. When the clock is set forward, a follower's grant is over at once.

*In real life.* Every language's first answer to "what time is it". Leap seconds, a virtual machine that is resumed and
NTP's first correction after a start set clocks by seconds; Jepsen bumps clocks in most of its tests for that reason.
Go put a monotonic reading into every ``time.Time`` (version 1.9, 2017) after a leap second had broken Cloudflare's
DNS.

*Exposed by* a wall clock that is set back on a leader which is then cut off.

*Caught by* the linearizability checker alone: stale reads. The invariant of one lease asks the node with a true clock.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from node.assembly import Assembly
from node.museum import Exhibit, Real, misdeeds
from node.replica import Output, Replica, ReplicaEvent


class WallClock(Replica):
    """A replica that looks at another clock than the one that it is told."""

    wall: Callable[[], int]
    _apart: int | None = None

    def step(self, now: int, event: ReplicaEvent) -> Output:
        """Take one event at the time that the wall clock shows, counted from the first one."""
        wall = self.wall()
        if self._apart is None:
            self._apart = now - wall
        shown = wall + self._apart
        if abs(now - shown) > self.config.lease_ms * 1_000_000:
            misdeeds.happened()
        output = super().step(shown, event)
        if output.wake_at:
            output.wake_at += now - shown
        return output


def equip(replica: Replica, wall: Callable[[], int]) -> None:
    """Give it the wall clock."""
    assert isinstance(replica, WallClock)
    replica.wall = wall


def plant(healthy: Assembly) -> Assembly:
    """Break the node's sense of time."""
    return replace(healthy, replica=WallClock, equip=equip)


EXHIBIT = Exhibit(
    scenario="""
nodes = 3
time = "7s"
faults = []
schedule = [
{ at = "1s", until = "3s", fault = { type = "partition", shape = "leader" } },
{ at = "1050ms", until = "3s", fault = { type = "clock-bump", target = "leader", clock = "wall", delta_ms = -3000 } },
{ at = "4s", until = "6s", fault = { type = "partition", shape = "leader" } },
{ at = "4050ms", until = "6s", fault = { type = "clock-bump", target = "leader", clock = "wall", delta_ms = -3000 } },
]
""",
    caught_by=(
        "linearizable: *",
        "final-reads: *",
    ),
    checkers_alone=(
        "linearizable: *",
        "final-reads: *",
    ),
    real=Real(
        scenario="""
nodes = 3
time = "60s"
rate = 200
faults = []

[[schedule]]
at = "3s"
until = "5s"
every = "5s"
fault = { type = "partition", shape = "leader" }

[[schedule]]
at = "3050ms"
until = "5s"
every = "5s"
fault = { type = "clock-bump", target = "leader", clock = "wall", delta_ms = -3000 }
""",
        caught_by=("linearizable: *", "final-reads: *"),
    ),
)
