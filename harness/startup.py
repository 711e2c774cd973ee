"""When this process began, near enough: imported before what is slow to import, so that a run's first operation is
timed from where its user began to wait.
"""

from __future__ import annotations

from time import monotonic

_BEGAN = monotonic()


def since_start() -> float:
    """Return for how long this process has been there, seconds."""
    return monotonic() - _BEGAN
