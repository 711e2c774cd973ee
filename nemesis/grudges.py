"""The shapes of partitions: pure functions from nodes to the directed links that are cut.

The names and meanings are Jepsen's where it has them (jepsen.nemesis, 0.3). A grudge there maps a node to those whose
packets it drops; here it is the same as a set of directed links, so a one-way partition is nothing special.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from nemesis.ground import Link
from nemesis.targets import TargetError, majority

SHAPES = (
    "halves",
    "random-halves",
    "one",
    "leader",
    "majorities-ring",
    "bridge",
    "minority-third",
    "one-way",
    "leader-deaf",
    "leader-mute",
)
"""``halves``: the first half of the nodes against the rest, in fixed order. ``random-halves``: the same, shuffled.
``one``: one random node alone. ``leader``: the leader alone. ``majorities-ring``: each node sees a majority, no two
the same one. ``bridge``: two halves and one node that sees both. ``minority-third``: less than a third against the
rest. ``one-way``: two halves, the second never hears the first. ``leader-deaf``: the leader hears nobody.
``leader-mute``: nobody hears the leader."""


def grudge(shape: str, nodes: Sequence[str], order: Sequence[str], leader: str | None) -> frozenset[Link]:
    """Return the links that a shape cuts. Raises TargetError if it cannot be made here."""
    if len(nodes) < 2:
        raise TargetError("a partition needs two nodes")
    half = len(nodes) // 2
    match shape:
        case "halves":
            return both_ways(nodes[:half], nodes[half:])
        case "random-halves":
            return both_ways(order[:half], order[half:])
        case "one":
            return both_ways(order[:1], order[1:])
        case "leader" | "leader-deaf" | "leader-mute":
            return _around_leader(shape, nodes, leader)
        case "majorities-ring":
            return majorities_ring(order)
        case "bridge":
            if len(nodes) < 3:
                raise TargetError("a bridge needs three nodes: with two, nobody is left on the other side")
            return both_ways(order[:half], order[half + 1 :])
        case "minority-third":
            third = max(1, (len(nodes) - 1) // 3)
            return both_ways(order[:third], order[third:])
        case "one-way":
            return one_way(order[:half], order[half:])
    raise TargetError(f"no partition is shaped {shape!r}; there are: {', '.join(SHAPES)}")


def both_ways(left: Iterable[str], right: Iterable[str]) -> frozenset[Link]:
    """Cut all links between two groups."""
    left, right = tuple(left), tuple(right)
    return one_way(left, right) | one_way(right, left)


def one_way(sources: Iterable[str], destinations: Iterable[str]) -> frozenset[Link]:
    """Cut what the sources send to the destinations, and nothing else."""
    destinations = tuple(destinations)
    return frozenset(Link(source, to) for source in sources for to in destinations if source != to)


def majorities_ring(order: Sequence[str]) -> frozenset[Link]:
    """Cut links so that every node sees a majority, itself included, and no two nodes see the same one.

    Nodes stand in a ring, and each keeps the links to its nearest neighbours on both sides.
    """
    count = len(order)
    if count < 4:
        raise TargetError("a ring of majorities needs four nodes: with fewer, each majority is everybody or a pair")
    reach = majority(count) // 2
    kept = {
        Link(order[i], order[(i + step) % count]) for i in range(count) for step in range(-reach, reach + 1) if step
    }
    return one_way(order, order) - kept


def _around_leader(shape: str, nodes: Sequence[str], leader: str | None) -> frozenset[Link]:
    if leader is None:
        raise TargetError("no node leads")
    others = [node for node in nodes if node != leader]
    match shape:
        case "leader-deaf":
            return one_way(others, [leader])
        case "leader-mute":
            return one_way([leader], others)
    return both_ways([leader], others)


def describe(links: frozenset[Link], nodes: Sequence[str]) -> str:
    """Return a grudge in a few words: groups if it is a clean split, else its arrows."""
    groups = _groups(links, nodes)
    if len(groups) > 1 and links == frozenset().union(
        *(both_ways(a, b) for i, a in enumerate(groups) for b in groups[i + 1 :])
    ):
        return " | ".join("{" + ", ".join(group) + "}" for group in groups)
    sources: dict[str, list[str]] = {}
    for link in sorted(links):
        sources.setdefault(link.source, []).append(link.destination)
    return "; ".join(f"{source} ⇸ {', '.join(to)}" for source, to in sources.items())


def _groups(links: frozenset[Link], nodes: Sequence[str]) -> list[tuple[str, ...]]:
    """Return the groups of nodes that still hear each other, both ways, directly or through others."""
    left = list(nodes)
    groups: list[tuple[str, ...]] = []
    while left:
        group = {left[0]}
        grown = True
        while grown:
            near = {
                node
                for node in left
                if any(Link(node, peer) not in links and Link(peer, node) not in links for peer in group)
            }
            grown = not near <= group
            group |= near
        groups.append(tuple(node for node in nodes if node in group))
        left = [node for node in left if node not in group]
    return groups
