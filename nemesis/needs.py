"""Which ability of its place each kind of fault needs: known before any place is there, for headers and the doctor.

The actions say the same where they are carried out (``Action.needs``); a test holds the two together.
"""

from __future__ import annotations

from nemesis.faults import KINDS

_BY_PREFIX = {"link": "weather", "clock": "clocks", "disk": "disk"}
_BY_KIND = {
    "partition": "links",
    "power-off": "power",
    "disk-rot": "disk",
    "membership": "membership",
    "starve": "cpu",
    "memory-limit": "limits",
    "fd-limit": "limits",
    "reset": "resets",
}

NEEDS: dict[str, str] = {
    kind: _BY_KIND.get(kind) or _BY_PREFIX.get(kind.partition("-")[0], "processes") for kind in KINDS
}
"""The ability that each kind needs."""
