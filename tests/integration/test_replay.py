"""``antipaxos replay`` as a command: the same bytes in simulation, a rate on real processes, and a look inside."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from harness.replaying.recording import CUT
from harness.simulation.tape import read_tape
from harness.store import ENVIRONMENT, HISTORY, RESULTS, SCENARIO, TRACE, RunFolder, Store
from tests.harness.controller import Finished, antipaxos
from tests.integration.local_support import require_namespaces

pytestmark = pytest.mark.integration

SHORT = ("--place", "simulated", "--time", "4s", "--rate", "100")
EARLY = """\
name = "early"
place = "simulated"
time = "5s"
rate = 300
faults = []
bug = "early-ack"
[[schedule]]
at = "1s"
until = "3s"
fault = {type = "disk-slow", target = "all", times = 100}
[[schedule]]
at = "2s"
until = "3s"
fault = {type = "power-off", target = "all"}
"""


def ran(store: Path, *words: str | Path) -> tuple[Finished, RunFolder]:
    done = antipaxos(store, "run", *words, "--json")
    assert done.json["store"], done.err
    return done, RunFolder(Path(done.json["store"]))


def files(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()}


def test_a_valid_run_is_the_same_again_and_leaves_nothing(tmp_path: Path) -> None:
    first, run = ran(tmp_path, *SHORT, "--seed", "11", "--faults", "none")
    assert first.status == 0, first.err
    before, runs = files(run.path), files(tmp_path)
    done = antipaxos(tmp_path, "replay", "--json")
    assert done.status == 0, done.err
    hashes = [f"{part} {first.json[f'{part}_sha256'][:12]}" for part in ("plan", "history", "trace")]
    assert f"byte-identical: {', '.join(hashes)}" in done.err
    assert (done.json["identical"], done.json["verdict"], done.json["kept"]) == (True, "valid", [])
    assert (files(run.path), files(tmp_path)) == (before, runs)


def test_a_run_that_an_invariant_ended_is_the_same_again(tmp_path: Path) -> None:
    (tmp_path / "early.toml").write_text(EARLY)
    first, run = ran(tmp_path, "early.toml", "--seed", "3")
    assert first.json["sentence"].startswith("invariants: ")
    assert f"look inside  antipaxos replay {run.path} --break-at failure" in first.err
    lines = list(read_tape(run / TRACE))
    assert (lines[-1].kind, lines[-1].body) == ("broken", first.json["checkers"][0]["sentence"])
    assert len([line for line in lines if line.kind == CUT]) == 1
    assert 5_000 <= len(lines) <= 5_100
    done = antipaxos(tmp_path, "replay", run.path)
    assert done.status == 0, done.err
    assert "byte-identical" in done.out
    assert "violation again: invariants: at " in done.out
    assert antipaxos(tmp_path, "replay", run.path, "--verdict").status == 1
    inside = antipaxos(tmp_path, "replay", run.path, "--break-at", "failure", "--json")
    assert inside.status == 0, inside.err
    assert inside.json["state"]["broken"] == lines[-1].body
    assert inside.json["state"]["event"] == lines[-1].event


@pytest.fixture(scope="module")
def stale(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run in which a checker objects."""
    store = tmp_path_factory.mktemp("store")
    first, run = ran(store, *SHORT, "--seed", "7", "--bug", "local-reads")
    assert first.status == 1, first.err
    return run


@pytest.fixture
def copy(stale: RunFolder, tmp_path: Path) -> RunFolder:
    """A copy of it, to be spoilt."""
    return RunFolder(Path(shutil.copytree(stale.path, tmp_path / "copy")))


def test_a_run_that_a_checker_objected_to_is_the_same_again(stale: RunFolder) -> None:
    done = antipaxos(stale.path.parent, "replay", stale.path)
    assert done.status == 0, done.err
    assert "byte-identical" in done.out
    assert "violation again: linearizable: " in done.out


def test_around_its_failure_there_is_a_trace(stale: RunFolder) -> None:
    result = stale.results()
    assert result is not None
    wanted = set(result.checkers[0].anomalies[0].operations)
    times = [
        event.time + result.set_up_ns
        for event in stale.history().events
        if event.index in wanted and event.time is not None
    ]
    lines = [line for line in read_tape(stale / TRACE) if line.kind != CUT]
    assert len(lines) < 12_000
    for time in times:
        near = [line for line in lines if abs(line.at - time) < 1_000_000]
        assert any(line.kind == "request" for line in near)


def test_it_can_be_looked_into_where_it_failed(stale: RunFolder) -> None:
    one, two = (antipaxos(stale.path.parent, "replay", stale.path, "--break-at", "failure") for _ in range(2))
    assert one.status == 0, one.err
    assert one.out == two.out
    assert "the same run so far: " in one.out
    assert re.search(r"^n\d +running \d+ +1 +leader ", one.out, re.MULTILINE)


