"""Runs that look like real ones, from a seed: for the tests of the report, and to look at its pages.

Clients work in threads; in the second after a leader is killed or cut off most operations time out (info) or are
refused (fail), and nothing returns ok for a while. A stale read is planted in each violated run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from random import Random

import msgspec

from checkers.history import Event, EventType, History
from harness.cluster.base import Ability
from harness.results import (
    Anomaly,
    CheckerResult,
    Latency,
    NodeSummary,
    OperationCounts,
    RunResult,
    RunVerdict,
    Unavailability,
)
from nemesis.record import FaultRecord, FaultStatus

SECOND = 1_000_000_000
NODES = ("n1", "n2", "n3", "n4", "n5")


@dataclass(frozen=True)
class Sample:
    """What to make up."""

    seed: int = 7
    operations: int = 2_000
    clients: int = 10
    duration_s: int = 60
    violated: bool = True


@dataclass(frozen=True)
class _Call:
    """An operation before its events are numbered."""

    process: int
    f: str
    key: int
    argument: object
    result: object
    start: int
    stop: int
    end: EventType
    error: str | None = None


def faults(duration_s: int = 60) -> tuple[FaultRecord, ...]:
    """Six faults of every status; two overlap."""
    at = [int(share * duration_s * SECOND) for share in (0.10, 0.25, 0.32, 0.50, 0.65, 0.86)]
    long, short = duration_s * SECOND // 8, duration_s * SECOND // 20
    return (
        _fault(0, "kill", "kill n3 (leader: n3)", at[0], short, ("n3",), "n3: process 4711 is gone (SIGKILL)", True),
        _fault(1, "partition", "partition halves: n1 n2 | n3 n4 n5", at[1], long, NODES, "812 packets dropped"),
        _fault(2, "partition", "partition one: n4 | the rest", at[2], long, ("n4",), "97 packets dropped"),
        _fault(3, "pause", "pause n1, n2", at[3], long, ("n1", "n2"), "n1: process 4802 is stopped (SIGSTOP)", True),
        replace_status(
            _fault(4, "partition", "partition majorities-ring", at[4], long, NODES, "no packet was seen"),
            FaultStatus.INDETERMINATE,
        ),
        FaultRecord(
            number=5, kind="clock", what="clock", planned_at=at[5], planned_until=at[5] + long,
            status=FaultStatus.SKIPPED, evidence=("no clock library: the C compiler is missing",),
        ),
    )  # fmt: skip


def replace_status(record: FaultRecord, status: FaultStatus) -> FaultRecord:
    """The record with another status."""
    return msgspec.structs.replace(record, status=status)


def _fault(
    number: int,
    kind: str,
    what: str,
    at: int,
    length: int,
    targets: tuple[str, ...],
    evidence: str,
    leader: bool = False,
) -> FaultRecord:
    return FaultRecord(
        number=number,
        kind=kind,
        what=what,
        planned_at=at,
        planned_until=at + length,
        injected_at=at + 3_000_000,
        healed_at=at + length + 41_000_000,
        targets=targets,
        hit_leader=leader,
        status=FaultStatus.INSTALLED,
        evidence=(evidence, f"{targets[0]}: answers again"),
    )


def run_of(sample: Sample) -> tuple[RunResult, History]:
    """A finished run and its history."""
    injected = faults(sample.duration_s)
    calls = _calls(sample, [record.injected_at or 0 for record in injected if record.hit_leader])
    history = history_of(calls)
    return _result(sample, history, injected), history


def history_of(calls: Sequence[_Call]) -> History:
    """The history of calls, its events in the order of time."""
    events: list[tuple[int, int, _Call, EventType]] = []
    for number, call in enumerate(calls):
        events.append((call.start, number, call, EventType.INVOKE))
        events.append((call.stop, number, call, call.end))
    events.sort(key=lambda event: (event[0], event[1], event[3] is not EventType.INVOKE))
    return History(_event(index, *event) for index, event in enumerate(events))


def _event(index: int, time: int, _: int, call: _Call, kind: EventType) -> Event:
    value = call.argument if kind in {EventType.INVOKE, EventType.FAIL} else call.result
    error = call.error if kind is not EventType.INVOKE else None
    return Event(index, time, call.process, kind, call.f, value, call.key, error)


def _calls(sample: Sample, outages: Sequence[int]) -> list[_Call]:
    random = Random(sample.seed)
    each = sample.operations // sample.clients
    gap = sample.duration_s * SECOND // (each + 1)
    calls: list[_Call] = []
    for client in range(sample.clients):
        process, now, value = client, random.randrange(gap), client
        for _ in range(each):
            value += sample.clients
            call = _call(random, process, now, value, outages)
            calls.append(call)
            process += sample.clients if call.end is EventType.INFO else 0
            now = call.stop + max(1_000, int(gap * random.uniform(0.2, 1.6)) - (call.stop - call.start))
    horizon = sample.duration_s * SECOND
    return [call for call in calls if call.stop < horizon]


def _call(random: Random, process: int, now: int, value: int, outages: Sequence[int]) -> _Call:
    f = random.choices(["read", "write", "cas"], [5, 3, 2])[0]
    key = random.randrange(20)
    argument: object = {"read": None, "write": value, "cas": [value - 1, value]}[f]
    result = random.randrange(max(1, value)) if f == "read" else argument
    latency = int(random.lognormvariate(0.6, 0.5) * 1_000_000)
    if any(at <= now < at + 1_400_000_000 for at in outages):
        if random.random() < 0.5:
            return _Call(process, f, key, argument, None, now, now + SECOND, EventType.INFO, "timed out after 1 s")
        error = "no leader: refused before it was proposed"
        return _Call(process, f, key, argument, None, now, now + latency, EventType.FAIL, error)
    if f == "cas" and random.random() < 0.4:
        return _Call(process, f, key, argument, None, now, now + latency, EventType.FAIL, "the value is another")
    return _Call(process, f, key, argument, result, now, now + latency, EventType.OK)


def _result(sample: Sample, history: History, injected: tuple[FaultRecord, ...]) -> RunResult:
    operations = history.operations()
    waits = sorted(((op.complete_time or 0) - (op.invoke_time or 0)) / 1e6 for op in operations if op.ok)
    verdict = RunVerdict.VIOLATION if sample.violated else RunVerdict.VALID
    anomalies = _anomalies(history) if sample.violated else ()
    return RunResult(
        verdict=verdict,
        sentence=anomalies[0].sentence if anomalies else f"{len(operations):,} operations, every promise kept",
        seed=sample.seed,
        scenario="five-nodes-mixed-faults",
        workload="register",
        place="local",
        nodes=NODES,
        plan_sha256="3f" * 32,
        history_sha256="a9" * 32,
        operations=OperationCounts(
            ok=sum(op.outcome.value == "ok" for op in operations),
            fail=sum(op.outcome.value == "fail" for op in operations),
            info=sum(op.outcome.value == "info" for op in operations),
        ),
        faults=injected,
        checkers=_checkers(anomalies, len(operations)),
        latency=_latency(waits),
        unavailability=_unavailability(history),
        node_summaries=_nodes(),
        mechanisms=_mechanisms(),
        started_at="2026-01-05T09:30:00Z",
        duration_s=float(sample.duration_s),
        first_operation_s=0.412,
        store="/home/someone/.local/share/antipaxos/runs/20260105-093000-7",
        replay=f"antipaxos replay /home/someone/.local/share/antipaxos/runs/20260105-093000-7 --seed {sample.seed}",
        version="0.1.0",
        notes=("The final reads were done after all faults had been healed.",),
    )


def _latency(waits: Sequence[float]) -> Latency:
    if not waits:
        return Latency()
    p50, p95, p99 = (waits[int(share * (len(waits) - 1))] for share in (0.5, 0.95, 0.99))
    return Latency(p50_ms=p50, p95_ms=p95, p99_ms=p99, max_ms=waits[-1])


def _unavailability(history: History) -> Unavailability:
    ends = sorted(op.complete_time or 0 for op in history.operations() if op.ok)
    gaps = [(after - before, before) for before, after in pairwise(ends)]
    longest, began = max(gaps, default=(0, 0))
    return Unavailability(longest_ms=longest / 1e6, began_s=began / 1e9)


def _anomalies(history: History) -> tuple[Anomaly, ...]:
    operations = [op for op in history.operations() if op.ok]
    lost = next(op for op in history.operations() if op.outcome.value == "info" and op.f == "write")
    mine = [op for op in operations if op.key == lost.key and op.invoke_index > lost.invoke_index]
    write, other = [op for op in mine if op.f == "write"][1:3]
    read = next(op for op in mine if op.f == "read" and other.precedes(op))
    late = next(op for op in mine if op.f == "read" and read.precedes(op))
    return (
        Anomaly(
            kind="stale read",
            sentence=f"read {read.result} returned a value that had been overwritten before the read began:"
            f" {write.argument} was written, then {other.argument}, and only then was it read",
            key=str(read.key),
            operations=(write.invoke_index, other.invoke_index, read.complete_index or 0),
        ),
        Anomaly(
            kind="read of an unwritten value",
            sentence="a write that nobody knows the end of was seen by one client and not by another",
            key=str(lost.key),
            operations=(lost.invoke_index, late.invoke_index),
        ),
    )


def _checkers(anomalies: tuple[Anomaly, ...], operations: int) -> tuple[CheckerResult, ...]:
    verdict = "invalid" if anomalies else "valid"
    sentence = anomalies[0].sentence if anomalies else "every key is linearizable"
    return (
        CheckerResult(
            name="linearizable",
            verdict=verdict,
            sentence=sentence,
            anomalies=anomalies,
            statistics={"keys": 20, "operations": operations, "zones": operations // 3},
        ),
        CheckerResult(
            name="lost-commits",
            verdict="valid",
            sentence="every acknowledged write is in the final reads",
            statistics={"acknowledged_writes": operations // 3},
        ),
        CheckerResult(
            name="node-logs", verdict="unknown", sentence="the log of n4 could not be read: 4 of 5 nodes were audited"
        ),
    )


def _nodes() -> tuple[NodeSummary, ...]:
    counters = {
        "elections_started": 3,
        "elections_won": 1,
        "stepped_down": 0,
        "slots_replayed": 1204,
        "torn_tails_cut": 1,
    }
    return tuple(
        NodeSummary(
            node=node,
            role="leader" if node == "n2" else "follower",
            incarnation=number,
            applied_upto=18_231,
            digest="5e884898da28047151d0e56f8dc62927",
            counters=None if node == "n4" else counters,
        )
        for number, node in enumerate(NODES, start=1)
    )


def _mechanisms() -> tuple[Ability, ...]:
    return (
        Ability(name="links", works=True, mechanism="a user-space switch between network namespaces"),
        Ability(name="processes", works=True, mechanism="signals"),
        Ability(name="clock", works=False, mechanism="", missing="no C compiler: apt-get install gcc"),
    )


def bare(**fields: object) -> RunResult:
    """A run in which nothing happened, with these fields instead."""
    nothing = RunResult(
        verdict=RunVerdict.HARNESS_FAILURE,
        sentence="the nodes did not start",
        seed=1,
        scenario="bare",
        workload="register",
        place="local",
        nodes=("n1",),
        plan_sha256="",
        history_sha256="",
        operations=OperationCounts(),
        faults=(),
        checkers=(),
        latency=Latency(),
        unavailability=Unavailability(),
    )
    return msgspec.structs.replace(nothing, **fields)


def without_times(history: History) -> History:
    """The same events, none with a time."""
    return History(msgspec.structs.replace(event, time=None) for event in history.events)
