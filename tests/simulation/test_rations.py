"""Nodes on rations in simulation: slower, refused memory or descriptors, and the same by seed."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.results import RunResult, RunVerdict
from harness.scenario import Scenario, Timed
from harness.testing import simulate
from nemesis.faults import Fault, FdLimit, Kill, MemoryLimit, Pause, Reset, RollingRestart, Starve
from nemesis.record import FaultStatus

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "starved-leader.toml"


def run(*faults: Fault, seed: int = 3, at: str = "2s", until: str = "4s") -> RunResult:
    schedule = tuple(Timed(at=at, until=until, fault=fault) for fault in faults)
    return simulate(Scenario(time="6s", faults=(), schedule=schedule), seed)


@pytest.mark.parametrize(
    "fault",
    [Starve("leader"), Starve("all", 50), MemoryLimit("leader", 5_000), FdLimit("all"), RollingRestart()],
    ids=lambda fault: type(fault).__name__,
)
def test_each_is_seen_to_happen_and_a_correct_node_stays_safe(fault: Fault) -> None:
    result = run(fault)
    assert result.verdict is RunVerdict.VALID, result.sentence
    (record,) = result.faults
    assert (record.status, record.healed, record.requested) == (FaultStatus.INSTALLED, True, fault)
    assert run(fault).trace_sha256 == result.trace_sha256


def test_a_starved_leader_makes_everybody_wait() -> None:
    fed, starved = run(), run(Starve("all", 100))
    assert starved.latency.p95_ms > 3 * fed.latency.p95_ms


def test_a_node_that_is_refused_memory_ends_and_comes_back_without_a_limit() -> None:
    result = run(MemoryLimit("leader", 5_000))
    (record,) = result.faults
    assert any("had ended with status 70" in sentence for sentence in record.evidence)
    assert any("started again" in sentence for sentence in record.evidence)
    assert record.healing


def test_a_paused_node_that_starves_goes_on_where_it_was() -> None:
    assert run(Starve("all", 20), Pause("minority"), Kill("one")).verdict is RunVerdict.VALID


def test_a_frame_that_waits_in_the_kernel_costs_a_stopped_process_no_memory() -> None:
    schedule = (
        Timed(at="2s", until="4500ms", fault=Pause("n1")),
        Timed(at="2500ms", until="4s", fault=MemoryLimit("n1", 0)),
    )
    result = simulate(Scenario(time="6s", faults=(), schedule=schedule, require=()), 3)
    assert result.verdict is RunVerdict.VALID
    assert result.faults[1].status is FaultStatus.INDETERMINATE


def test_connections_that_break_leave_their_descriptors_to_those_who_connect_again() -> None:
    schedule = (
        Timed(at="1s", until="9s", fault=FdLimit("all")),
        Timed(at="2s", until="3s", fault=Reset("all")),
    )
    result = simulate(Scenario(time="10s", faults=(), schedule=schedule), 3)
    assert result.verdict is RunVerdict.VALID, result.sentence
    assert result.unavailability.longest_ms < 2_000


def test_the_example() -> None:
    result = simulate(EXAMPLE, 1)
    assert result.verdict is RunVerdict.VALID, result.sentence
    assert not result.unmet
