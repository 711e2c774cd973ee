"""How many examples a property is tried with: as many as tell in a test run, or as many as ``make prove`` wants.

Without ``ANTIPAXOS_EXAMPLES`` the examples are the same each time (see ``conftest``): a run of the tests that fails is
not a matter of luck. With it they are others every time, and at least so many.
"""

from __future__ import annotations

import os
from typing import Final

from hypothesis import settings

WANTED: Final = int(os.environ.get("ANTIPAXOS_EXAMPLES", "0"))


def examples(usual: int) -> settings:
    """Return the settings for a property that compares an algorithm with brute force, or with another one."""
    return settings(max_examples=max(usual, WANTED))
