"""What each anomaly rules out: a table, and the implications among anomalies and among models.

It follows Elle's (elle.consistency-model), restricted to the anomalies that are looked for here. The sources are Adya
1999; Adya, Liskov and O'Neil 2000 (portable levels PL-1 to PL-3, PL-SI); Bailis et al. 2013 (Highly Available
Transactions); Cerone, Bernardi, Gotsman 2015; Cerone and Gotsman 2016 (snapshot isolation is the absence of cycles
whose anti-dependencies are nowhere adjacent); Daudjee and Salem 2006 (sessions). Every read is of an item by its key,
so G2 is always G2-item, and G-single is always one of an item.

To say what a history is not, an anomaly is widened to all that it implies (a G0 is a G1c, too), those to the models
that forbid one of them, and those to every stronger model.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

STRICT_SERIALIZABLE: Final = "strict-serializable"

IMPLIED_MODELS: Final[Mapping[str, tuple[str, ...]]] = {
    STRICT_SERIALIZABLE: ("strong-session-serializable", "strong-snapshot-isolation"),
    "strong-session-serializable": ("serializable", "strong-session-snapshot-isolation"),
    "serializable": ("repeatable-read", "snapshot-isolation", "update-serializable"),
    "strong-snapshot-isolation": ("strong-session-snapshot-isolation", "strong-read-committed"),
    "strong-session-snapshot-isolation": ("snapshot-isolation", "strong-session-read-committed"),
    "snapshot-isolation": ("forward-consistent-view", "parallel-snapshot-isolation", "monotonic-snapshot-read"),
    "parallel-snapshot-isolation": ("update-atomic",),
    "update-atomic": ("read-atomic",),
    "read-atomic": ("monotonic-atomic-view",),
    "update-serializable": ("forward-consistent-view",),
    "forward-consistent-view": ("consistent-view",),
    "consistent-view": ("cursor-stability", "monotonic-view"),
    "repeatable-read": ("cursor-stability", "monotonic-atomic-view"),
    "cursor-stability": ("read-committed",),
    "monotonic-view": ("read-committed",),
    "monotonic-atomic-view": ("read-committed",),
    "monotonic-snapshot-read": ("read-committed",),
    "strong-read-committed": ("strong-session-read-committed", "strong-read-uncommitted"),
    "strong-session-read-committed": ("read-committed", "strong-session-read-uncommitted"),
    "strong-read-uncommitted": ("strong-session-read-uncommitted",),
    "strong-session-read-uncommitted": ("read-uncommitted",),
    "read-committed": ("read-uncommitted",),
    "read-uncommitted": (),
}
"""Each model, and the weaker ones that a history which satisfies it satisfies, too."""

MODELS: Final = tuple(IMPLIED_MODELS)

CYCLE_KINDS: Final = ("G0", "G1c", "G-single", "G-nonadjacent", "G2-item")
SUFFIXES: Final = ("", "-process", "-realtime")


def _of_cycles() -> dict[str, tuple[str, ...]]:
    """Return what each kind of cycle implies: the next weaker kind, and the same with one more order assumed."""
    weaker = {"G0": "G1c", "G-single": "G-nonadjacent", "G-nonadjacent": "G2-item"}
    implied: dict[str, tuple[str, ...]] = {}
    for kind in CYCLE_KINDS:
        for number, suffix in enumerate(SUFFIXES):
            also = [weaker[kind] + suffix] if kind in weaker else []
            also += [kind + later for later in SUFFIXES[number + 1 : number + 2]]
            implied[kind + suffix] = tuple(also)
    return implied


IMPLIED_ANOMALIES: Final[Mapping[str, tuple[str, ...]]] = {
    **_of_cycles(),
    "incompatible-order": ("G1a",),  # one of the two versions was never committed
    "dirty-update": ("G1a",),
    "future-read": ("G1c",),  # the trivial cycle of a transaction with itself
    "lost-update": ("G2-item",),
}
"""Each anomaly, and those that a history which has it has, too (besides itself)."""

FORBIDDEN: Final[Mapping[str, tuple[str, ...]]] = {
    "read-uncommitted": ("G0", "duplicate-elements", "cyclic-versions", "garbage-read"),
    "read-committed": ("G1a", "G1b", "G1c"),
    "cursor-stability": ("lost-update",),
    "consistent-view": ("G-single",),
    "read-atomic": ("internal", "future-read"),
    "update-atomic": ("lost-update",),
    "repeatable-read": ("G2-item", "lost-update", "internal"),
    "snapshot-isolation": ("internal", "G-nonadjacent"),
    "serializable": ("internal", "G2-item"),
    "strong-session-read-uncommitted": ("G0-process",),
    "strong-session-read-committed": ("G1c-process",),
    "strong-session-snapshot-isolation": ("G-nonadjacent-process",),
    "strong-session-serializable": ("G2-item-process",),
    "strong-read-uncommitted": ("G0-realtime",),
    "strong-read-committed": ("G1c-realtime",),
    "strong-snapshot-isolation": ("G-nonadjacent-realtime",),
    STRICT_SERIALIZABLE: ("G2-item-realtime",),
}
"""What each model forbids on top of the weaker models that it implies."""

ANOMALIES: Final = tuple(dict.fromkeys([*IMPLIED_ANOMALIES, *(a for found in FORBIDDEN.values() for a in found)]))
"""All anomalies there are."""


def _reached(starts: Iterable[str], steps: Mapping[str, Iterable[str]]) -> set[str]:
    """Return what can be reached, the starts included."""
    reached: set[str] = set()
    fresh = list(starts)
    while fresh:
        one = fresh.pop()
        if one not in reached:
            reached.add(one)
            fresh.extend(steps.get(one, ()))
    return reached


def _ruled_out(anomaly: str) -> frozenset[str]:
    implied = _reached([anomaly], IMPLIED_ANOMALIES)
    direct = [model for model, forbidden in FORBIDDEN.items() if not implied.isdisjoint(forbidden)]
    return frozenset(model for model in MODELS if not _reached([model], IMPLIED_MODELS).isdisjoint(direct))


_RULED_OUT: Final = {anomaly: _ruled_out(anomaly) for anomaly in ANOMALIES}


def ruled_out(anomalies: Iterable[str]) -> frozenset[str]:
    """Return every model that a history with these anomalies does not satisfy."""
    return frozenset().union(*(_RULED_OUT[anomaly] for anomaly in anomalies))


def weakest(models: Iterable[str]) -> tuple[str, ...]:
    """Return those of the models that imply no other of them, in the order of ``MODELS``."""
    given = set(models)
    return tuple(
        model
        for model in MODELS
        if model in given and _reached(IMPLIED_MODELS[model], IMPLIED_MODELS).isdisjoint(given)
    )
