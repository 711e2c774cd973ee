"""The plan: a scenario and a seed give the same bytes everywhere, and faults and operations keep to their rules.

The golden hashes are a promise to everybody who has written a seed down. If one changes by intention (a new menu, a
new workload), ``PLAN_VERSION`` has to change with it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.plan import (
    LIMIT_SETTINGS,
    MENUS,
    MS,
    PLAN_VERSION,
    QUIET_START_MS,
    SNAPSHOT_SETTINGS,
    WINDOW_SETTINGS,
    Plan,
    make_plan,
    node_settings,
)
from harness.scenario import Scenario, Timed, changed
from harness.seeds import SEED_MAX
from nemesis.faults import IN_MODEL, KINDS, Kill, Partition, kind
from nemesis.nemesis import ScheduledFault
from nemesis.packages import ROUNDS
from nemesis.swarm import KINDS_OF_SWARMS, PACES, Intensity, variants
from nemesis.targets import majority, resolve
from node.paxos.config import Config
from tests.harness.scenarios import scenarios
from workloads.catalogue import WORKLOADS

REPOSITORY = Path(__file__).resolve().parents[2]
seeds = st.integers(0, SEED_MAX)
small = scenarios(time_max_ms=30_000, rate_max=40)
patiently = settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=60)

MIXED = Scenario(workload="append", nodes=3, time="20s", faults=("kill", "pause", "restart"))
LARGE = Scenario(workload="set", nodes=7, time="30s", rate=50, faults=("partition",))
FIXED = Scenario(
    time="5s",
    rate=10,
    faults=(),
    schedule=(
        Timed(at="3s", until="4s", fault=Kill("n1")),
        Timed(at="500ms", until="2s", fault=Partition("mine", {"n1": ("n2",)})),
    ),
)
SWARM_20S = Scenario(place="simulated", time="20s", faults=("swarm",))
GOLDEN = [
    (Scenario(), 17, "b65415e740d8e10b9fa0cc5355caace1f1b56247b9db9f5033f8f588c5ccaf14"),
    (MIXED, 1, "40e8772ed3326ea65522e24105f8e8140207c6a012a7552fda1c8bb795b674ce"),
    (LARGE, SEED_MAX, "6a876aec7b81c085e9d4f5345639f0417a3d029b4003e439ebbfac50d555f83b"),
    (SWARM_20S, 17, "1665fc6fd72ec64b52d22599f4eda1481626382e11a643da44ce88e1d3734266"),
]
GOLDEN_SNAPSHOTS = [
    (20, 5, 200, 16384, 0),
    (5, 0, 200, 16384, 512),
    (100, 50, 200, 2048, 512),
    (None, None, None, None, None),
    (None, None, None, None, None),
    (None, None, None, None, None),
]


@pytest.mark.parametrize(("scenario", "seed", "sha256"), GOLDEN)
def test_golden_plans(scenario: Scenario, seed: int, sha256: str) -> None:
    assert PLAN_VERSION == 3
    assert make_plan(scenario, seed).sha256 == sha256


@pytest.mark.integration
@pytest.mark.parametrize("hash_seed", ["0", "1", "4711"])
def test_another_process_makes_the_same_plan(hash_seed: str) -> None:
    script = "from harness.plan import *; print(make_plan(Scenario(), 17).sha256)"
    done = subprocess.run(
        (sys.executable, "-c", script),
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.strip() == GOLDEN[0][2]


def leaves(data: Any) -> list[Any]:
    """Return everything in plain data that is neither a list nor an object, keys included."""
    if isinstance(data, dict):
        return [*data, *(leaf for value in data.values() for leaf in leaves(value))]
    if isinstance(data, list):
        return [leaf for value in data for leaf in leaves(value)]
    return [data]


@given(small, seeds)
@patiently
def test_the_canonical_form_is_sorted_ascii_without_blanks_or_floats(scenario: Scenario, seed: int) -> None:
    plan = make_plan(scenario, seed)
    canonical = plan.canonical()
    data = json.loads(canonical)
    assert canonical.isascii()
    assert canonical == json.dumps(data, sort_keys=True, separators=(",", ":")).encode()
    assert {type(leaf) for leaf in leaves(data)} <= {int, str, type(None)}
    assert msgspec.json.decode(canonical, type=Plan) == plan


def test_what_is_not_ascii_is_escaped() -> None:
    grudge = Timed(at="1s", until="2s", fault=Partition("café", {"n1": ("n2",)}))
    assert rb'"shape":"caf\u00e9"' in make_plan(Scenario(time="3s", rate=1, schedule=(grudge,)), 1).canonical()


@given(small, seeds)
@patiently
def test_the_seed_and_the_scenario_are_all_that_a_plan_depends_on(scenario: Scenario, seed: int) -> None:
    assert make_plan(scenario, seed).sha256 == make_plan(msgspec.structs.replace(scenario), seed).sha256


def test_another_seed_is_another_plan() -> None:
    assert make_plan(MIXED, 1).clients != make_plan(MIXED, 2).clients
    assert make_plan(MIXED, 1).faults != make_plan(MIXED, 2).faults


# -- operations -------------------------------------------------------------------------------------------------------


@given(small, seeds)
@patiently
def test_every_operation_is_planned_once_in_time_and_in_order(scenario: Scenario, seed: int) -> None:
    plan = make_plan(scenario, seed)
    assert len(plan.clients) == scenario.concurrency
    assert sum(map(len, plan.clients)) == scenario.planned_operations
    for client in plan.clients:
        assert all(0 <= planned.at < scenario.time_ms * MS for planned in client)
        assert all(earlier.at <= later.at for earlier, later in pairwise(client))
    if scenario.operations is None:
        written = [p.operation.value for client in plan.clients for p in client if p.operation.f not in ("read", "txn")]
        assert len(set(written)) == len(written)


@given(small, seeds)
@patiently
def test_final_reads_are_spread_evenly_and_complete(scenario: Scenario, seed: int) -> None:
    plan = make_plan(scenario, seed)
    workload = WORKLOADS[scenario.workload]()
    wanted = (
        workload.final_reads(scenario.planned_operations)
        if scenario.operations is None
        else workload.final_reads_of(sorted({operation.key for operation in scenario.operations}))
    )
    assert Counter(read.key for client in plan.final for read in client) == Counter(read.key for read in wanted)
    assert len(plan.final) == scenario.concurrency
    assert max(map(len, plan.final)) - min(map(len, plan.final)) <= 1


def test_operations_come_at_the_rate_that_was_asked_for_and_clients_share_them() -> None:
    plan = make_plan(Scenario(), 5)
    each_second = Counter(planned.at // (1_000 * MS) for client in plan.clients for planned in client)
    assert each_second == dict.fromkeys(range(45), 200)
    assert all(700 < len(client) < 1_100 for client in plan.clients)


# -- faults -----------------------------------------------------------------------------------------------------------


def by_kind(plan: Plan) -> dict[str, list[ScheduledFault]]:
    found: dict[str, list[ScheduledFault]] = {}
    for fault in plan.faults:
        found.setdefault(kind(fault.fault), []).append(fault)
    return found


@given(small, seeds)
@patiently
def test_faults_are_numbered_by_time_and_within_the_run(scenario: Scenario, seed: int) -> None:
    faults = make_plan(scenario, seed).faults
    assert [fault.number for fault in faults] == list(range(len(faults)))
    assert all(earlier.at <= later.at for earlier, later in pairwise(faults))
    assert all(0 <= fault.at < fault.until <= scenario.time_ms * MS for fault in faults)
    assert all(sorted(fault.order) == sorted(scenario.node_names) for fault in faults)


@given(seeds, st.integers(1, 9), st.integers(2, 120))
@patiently
def test_drawn_faults_of_one_kind_keep_their_distance(seed: int, nodes: int, time_s: int) -> None:
    scenario = Scenario(nodes=nodes, time=f"{time_s}s", rate=1, faults=tuple(KINDS))
    for name, faults in by_kind(make_plan(scenario, seed)).items():
        lasts, waits = MENUS[name].lasts_ms, MENUS[name].wait_ms
        assert faults[0].at >= QUIET_START_MS * MS
        assert all(lasts[0] <= (fault.until - fault.at) // MS <= lasts[1] for fault in faults)
        assert all(waits[0] <= (b.at - a.until) // MS <= waits[1] for a, b in pairwise(faults))
        assert all(fault.until < scenario.time_ms * MS for fault in faults)


@given(seeds, st.integers(3, 9))
@patiently
def test_a_short_run_meets_each_variant_before_any_returns(seed: int, nodes: int) -> None:
    scenario = Scenario(nodes=nodes, time="5m", rate=1, faults=tuple(KINDS))
    for name, faults in by_kind(make_plan(scenario, seed)).items():
        possible = [v for v in MENUS[name].variants if nodes >= 4 or v not in (BRIDGE, RING)]
        assert faults[0].fault == MENUS[name].variants[0]
        first = [fault.fault for fault in faults[: len(possible)]]
        assert sorted(map(repr, first)) == sorted(map(repr, possible))


BRIDGE, RING = Partition("bridge"), Partition("majorities-ring")


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_has_a_menu_of_its_own_kind(name: str) -> None:
    menu = MENUS[name]
    assert {kind(variant) for variant in menu.variants} == {name}
    assert len(set(map(repr, menu.variants))) == len(menu.variants)


def test_each_kind_is_drawn_from_its_own_stream() -> None:
    alone = by_kind(make_plan(Scenario(faults=("kill",)), 9))["kill"]
    among = by_kind(make_plan(Scenario(faults=tuple(reversed(KINDS))), 9))["kill"]
    assert [renumbered(fault) for fault in alone] == [renumbered(fault) for fault in among]
    assert alone


def test_faults_and_operations_do_not_disturb_each_other() -> None:
    with_faults, without = make_plan(Scenario(), 9), make_plan(Scenario(faults=()), 9)
    assert with_faults.clients == without.clients
    busier = make_plan(Scenario(rate=400, concurrency=3, workload="set"), 9)
    assert with_faults.faults == busier.faults
    assert without.faults == ()


def test_where_faults_are_does_not_depend_on_how_long_the_run_goes_on() -> None:
    short, long = make_plan(Scenario(time="30s"), 9), make_plan(Scenario(time="90s"), 9)
    assert short.faults
    for name, faults in by_kind(short).items():
        assert [renumbered(f) for f in faults] == [renumbered(f) for f in by_kind(long)[name][: len(faults)]]


def renumbered(fault: ScheduledFault) -> ScheduledFault:
    return msgspec.structs.replace(fault, number=0)


def test_faults_at_fixed_times_are_planned_as_written() -> None:
    partition, kill = make_plan(FIXED, 1).faults
    assert (partition.at, partition.until, partition.fault) == (500 * MS, 2_000 * MS, FIXED.schedule[1].fault)
    assert (kill.at, kill.until, kill.fault) == (3_000 * MS, 4_000 * MS, Kill("n1"))
    assert kill.order != FIXED.node_names or partition.order != FIXED.node_names


def test_a_run_too_short_for_a_fault_has_none() -> None:
    assert make_plan(Scenario(time="2s", faults=tuple(KINDS)), 1).faults == ()


# -- swarms -----------------------------------------------------------------------------------------------------------


@given(seeds, st.integers(1, 9), st.sampled_from(["local", "simulated"]), st.integers(20, 60))
@patiently
def test_a_swarm_is_ordinary_faults(seed: int, nodes: int, place: str, time_s: int) -> None:
    scenario = Scenario(place=place, nodes=nodes, time=f"{time_s}s", rate=1, faults=("swarm",))
    plan = make_plan(scenario, seed)
    found = by_kind(plan)
    assert found
    assert set(found) <= set(KINDS_OF_SWARMS)
    assert msgspec.json.decode(plan.canonical(), type=Plan) == plan
    for name, faults in found.items():
        levels = [i for i in Intensity if all(f.fault in variants(name, i) and fits(f, i) for f in faults)]
        assert any(paced(faults, level) for level in levels)  # a variant may be in two, so more than one may fit


def paced(faults: list[ScheduledFault], intensity: Intensity) -> bool:
    low, high = PACES[intensity].wait_ms
    return all(low <= (b.at - a.until) // MS <= high for a, b in pairwise(faults))


def fits(fault: ScheduledFault, intensity: Intensity) -> bool:
    low, high = PACES[intensity].lasts_ms
    return low <= (fault.until - fault.at) // MS <= high


@given(seeds)
def test_a_swarm_is_the_same_on_real_processes(seed: int) -> None:
    real = make_plan(changed(SWARM_20S, place="local"), seed)
    assert real.faults == make_plan(SWARM_20S, seed).faults


def test_swarms_differ_in_what_they_leave_out() -> None:
    found = [frozenset(by_kind(make_plan(SWARM_20S, seed))) for seed in range(40)]
    assert len(set(found)) > 35
    assert frozenset().union(*found) == frozenset(KINDS_OF_SWARMS)
    assert all(any(name not in kinds for kinds in found) for name in KINDS_OF_SWARMS)


def test_a_swarm_disturbs_nothing_else() -> None:
    alone, among = make_plan(Scenario(faults=("kill",)), 9), make_plan(Scenario(faults=("kill", "swarm")), 9)
    assert alone.clients == among.clients
    swarm = make_plan(Scenario(faults=("swarm",)), 9)
    assert len(among.faults) == len(alone.faults) + len(swarm.faults)


def test_a_swarm_requires_nothing_by_itself() -> None:
    assert SWARM_20S.required == ()
    assert Scenario(faults=("swarm", "kill")).required == ("kill",)


def test_menus_keep_the_disks_budget() -> None:
    disks = [fault for name in KINDS if name.startswith("disk-") for fault in MENUS[name].variants]
    assert {getattr(fault, "target", "") for fault in disks} <= {"leader", "one", "minority"}


@given(seeds)
def test_faults_that_do_not_heal_stay_with_a_minority_of_nodes(seed: int) -> None:
    beyond = tuple(name for name in KINDS if name not in IN_MODEL and name.startswith("disk-"))
    plan = make_plan(Scenario(place="simulated", time="60s", rate=1, faults=beyond), seed)
    hit = {node for fault in plan.faults for node in resolve(getattr(fault.fault, "target", ""), fault.order, None)}
    assert {kind(fault.fault) for fault in plan.faults} == set(beyond)
    assert 0 < len(hit) < majority(5)


# -- packages and intensities ------------------------------------------------------------------------------------------


@given(seeds, st.sampled_from(list(Intensity)), st.integers(10, 90), st.booleans())
@patiently
def test_with_an_intensity_there_is_quiet_between_storms_and_a_healed_end(
    seed: int, intensity: Intensity, time_s: int, swarm: bool
) -> None:
    asked = ("swarm",) if swarm else ("partition", "kill", "pause", "clock", "link", "disk", "power")
    scenario = Scenario(place="simulated", time=f"{time_s}s", rate=1, faults=asked, intensity=intensity)
    rounds = ROUNDS[intensity]
    for fault in make_plan(scenario, seed).faults:
        at, until = fault.at // MS - QUIET_START_MS, fault.until // MS - QUIET_START_MS
        begun = at % (rounds.storm_ms + rounds.quiet_ms)
        assert begun >= 0
        assert begun + until - at <= rounds.storm_ms
        assert fault.until < scenario.time_ms * MS - rounds.calm_ms * MS
        name = kind(fault.fault)
        assert fault.fault in variants(name, intensity)


def test_an_intensity_decides_how_hard_a_kind_is_driven() -> None:
    hit = {}
    for intensity in Intensity:
        scenario = Scenario(time="60s", rate=1, faults=("kill",), intensity=intensity)
        hit[intensity] = {fault.fault for fault in make_plan(scenario, 1).faults}
    assert hit[Intensity.LOW] <= set(variants("kill", Intensity.LOW))
    assert hit[Intensity.HIGH] <= set(variants("kill", Intensity.HIGH))
    assert hit[Intensity.LOW].isdisjoint(hit[Intensity.HIGH])


def test_a_package_is_its_kinds_and_nothing_else() -> None:
    package = make_plan(Scenario(place="simulated", time="60s", faults=("clock", "power")), 3)
    by_name = make_plan(
        Scenario(place="simulated", time="60s", faults=("clock-drift", "clock-bump", "clock-strobe", "power-off")), 3
    )
    assert package.sha256 == by_name.sha256


def test_a_kind_that_no_swarm_has_keeps_its_menu_under_an_intensity() -> None:
    plan = make_plan(Scenario(place="simulated", time="60s", faults=("disk-lie",), intensity="low"), 3)
    assert plan.faults
    assert {fault.fault for fault in plan.faults} <= set(MENUS["disk-lie"].variants)


# -- what a swarm draws for the nodes ---------------------------------------------------------------------------------


def test_a_swarm_draws_settings_for_the_nodes_that_they_can_start_with() -> None:
    drawn: Counter[str] = Counter()
    for seed in range(400):
        for nodes in (1, 5, 25):
            chosen = node_settings(Scenario(place="simulated", faults=("swarm",), nodes=nodes), seed)
            core = {name: value for name, value in chosen.items() if name in Config.__struct_fields__}
            Config(me=1, members=tuple(range(1, nodes + 1)), **core)  # type: ignore[arg-type]
        drawn.update(chosen.keys())
    names = {name for name, _ in (*SNAPSHOT_SETTINGS, *WINDOW_SETTINGS, *LIMIT_SETTINGS)}
    assert set(drawn) == {*names, "speculative"}
    assert 150 < drawn["snapshot_slots"] < 250
    assert 90 < drawn["window_max"] < 180
    assert 60 < drawn["reads_max"] < 140


def test_what_the_scenario_says_of_the_nodes_stays_as_it_says() -> None:
    said = Scenario(place="simulated", faults=("swarm",), node={"window_max": 3, "snapshot_slots": 7})
    for seed in range(40):
        chosen = node_settings(said, seed)
        assert (chosen["window_max"], chosen["snapshot_slots"]) == (3, 7)
        assert node_settings(Scenario(node={"window_max": 3}), seed) == {"window_max": 3}, "only a swarm draws"


def test_what_is_drawn_for_snapshots_does_not_depend_on_the_other_draws() -> None:
    """Seeds that were written down keep the snapshots that they had."""
    swarm = Scenario(place="simulated", faults=("swarm",))
    names = [name for name, _ in SNAPSHOT_SETTINGS]
    drawn = [tuple(node_settings(swarm, seed).get(name) for name in names) for seed in range(6)]
    assert drawn == GOLDEN_SNAPSHOTS
