"""A world that is looked at is the same world; it can be broken off where somebody wants to look, and looked into."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from harness.execution import Prepared, carry_out, prepare, watch
from harness.exploration.worker import Unwatched
from harness.replaying.inside import print_state
from harness.results import RunVerdict
from harness.scenario import Scenario, changed
from harness.simulation.observation import BROKEN, Observation, World
from harness.simulation.state import ClusterState, look
from harness.simulation.tape import TraceLine
from harness.simulation.trace import Breakpoint
from harness.store import Store
from nemesis.faults import ClockFreeze, DiskSlow, LinkFault, Membership, Partition, Pause, PowerOff
from tests.simulation.runs import STARTED, scenario, timed

PLAIN = scenario(timed("1s", "2s", Partition("leader")), time="3s", rate=50)
EARLY = changed(
    scenario(timed("1s", "3s", DiskSlow("all", 100)), timed("2s", "3s", PowerOff("all")), time="5s", rate=300),
    bug="early-ack",
)


def planned(chosen: Scenario, root: Path, seed: int = 3) -> Prepared:
    return prepare(chosen, seed, Store(root), STARTED)


def states(chosen: Scenario, root: Path, observation: Observation, set_up_ns: int = 0) -> list[ClusterState]:
    """Carry a run out, and return its state where it is broken off."""
    seen: list[ClusterState] = []
    observation.at_break = lambda world: seen.append(look(world, set_up_ns))
    with pytest.raises(Breakpoint):
        watch(planned(chosen, root), Unwatched(), observation)
    assert observation.broken_off
    return seen


def test_a_run_that_is_taken_down_is_the_same_run(tmp_path: Path) -> None:
    plain = carry_out(planned(PLAIN, tmp_path), Unwatched()).result
    lines: list[TraceLine] = []
    seen = carry_out(planned(PLAIN, tmp_path), Unwatched(), observation=Observation(line=lines.append)).result
    assert (seen.trace_sha256, seen.history_sha256) == (plain.trace_sha256, plain.history_sha256)
    assert {line.kind for line in lines} >= {"starts", "ends", "frame", "send", "request", "reply", "durable", "role"}
    assert watch(planned(PLAIN, tmp_path), Unwatched(), Observation(line=lines.append)) == plain.trace_sha256


def test_the_trace_of_a_run_that_an_invariant_ends_is_the_same_when_it_is_only_watched(tmp_path: Path) -> None:
    plain = carry_out(planned(EARLY, tmp_path), Unwatched()).result
    assert plain.verdict is RunVerdict.VIOLATION
    lines: list[TraceLine] = []
    assert watch(planned(EARLY, tmp_path), Unwatched(), Observation(line=lines.append)) == plain.trace_sha256
    (broken,) = [line for line in lines if line.kind == BROKEN]
    assert broken.body == plain.checkers[0].sentence


def test_every_event_can_be_broken_at_and_nothing_has_happened_beyond_it(tmp_path: Path) -> None:
    lines: list[TraceLine] = []
    watch(planned(PLAIN, tmp_path), Unwatched(), Observation(line=lines.append))
    first_of = {
        line.kind: line for line in reversed(lines) if line.kind in ("starts", "ends", "reply", "frame", "tick")
    }
    assert len(first_of) == 5
    for line in first_of.values():
        if line.kind == "ends":  # five processes end in one breath
            continue
        (state,) = states(PLAIN, tmp_path, Observation(break_at=line.event))
        if line.kind != "starts":
            assert (state.event, state.at) == (line.event, line.at)
        assert state.at == line.at


def test_the_same_moment_is_the_same_state(tmp_path: Path) -> None:
    one, two = (states(PLAIN, tmp_path / name, Observation(break_at=1_000)) for name in ("1", "2"))
    assert one == two
    (state,) = one
    leaders = [node for node in state.nodes if node.replica is not None and node.replica.role == "leader"]
    assert len(leaders) == 1
    assert {node.process for node in state.nodes} == {"running"}
    assert msgspec.json.decode(msgspec.json.encode(state), type=ClusterState) == state


def test_a_time_can_be_broken_at(tmp_path: Path) -> None:
    (state,) = states(PLAIN, tmp_path, Observation(until_ns=2_000_000_000), set_up_ns=500_000_000)
    assert (state.at, state.time) == (2_000_000_000, 1_500_000_000)
    assert sum(link.cut for link in state.links) == 8


def test_a_moment_beyond_the_end_never_comes(tmp_path: Path) -> None:
    observation = Observation(break_at=10**9, until_ns=10**15)
    watch(planned(PLAIN, tmp_path), Unwatched(), observation)
    assert not observation.broken_off
    assert 0 < observation.events < 10**6


def test_the_state_in_the_moment_in_which_an_invariant_breaks(tmp_path: Path) -> None:
    seen: list[ClusterState] = []
    observation = Observation(at_failure=True, at_break=lambda world: seen.append(look(world, 0)))
    watch(planned(EARLY, tmp_path), Unwatched(), observation)
    (state,) = seen
    assert "n1 has forgotten what it had answered for" in state.broken
    assert "promised" not in state.broken
    assert state.nodes[0].process == "running"


TROUBLES = scenario(
    timed("1s", "3s", DiskSlow("n1", 0)),
    timed("1s", "3s", Pause("n2")),
    timed("1s", "3s", ClockFreeze("n3")),
    timed("1s", "3s", LinkFault("n4", delay_min_us=50_000, delay_max_us=60_000)),
    timed("1s", "3s", PowerOff("n5")),
    time="4s",
    rate=200,
)


def test_what_is_wrong_with_each_node_is_in_the_state_and_on_the_page(tmp_path: Path) -> None:
    (state,) = states(TROUBLES, tmp_path, Observation(until_ns=3_000_000_000))
    slow, paused, frozen, _, dark = state.nodes
    assert slow.disk.trouble == {"stalled": True}
    assert slow.disk.sync in ("stalled", "none")
    assert paused.process == "stopped"
    assert paused.backlog > 0
    assert frozen.clock_ppm == 0
    assert (dark.process, dark.replica, dark.exit_code) == ("gone", None, -9)
    weather = [link for link in state.links if link.weather]
    assert {"n4" in (link.source, link.destination) for link in weather} == {True}
    assert len(weather) == 8
    console = Console(record=True, width=80, force_terminal=False)
    print_state(console, state)
    page = console.export_text()
    assert page.isprintable() or "\n" in page
    for told in ("stopped 1002", "gone (-9)", "events in its sockets", "stalled True", "weather", "0×"):
        assert told in page, told
    assert "…" not in page.splitlines()[3]


def test_who_the_members_are_is_told_once_that_has_changed(tmp_path: Path) -> None:
    changing = scenario(timed("1s", "2s", Membership("n2")), time="3s", rate=50)
    for until_s, version in ((0.5, 0), (1.8, 1), (2.8, 2)):
        (state,) = states(changing, tmp_path, Observation(until_ns=int(until_s * 1e9)))
        console = Console(record=True, width=80, force_terminal=False)
        print_state(console, state)
        assert (f"after change {version}" in console.export_text()) is bool(version)
        known = [node.replica for node in state.nodes if node.replica is not None and node.node != "n2"]
        members = ("n1", "n3", "n4", "n5") if version == 1 else ("n1", "n2", "n3", "n4", "n5")
        assert {(one.members, one.members_version) for one in known} == {(members, version)}


def test_unsynced_bytes_deferred_answers_and_frames_under_way_are_told(tmp_path: Path) -> None:
    worlds: list[tuple[ClusterState, str]] = []

    def keep(world: World) -> None:
        worlds.append((look(world, 0), world.cluster.trace.sha256))

    busy = scenario(timed("1s", "4s", DiskSlow("all", 100)), time="5s", rate=300)
    with pytest.raises(Breakpoint):
        watch(planned(busy, tmp_path), Unwatched(), Observation(until_ns=2_500_000_000, at_break=keep))
    ((state, _),) = worlds
    replicas = [node.replica for node in state.nodes if node.replica is not None]
    assert any(file.unsynced_bytes for node in state.nodes for file in node.disk.files)
    assert {node.disk.sync for node in state.nodes} >= {"under-way"}
    assert any(one.message.startswith("accepted ") for replica in replicas for one in replica.deferred)
    open_slots = [slot for replica in replicas for slot in replica.slots if not slot.chosen]
    assert open_slots
    assert all(slot.value for slot in open_slots)
    assert any(replica.commands_waiting or replica.reads_waiting for replica in replicas)
    assert [frame.at for frame in state.frames] == sorted(frame.at for frame in state.frames)
