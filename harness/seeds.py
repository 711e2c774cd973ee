"""The seed tree: every random stream of a run has a path under the run's seed, and nothing else draws randomness.

    SeedTree(17).stream("faults/partition")

A path names what is decided, so adding a stream, or drawing more from one, changes nothing that other streams decide:
a plan made today is the plan that the same seed makes after the next feature. Streams are built on the one part of
``random.Random`` whose sequence Python promises to keep, ``random()``; everything else is computed from it here.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

_T = TypeVar("_T")

SEED_MAX = 2**63 - 1


class Stream:
    """One stream of draws."""

    __slots__ = ("random",)

    def __init__(self, key: int) -> None:
        self.random: Callable[[], float] = random.Random(key).random
        """Returns the next number in [0, 1)."""

    def below(self, bound: int) -> int:
        """Return an integer in [0, bound); bound is at most 2**53."""
        if not 0 < bound <= 2**53:
            raise ValueError(f"cannot draw below {bound}")
        return int(self.random() * bound)

    def between(self, low: int, high: int) -> int:
        """Return an integer in [low, high]."""
        return low + self.below(high - low + 1)

    def choice(self, items: Sequence[_T]) -> _T:
        """Return one of the items."""
        return items[self.below(len(items))]

    def shuffled(self, items: Iterable[_T]) -> list[_T]:
        """Return the items in random order (Fisher and Yates)."""
        result = list(items)
        for last in range(len(result) - 1, 0, -1):
            other = self.below(last + 1)
            result[last], result[other] = result[other], result[last]
        return result


class SeedTree:
    """All streams of one run."""

    def __init__(self, seed: int) -> None:
        if not 0 <= seed <= SEED_MAX:
            raise ValueError(f"a seed is a whole number from 0 to 2**63 - 1, not {seed}")
        self.seed = seed

    def stream(self, path: str) -> Stream:
        """Return the stream of a path, from its beginning."""
        return Stream(self.number(path))

    def number(self, path: str) -> int:
        """Return the 128-bit number of a path: to seed what is not a stream of ours."""
        named = hashlib.blake2b(f"{self.seed}/{path}".encode(), digest_size=16)
        return int.from_bytes(named.digest(), "big")
