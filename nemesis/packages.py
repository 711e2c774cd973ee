"""Packages: several kinds of faults under one name, as one would ask for them, and the rhythm of a run that has them.

After Jepsen's combined nemesis package (``jepsen.nemesis.combined``): name what should be broken, say how hard, and get
faults of each kind that overlap, time without any in between, and a healed end. The kinds that are named by themselves
(``partition``, ``kill``, ``pause``, ``link``) need no package. A package has only kinds that are in the model as they
are drawn, and that heal: what it finds is a bug.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from nemesis.swarm import Intensity

PACKAGES: dict[str, tuple[str, ...]] = {
    "clock": ("clock-drift", "clock-bump", "clock-strobe"),
    "disk": ("disk-slow", "disk-eio", "disk-full"),
    "power": ("power-off",),
    "process": ("kill", "pause", "restart", "rolling-restart", "starve", "fd-limit"),
}
"""The kinds of each package."""


@dataclass(frozen=True, slots=True)
class Rounds:
    """A run's rhythm: faults for ``storm_ms``, none for ``quiet_ms``, and so on; none in its last ``calm_ms``.

    What would begin or end in the quiet is moved into the next storm.
    """

    storm_ms: int
    quiet_ms: int
    calm_ms: int = 2_000

    def placed(self, at_ms: int, lasts_ms: int) -> int:
        """Return when a fault begins that was to begin ``at_ms`` after the first storm did; later, if at all."""
        period_ms = self.storm_ms + self.quiet_ms
        number, within_ms = divmod(at_ms, period_ms)
        room_ms = max(1, self.storm_ms - lasts_ms)
        return at_ms if within_ms < room_ms else (number + 1) * period_ms + within_ms % room_ms


ROUNDS = {
    Intensity.LOW: Rounds(6_000, 6_000),
    Intensity.MEDIUM: Rounds(8_000, 4_000),
    Intensity.HIGH: Rounds(10_000, 2_500),
}
"""A storm is longer than any fault in it (``nemesis.swarm.PACES``)."""


def expand(names: Iterable[str]) -> tuple[str, ...]:
    """Return the kinds that are meant, each once, in the order in which they are named first."""
    return tuple(dict.fromkeys(kind for name in names for kind in PACKAGES.get(name, (name,))))