def test_an_event_and_a_time_can_be_looked_at_and_are_the_same_each_time(stale: RunFolder) -> None:
    store = stale.path.parent
    one, two = (antipaxos(store, "replay", stale.path, "--break-at", "900", "--json") for _ in range(2))
    assert (one.status, one.json["state"]["event"]) == (0, 900)
    assert one.json == two.json
    at = antipaxos(store, "replay", stale.path, "--until", "1.5s", "--json")
    assert (at.status, at.json["state"]["time"], at.json["difference"]) == (0, 1_500_000_000, "")
    assert at.json["same_events"] > 100


def test_the_whole_trace_goes_to_the_run_and_its_report_is_written_anew(copy: RunFolder) -> None:
    (copy / "report.html").unlink()
    done = antipaxos(copy.path.parent, "replay", copy.path, "--trace")
    assert done.status == 0, done.err
    lines = list(read_tape(copy / TRACE))
    assert f"{TRACE} ({len(lines)} lines)" in done.out
    assert lines[0].kind == "starts"
    assert [line for line in lines if line.kind == CUT] == []
    assert (copy / "report.html").exists()
    assert [name for name in files(copy.path) if name.endswith(".new")] == []


def test_a_stretch_of_the_trace(copy: RunFolder) -> None:
    result = copy.results()
    assert result is not None
    words = ("--trace", "--from", "1s", "--until", "1500ms")
    done = antipaxos(copy.path.parent, "replay", copy.path, *words)
    assert done.status == 0, done.err
    times = [line.at - result.set_up_ns for line in read_tape(copy / TRACE)]
    assert 1_000_000_000 <= times[0] < 1_010_000_000
    assert 1_490_000_000 < times[-1] <= 1_500_000_000


def test_the_trace_of_a_run_as_it_goes_on_is_that_of_its_replay(tmp_path: Path) -> None:
    first, run = ran(tmp_path, *SHORT, "--seed", "11", "--trace")
    assert f"trace        {run / TRACE}" in first.err
    before = (run / TRACE).read_bytes()
    assert antipaxos(tmp_path, "replay", run.path, "--trace").status == 0
    assert (run / TRACE).read_bytes() == before


def test_a_scenario_with_its_seed_is_run_twice_and_compared(tmp_path: Path) -> None:
    (tmp_path / "early.toml").write_text(EARLY)
    done = antipaxos(tmp_path, "replay", "early.toml", "--seed", "4")
    assert done.status == 0, done.err
    assert "there is no result to compare with yet" in done.out
    assert "byte-identical" in done.out
    assert Store(tmp_path).runs() == []
    assert antipaxos(tmp_path, "replay", "early.toml", "--seed", "4", "--keep").status == 0
    (kept,) = Store(tmp_path).runs()
    result = kept.results()
    assert result is not None
    assert (result.store, result.replay) == (str(kept.path), f"antipaxos run {kept / SCENARIO}")
    assert antipaxos(tmp_path, "replay", kept.path).status == 0


# -- what is not the same ---------------------------------------------------------------------------------------------


def spoil(folder: RunFolder, name: str, pattern: str, by: str) -> None:
    text = (folder / name).read_text()
    changed = re.sub(pattern, by, text, count=1)
    assert changed != text
    (folder / name).write_text(changed)


def test_a_history_that_differs_is_a_harness_failure_and_told_by_its_line(copy: RunFolder) -> None:
    spoil(copy, HISTORY, r'"time":\d+', '"time":17')
    done = antipaxos(copy.path.parent, "replay", copy.path, "--json")
    assert done.status == 5, done.err
    assert "✘ not the same run: not as recorded: history" in done.err
    assert 'line 1 was {"index":0,"time":17,' in done.err
    assert "the code is the same" in done.err
    (kept,) = done.json["kept"]
    assert (Path(kept) / RESULTS).exists() and (Path(kept) / "report.html").exists()
    inside = antipaxos(copy.path.parent, "replay", copy.path, "--until", "1s")
    assert inside.status == 5
    assert "another run: history, line 1 was " in inside.out.replace("\n", " ")


def test_a_trace_that_differs_is_told_by_its_event(copy: RunFolder) -> None:
    spoil(copy, RESULTS, r'"trace_sha256": "....', '"trace_sha256": "zzzz')
    spoil(copy, TRACE, r'"kind":"request"', '"kind":"reply"')
    done = antipaxos(copy.path.parent, "replay", copy.path, "--verdict")
    assert done.status == 5, done.err
    assert "not as recorded: trace" in done.out
    assert re.search(r"event \d+ was .*\"kind\":\"reply\".* and is now .*\"kind\":\"request\"", done.out)


