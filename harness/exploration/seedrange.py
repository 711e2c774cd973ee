"""Which seeds: ``A..B`` is A up to but not including B, as in ``range``; a bare ``N`` is that seed alone.

Half open, so that the next stretch begins with the number that this one ended with: ``0..1000``, then ``1000..2000``.
"""

from __future__ import annotations

import re

from harness.seeds import SEED_MAX

SEEDS_MAX = 10_000_000
"""Seeds of one exploration."""
_RANGE = re.compile(r"(\d{1,19})(?:\.\.(\d{1,19}))?", re.ASCII)


class SeedRangeError(ValueError):
    """A range of seeds that cannot be explored; the message says why."""


def parse_seeds(text: str) -> range:
    """Return the seeds that a text means. Raises SeedRangeError."""
    match = _RANGE.fullmatch(text.strip())
    if match is None:
        raise SeedRangeError(f"seeds: {text!r} is neither A..B (A up to, but not including B) nor one seed")
    first = int(match[1])
    end = int(match[2]) if match[2] is not None else first + 1
    if end <= first:
        raise SeedRangeError(f"seeds: {text!r} holds none: A..B is A up to, but not including B")
    if end - 1 > SEED_MAX:
        raise SeedRangeError(f"seeds: {end - 1} is above {SEED_MAX}")
    if end - first > SEEDS_MAX:
        raise SeedRangeError(f"seeds: {end - first} at once are more than {SEEDS_MAX}")
    return range(first, end)
