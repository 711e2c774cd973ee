"""The trace and its tape: one changed byte is another hash, recording changes nothing, and lines fit together."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.cluster.simulated import SimulatedCluster
from harness.scenario import Scenario
from harness.simulation.loop import virtual_loop
from harness.simulation.tape import Tape, TapeFile, TraceLine, read_tape
from harness.simulation.trace import FOLD_MASK, Breakpoint, Given, Trace
from nemesis.faults import Kill, LinkFault, Partition, PowerOff
from tests.simulation.runs import run, scenario, timed

EVENT = st.tuples(st.sampled_from(Given), st.integers(1, 9), st.integers(0, 99), st.binary(max_size=4))
BROKEN = scenario(
    timed("1s", "2s", LinkFault(duplicate_ppm=200_000, loss_ppm=50_000)),
    timed("2s", "3s", Partition("leader")),
    timed("3s", "4s", Kill("one")),
    timed("3500ms", "4500ms", PowerOff("minority")),
    time="5s",
)


def hashed(events: list[tuple[Given, int, int, bytes]]) -> str:
    trace = Trace(virtual_loop())
    for kind, node, peer, data in events:
        trace.give(kind, node, peer, data)
    return trace.sha256


@given(st.lists(EVENT, max_size=8), st.lists(EVENT, max_size=8))
def test_equal_events_and_only_they_have_equal_hashes(
    one: list[tuple[Given, int, int, bytes]], other: list[tuple[Given, int, int, bytes]]
) -> None:
    assert (hashed(one) == hashed(other)) == (one == other)


def test_asking_for_the_hash_in_between_changes_nothing() -> None:
    often, once = Trace(virtual_loop()), Trace(virtual_loop())
    for number in range(3 * FOLD_MASK):
        for trace in (often, once):
            trace.give(Given.TICK, 1, 0, b"%d" % number)
        if number % 7 == 0:
            assert often.sha256
    assert often.sha256 == once.sha256
    assert often.events == 3 * FOLD_MASK


def taped(chosen: Scenario, seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, list[TraceLine]]:
    """Carry a run out with a tape in it; return its hash and its lines, through a file."""
    file = TapeFile(tmp_path / "trace.jsonl")
    made = SimulatedCluster.__init__

    def with_tape(self: SimulatedCluster, *args: object) -> None:
        made(self, *args)  # type: ignore[arg-type]
        self.trace.tape = Tape(file.write)

    with monkeypatch.context() as patched:
        patched.setattr(SimulatedCluster, "__init__", with_tape)
        ran = run(chosen, seed, tmp_path / "taped")
    file.close()
    return ran.trace_sha256, list(read_tape(tmp_path / "trace.jsonl"))


def test_a_tape_changes_nothing_and_its_lines_fit_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sha256, lines = taped(BROKEN, 5, tmp_path, monkeypatch)
    assert sha256 == run(BROKEN, 5, tmp_path / "plain").trace_sha256
    assert [line.event for line in lines] == sorted(line.event for line in lines)
    assert [line.at for line in lines] == sorted(line.at for line in lines)
    sent = {line.frame: line for line in lines if line.kind == "send"}
    received = Counter(line.frame for line in lines if line.kind == "frame")
    assert set(received) <= set(sent)
    assert max(received.values()) == 2, "no frame was doubled"
    assert len(received) < len(sent), "no frame was lost"
    for line in lines:
        if line.kind == "frame":
            origin = sent[line.frame]
            assert (origin.node, origin.peer, origin.what, origin.body) == (
                line.peer,
                line.node,
                line.what,
                line.body,
            )
            assert origin.at < line.at
    kinds = {line.kind for line in lines}
    assert kinds >= {"starts", "ends", "send", "frame", "request", "reply", "durable", "tick", "role", "disk", "links"}
    assert any(line.kind == "role" and line.what == "leader" for line in lines)
    assert any(line.what == "power-off" for line in lines)


def test_events_have_the_same_numbers_with_and_without_a_tape(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, lines = taped(BROKEN, 6, tmp_path, monkeypatch)
    wanted = next(line for line in lines if line.what == "promise" and line.kind == "frame")
    seen: list[tuple[int, int]] = []
    made = SimulatedCluster.__init__

    def with_break(self: SimulatedCluster, *args: object) -> None:
        made(self, *args)  # type: ignore[arg-type]
        self.trace.break_at = wanted.event
        self.trace.on_break = lambda: seen.append((self.trace.events, self._loop.now_ns))

    with monkeypatch.context() as patched:
        patched.setattr(SimulatedCluster, "__init__", with_break)
        with pytest.raises(Breakpoint, match=f"after event {wanted.event}"):
            run(BROKEN, 6, tmp_path / "broken-off")
    assert seen == [(wanted.event, wanted.at)]


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    path.write_text('{"event":1,"at":0,"kind":"starts","node":"n1"}\n{"event":2,\n')
    with pytest.raises(ValueError, match=r"trace\.jsonl, line 2: "):
        list(read_tape(path))
