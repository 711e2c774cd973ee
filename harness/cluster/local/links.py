"""What links can do here, by which means, and what is said where they cannot."""

from __future__ import annotations

from collections.abc import Mapping

from harness.cluster.base import Ability
from harness.cluster.local.messages import Counted, Opened
from nemesis.ground import Link, LinkCounters

_SWITCHES = {"root": "AF_PACKET switch", "userns": "user namespace + AF_PACKET switch"}
_PROXIES = "a TCP proxy per directed link"
CHUNKS = "chunks"


def abilities(opened: Opened) -> tuple[Ability, ...]:
    """Return what a cluster's links can do."""
    if opened.mode == "loopback":
        return (
            Ability("links", True, f"{_PROXIES}: cuts hold back, counters are chunks"),
            Ability("weather", True, f"{_PROXIES}: streams are late, limited or clogged"),
            Ability("frames", False, "none", f"nothing can be lost, doubled or overtaken by proxies: {opened.lost}"),
            Ability("resets", True, f"{_PROXIES}, and the clients' own sockets"),
        )
    switch = _SWITCHES[opened.mode]
    resets = Ability("resets", True, "SOCK_DESTROY in the nodes' namespaces")
    if opened.no_resets:
        missing = f"connections cannot be broken: {opened.no_resets}; it takes a kernel with CONFIG_INET_DIAG_DESTROY"
        resets = Ability("resets", False, "none", missing)
    return (
        Ability("links", True, f"{switch}; {opened.recovery}"),
        Ability("weather", True, switch),
        Ability("frames", True, switch),
        resets,
    )


def counters(counted: Counted, opened: Opened) -> Mapping[Link, LinkCounters]:
    """Return the counters of all links between nodes."""
    unit = CHUNKS if opened.mode == "loopback" else "packets"
    return {
        Link(row.source, row.destination): LinkCounters(
            row.forwarded,
            row.dropped,
            row.lost,
            row.duplicated,
            row.delayed,
            row.reordered,
            row.clogged,
            row.throttled,
            unit,
        )
        for row in counted.rows
    }
