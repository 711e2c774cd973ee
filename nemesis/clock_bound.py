"""How wrong monotonic clocks may run before the world has broken a promise: what leases rest on.

A lease that one node grants ends, by another's clock, at a time that is right as long as both clocks keep the bound. A
system without leases rests on no clock, so there is nothing to break: whatever clocks do is in the model then.
"""

from __future__ import annotations

from dataclasses import dataclass

DRIFT_BOUND_PPM = 1_000
"""By how much a monotonic clock's rate may be wrong by default."""


@dataclass(frozen=True, slots=True)
class ClockBound:
    """``ppm``: by how many parts per million of true time a rate may be wrong; None if nothing rests on clocks."""

    ppm: int | None = DRIFT_BOUND_PPM

    def broken_by(self, ppm: float) -> str:
        """Say in a few words which promise is broken by clocks that are wrong by so much; "" if none."""
        if self.ppm is None or abs(ppm) <= self.ppm:
            return ""
        return "monotonic clocks are worse than the bound that leases rest on"


UNTOLD = ClockBound()
"""What holds for a system that says nothing of its clocks."""
