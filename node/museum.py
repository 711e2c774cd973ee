"""What an exhibit of the museum says about itself, as data, and how a planted bug owns up to what it does.

A planted bug that is not caught proves something only if it was there to be caught. So each counts its *misdeeds*: the
moments in which it did what a healthy node would not have done in its place. The count belongs to the process, not to
the node: the healthy code has no field for it, and whoever carries a simulated run out (one process, one run at a time)
sets it to nothing before, and reads it afterwards.

The scenario is TOML in the bug's own file and no object, because scenarios belong to the harness, of which the node
knows nothing; and so that one file has all there is to one bug: its story, its code, and what it takes to catch it.

A defence in depth makes some bugs harmless by itself. Those are planted where it is missing: ``Unasked`` takes the
pre-election away.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from node.paxos.preelection import PreElection

ANNOUNCEMENT = "the planted bug did wrong for the first time"
"""What a real process writes into its log then: nobody can look into it from outside."""


@dataclass(frozen=True, slots=True)
class Real:
    """How a planted bug is caught on real processes, where it takes another scenario than in simulation.

    A minute in which what exposes the bug comes again and again: no disk is as slow and no moment as exact as it can be
    simulated. ``caught_by`` is what checkers have to say, as nobody can look for a broken invariant there.
    """

    scenario: str
    caught_by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Exhibit:
    """How one planted bug is caught.

    ``scenario``: TOML as of a scenario file, without ``name``, ``place``, ``bug`` and ``seed``. ``caught_by``: what
    has to be said of a run, "checker: kind of anomaly", where ``*`` is anything; any one of them is a catch.
    ``checkers_alone``: the same where no invariant may end the run; nothing if the checkers cannot see it. ``real``:
    both on real processes, if they are others there.
    """

    scenario: str
    caught_by: tuple[str, ...]
    checkers_alone: tuple[str, ...] = ()
    real: Real | None = None


class Misdeeds:
    """How often the planted bug did wrong."""

    __slots__ = ("announce", "count")

    def __init__(self) -> None:
        self.count = 0
        self.announce: Callable[[str], None] = lambda text: None

    def happened(self) -> None:
        """It did wrong, now."""
        if not self.count:
            self.announce(ANNOUNCEMENT)
        self.count += 1

    def forget(self) -> None:
        """A new run begins."""
        self.count = 0


misdeeds = Misdeeds()
"""Those of this process."""


class Unasked(PreElection):
    """A pre-election that is won before it begins: for bugs that a pre-election hides, in nodes that asked nobody."""

    def ready_at(self, now: int) -> int | None:
        """Return now."""
        return now