def test_another_run_by_other_code_is_not_the_harnesss_fault(copy: RunFolder) -> None:
    spoil(copy, RESULTS, r'"trace_sha256": "....', '"trace_sha256": "zzzz')
    spoil(copy, ENVIRONMENT, r'"antipaxos": "[^"]+"', '"antipaxos": "0.0.1"')
    done = antipaxos(copy.path.parent, "replay", copy.path)
    assert done.status == 3, done.err
    assert "antipaxos was 0.0.1, and is now " in done.out
    assert "other code may give another run" in done.out
    assert antipaxos(copy.path.parent, "replay", copy.path, "--verdict").status == 1


def test_an_old_run_without_a_trace_hash_is_compared_as_far_as_it_goes(copy: RunFolder) -> None:
    spoil(copy, RESULTS, r'"trace_sha256": "\w+"', '"trace_sha256": ""')
    done = antipaxos(copy.path.parent, "replay", copy.path)
    assert done.status == 0, done.err
    assert "no hash of its trace: not compared" in done.out


def test_a_run_without_a_result_is_replayed_all_the_same(copy: RunFolder) -> None:
    (copy / RESULTS).unlink()
    done = antipaxos(copy.path.parent, "replay", copy.path)
    assert done.status == 0, done.err
    assert "there is no result to compare with yet" in done.out


# -- usage ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--break-at", "99999999"), "--break-at: there is no event 99999999; the run's last event is "),
        (("--until", "5m"), "--until: 300 s is beyond the run; the run's last event is "),
        (("--until", "soon"), "--until: 'soon' is no duration"),
        (("--break-at", "soon"), "--break-at: 'soon' is neither an event's number (from 1) nor 'failure'"),
        (("--until", "1s", "--break-at", "5"), "a run ends at one of them"),
        (("--until", "1s", "--keep"), "has no result"),
        (("--from", "1s"), "add --trace"),
        (("--times", "3"), "a simulated seed is one run"),
        (("--seed", "3"), "has its seed"),
    ],
)
def test_what_makes_no_sense_in_simulation(words: tuple[str, ...], said: str, stale: RunFolder) -> None:
    done = antipaxos(stale.path.parent, "replay", stale.path, *words)
    assert done.status == 2
    assert said in done.err.replace("\n", " ")
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--trace",), "--trace: only a simulated run can be looked into, not one on local"),
        (("--break-at", "failure"), "--break-at: only a simulated run can be looked into"),
        (("--until", "1s"), "--until: only a simulated run can be looked into"),
        (("--times", "0"), "Invalid value for '-n' / '--times'"),
    ],
)
def test_what_makes_no_sense_on_real_processes(words: tuple[str, ...], said: str, tmp_path: Path) -> None:
    (tmp_path / SCENARIO).write_text("seed = 1\n")
    done = antipaxos(tmp_path, "replay", SCENARIO, *words)
    assert done.status == 2
    assert said in done.err.replace("\n", " ")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("replay",), "is named 'latest'; `antipaxos list` shows them"),
        (("replay", "mine.toml"), "mine.toml: has no seed; a replay needs one: --seed N"),
        (("replay", "mine.toml", "--seed", "-1"), "seed: -1 is not between"),
        (("run", "--trace", "--time", "3s"), "--trace: only a simulated run has a trace, not one on local"),
    ],
)
def test_what_cannot_be_replayed(words: tuple[str, ...], said: str, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('place = "simulated"\n')
    done = antipaxos(tmp_path, *words)
    assert done.status == 2
    assert said in done.err.replace("\n", " ")
    assert files(tmp_path) == {"mine.toml"}


# -- real processes ---------------------------------------------------------------------------------------------------


def test_on_real_processes_the_rate_is_measured(tmp_path: Path) -> None:
    require_namespaces("userns")
    first, run = ran(tmp_path, "--time", "4s", "--faults", "none", "--seed", "5", "--bug", "local-reads")
    assert first.status == 1, first.err
    done = antipaxos(tmp_path, "replay", run.path, "--times", "2", "--json")
    assert done.status == 0, done.err
    data = done.json
    assert data["counted"] + data["harness_failures"] == 2
    assert data["same"] >= 1
    assert f"the same failure in {data['same']} of {data['counted']} replays (" in done.err
    assert "95 % Wilson interval" in done.err
    low, high = data["wilson_95"]
    assert 0 <= low <= data["rate"] <= high <= 1
    for replay in data["replays"]:
        assert (Path(replay["store"]) / "report.html").exists()
    assert {json.loads((Path(r["store"]) / RESULTS).read_text())["plan_sha256"] for r in data["replays"]} == {
        first.json["plan_sha256"]
    }
