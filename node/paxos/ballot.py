"""Ballots: totally ordered, unique per attempt to lead.

A ballot is (round, node). The node's id makes two proposers' ballots different, the round makes two attempts of one
proposer different; rounds are made durable before they are used, so a restart cannot reuse one.
"""

from __future__ import annotations

from typing import NamedTuple


class Ballot(NamedTuple):
    """One attempt to lead; compared by round, then by node id."""

    round: int
    node: int

    def __str__(self) -> str:
        return f"{self.round}.{self.node}"


ZERO = Ballot(0, 0)
"""Lower than every ballot that a proposer may use (rounds start at 1)."""
