"""How much may be asked of a comparison of detectors: apart, so that the command line can be read without NumPy."""

from __future__ import annotations

BEATS_MIN = 20
"""A link with fewer heartbeats says nothing."""
BEATS_MAX = 10_000_000
