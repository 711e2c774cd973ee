"""What somebody wants to see of a simulated run while it goes on: its lines, or the world at one moment.

An observation is handed in with a run and changes nothing of it: the same seed has the same hash, looked at or not. It
is the one seam between the outside and a world that is made and gone within one call.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from harness.cluster.simulated import SimulatedCluster
from harness.simulation.invariants import InvariantError
from harness.simulation.loop import VirtualLoop
from harness.simulation.tape import Tape, TraceLine

BROKEN = "broken"
"""The kind of the line that says that an invariant breaks."""


class World(NamedTuple):
    """A simulated run's insides."""

    loop: VirtualLoop
    cluster: SimulatedCluster


@dataclass(slots=True)
class Observation:
    """What to see: each ``line`` of the trace; the world ``at_break``, after an event or at a time.

    ``break_at`` is the event's number, 0 for none; ``until_ns`` a time on the world's clock; ``at_failure`` is when an
    invariant breaks. A run that is broken off ends with ``trace.Breakpoint``, unless a broken invariant ended it in
    that very moment. ``world`` is there once the run has begun.
    """

    line: Callable[[TraceLine], None] | None = None
    break_at: int = 0
    until_ns: int | None = None
    at_failure: bool = False
    at_break: Callable[[World], None] = lambda world: None
    world: World | None = field(init=False, default=None)

    def attach(self, world: World) -> None:
        """Look at this world from its beginning on."""
        self.world = world
        trace = world.cluster.trace
        world.cluster.invariants.on_broken = self._broken
        if self.line is not None:
            trace.tape = Tape(self.line)
        trace.break_at = self.break_at
        trace.on_break = lambda: self.at_break(world)
        if self.until_ns is not None:
            world.loop.at(self.until_ns, trace.reach)

    def _broken(self, error: InvariantError) -> None:
        assert self.world is not None
        trace = self.world.cluster.trace
        trace.happens(BROKEN, "", "invariant", str(error))
        if self.at_failure:
            trace.reach()

    @property
    def events(self) -> int:
        """How many events there have been."""
        return self.world.cluster.trace.events if self.world is not None else 0

    @property
    def broken_off(self) -> bool:
        """True once the moment to break off has come."""
        return self.world is not None and self.world.cluster.trace.broken_off
