"""Any scenario that can be run, for Hypothesis."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from harness.duration import format_ms, format_ns
from harness.scenario import (
    LOCAL_MODES,
    NODE_SETTINGS,
    NODES_MAX,
    PLACES,
    SYSTEM_NAMES,
    Scenario,
    Timed,
    TimedOperation,
)
from harness.seeds import SEED_MAX
from nemesis.faults import KINDS, Fault, Kill, Partition, Pause, Restart
from nemesis.grudges import SHAPES
from nemesis.targets import SYMBOLS
from node.assembly import bug_names
from workloads.catalogue import WORKLOADS

NAME_LETTERS = "abcXYZ019-_.é"

NUMBERS = tuple(name for name in NODE_SETTINGS if name != "detector")


def kinds() -> st.SearchStrategy[tuple[str, ...]]:
    """Return some kinds of faults in any order."""
    return st.lists(st.sampled_from(sorted(KINDS)), unique=True).map(tuple)


def faults(nodes: list[str]) -> st.SearchStrategy[Fault]:
    """Return any fault that means something among these nodes."""
    named = st.lists(st.sampled_from(nodes), min_size=1, max_size=3).map("+".join)
    targets = st.sampled_from(SYMBOLS) | named
    grudges = st.dictionaries(
        st.sampled_from(nodes), st.lists(st.sampled_from(nodes), max_size=3).map(tuple), max_size=3
    )
    return st.one_of(
        st.builds(Partition, st.sampled_from(SHAPES), grudges),
        *(st.builds(fault, targets) for fault in (Kill, Pause, Restart)),
    )


@st.composite
def timed(draw: st.DrawFn, nodes: list[str], time_ms: int) -> Timed:
    """Draw a fault at a fixed time within the run."""
    at = draw(st.integers(0, time_ms - 1))
    return Timed(
        at=format_ms(at),
        until=format_ms(draw(st.integers(at + 1, time_ms))),
        fault=draw(faults(nodes)),
        order=draw(st.none() | st.permutations(nodes).map(tuple)),
    )


@st.composite
def timed_operation(draw: st.DrawFn, workload: str, clients: int, time_ms: int) -> TimedOperation:
    """Draw an operation at a fixed time within the run."""
    f = draw(st.sampled_from(WORKLOADS[workload].functions))
    key = draw(st.sampled_from(("r0", "x", "é")))
    value: int | str | None = None if f == "read" else draw(st.integers(-5, 5_000))
    if f == "txn":
        changes = "append" if workload == "txn-append" else "w"
        value = draw(st.sampled_from((f"r {key}a", f"{changes} {key}e {value}; r {key}b", f"{changes} {key}a {value}")))
    return TimedOperation(
        at=format_ns(draw(st.integers(0, time_ms * 1_000_000 - 1))),
        client=draw(st.integers(0, clients - 1)),
        f=f,
        key=key,
        value=value,
    )


@st.composite
def scenarios(draw: st.DrawFn, time_max_ms: int = 60_000, rate_max: int = 20_000) -> Scenario:
    """Draw a scenario; no field is left out."""
    count = draw(st.integers(1, NODES_MAX))
    time_ms = draw(st.integers(1_000, time_max_ms))
    concurrency = draw(st.integers(1, 500))
    workload = draw(st.sampled_from(sorted(WORKLOADS)))
    operations = st.lists(timed_operation(workload, concurrency, time_ms), max_size=3).map(tuple)
    names = [f"n{number}" for number in range(1, count + 1)]
    chosen: dict[str, Any] = {
        "name": draw(st.text(NAME_LETTERS, min_size=1, max_size=20).filter(lambda name: name[0] != ".")),
        "seed": draw(st.none() | st.integers(0, SEED_MAX)),
        "system": draw(st.sampled_from(SYSTEM_NAMES)),
        "place": draw(st.sampled_from(PLACES)),
        "mode": draw(st.sampled_from(LOCAL_MODES)),
        "nodes": count,
        "time": format_ms(time_ms),
        "rate": draw(st.integers(1, rate_max)),
        "concurrency": concurrency,
        "workload": workload,
        "operations": draw(st.none() | operations),
        "faults": draw(kinds()),
        "schedule": tuple(draw(st.lists(timed(names, time_ms), max_size=3))),
        "intensity": draw(st.sampled_from((None, "low", "medium", "high"))),
        "require": draw(st.none() | kinds()),
        "operation_timeout": format_ms(draw(st.integers(1, 10_000))),
        "recovery": format_ms(draw(st.integers(1, 100_000))),
        "bug": draw(st.none() | st.sampled_from(bug_names())),
        "node": draw(st.dictionaries(st.sampled_from(NUMBERS), st.integers(1, 10_000), max_size=3)),
        "invariants": draw(st.booleans()),
        "clocks": draw(st.booleans()),
        "pcap": draw(st.booleans()),
        "stop_on_violation": draw(st.booleans()),
    }
    assert chosen.keys() == set(Scenario.__struct_fields__), "a new field wants to be drawn here"
    return Scenario(**chosen)
