"""Which nodes a fault hits: symbolic names, resolved when the fault is injected.

The plan fixes everything that chance decides (``order``, a permutation of the nodes drawn from the seed); only the
leader is not known before the run. So the same seed hits the same nodes wherever it does not depend on who leads.
"""

from __future__ import annotations

from collections.abc import Sequence

SYMBOLS = ("leader", "follower", "one", "minority-third", "minority", "majority", "all")


class TargetError(ValueError):
    """A target that cannot be resolved; the message says why."""


def majority(nodes: int) -> int:
    """Return how many of ``nodes`` nodes are a majority."""
    return nodes // 2 + 1


def resolve(target: str, order: Sequence[str], leader: str | None) -> tuple[str, ...]:
    """Return the nodes a target means, sorted.

    ``leader`` and ``follower`` are one node each, ``one`` any one, ``minority-third`` less than a third, ``minority``
    less than half (but at least one), ``majority`` just more than half; else a node's name, or several joined by ``+``.
    Raises TargetError.
    """
    count = len(order)
    match target:
        case "leader":
            if leader is None:
                raise TargetError("no node leads")
            return (leader,)
        case "follower":
            followers = [node for node in order if node != leader]
            if not followers:
                raise TargetError("there is no follower")
            return (followers[0],)
        case "one":
            return (order[0],)
        case "minority-third":
            return tuple(sorted(order[: max(1, (count - 1) // 3)]))
        case "minority":
            return tuple(sorted(order[: max(1, (count - 1) // 2)]))
        case "majority":
            return tuple(sorted(order[: majority(count)]))
        case "all":
            return tuple(sorted(order))
    named = tuple(sorted(set(target.split("+"))))
    strangers = [node for node in named if node not in order]
    if strangers:
        raise TargetError(f"{target!r} names {strangers[0]!r}, which is no node here")
    return named
