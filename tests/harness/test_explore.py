"""Exploring many seeds: which seeds, what makes two failures the same, the tally, and workers that do not behave."""

from __future__ import annotations

import itertools
import sys
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from harness import cleaning, workplace
from harness.cluster.base import ClusterError
from harness.cluster.local import ledger
from harness.exploration.explorer import Exploration, Pace, Request, explore
from harness.exploration.findings import Finding, SeedReport, Signature, findings, generic, harness_finding
from harness.exploration.pool import SEEDS_PER_WORKER
from harness.exploration.screen import PaceLine, as_data, pace_line, print_exploration
from harness.exploration.seedrange import SeedRangeError, parse_seeds
from harness.exploration.tally import KEPT_PER_SIGNATURE, Tally
from harness.results import Anomaly, CheckerResult, RunVerdict
from harness.scenario import Scenario
from harness.seeds import SEED_MAX
from harness.store import CLUSTER, Store
from harness.workplace import WORK_PREFIX, working_directory
from tests.harness.report_sample import bare

VIOLATION, HARNESS, UNKNOWN = RunVerdict.VIOLATION, RunVerdict.HARNESS_FAILURE, RunVerdict.UNKNOWN
VALID, NOT_MET = RunVerdict.VALID, RunVerdict.FAULTS_NOT_MET
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


# -- seeds ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "seeds"),
    [
        ("0..9", range(9)),
        ("9..10", range(9, 10)),
        ("7", range(7, 8)),
        (" 3..5 ", range(3, 5)),
        (str(SEED_MAX), range(SEED_MAX, SEED_MAX + 1)),
    ],
)
def test_seeds_are_up_to_but_not_including_the_end(text: str, seeds: range) -> None:
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize(
    "text", ["", "..", "1..", "..5", "a..b", "0-9", "-1..3", "5..5", "5..4", "0..99999999", str(SEED_MAX + 1), "١..٣"]
)
def test_seeds_that_cannot_be_explored(text: str) -> None:
    with pytest.raises(SeedRangeError, match=r"^seeds: "):
        parse_seeds(text)


# -- findings and the tally -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "kind"),
    [
        (
            "at 1.234567 s (event 12): n1 answered in ballot 3.1 after it had answered in 12.5",
            "at 20.1 s (event 3456): n4 answered in ballot 7.4 after it had answered in 8.1",
            "n# answered in ballot # after it had answered in #",
        ),
        (
            "at 1.2 s (event 3): n1 has another state than n2 after slot 7: 0a1b2c3d4e5f, not deadbeef00112233",
            "at 9.2 s (event 99): n5 has another state than n3 after slot 70: 77777777, not ffffffff00112233",
            "n# has another state than n# after slot #: #, not #",
        ),
    ],
)
def test_a_sentence_without_what_differs(one: str, other: str, kind: str) -> None:
    assert generic(one) == generic(other) == kind


def objection(name: str, *kinds: str, verdict: str = "invalid") -> CheckerResult:
    anomalies = tuple(Anomaly(kind=kind, sentence=f"{kind} {number}") for number, kind in enumerate(kinds))
    return CheckerResult(name=name, verdict=verdict, sentence=f"{name} took 3 s", anomalies=anomalies)


def test_a_run_has_one_finding_for_each_signature() -> None:
    checkers = (
        objection("a", "stale", "lost", "stale"),
        objection("b"),
        objection("c", "odd", verdict="unknown"),
        objection("invariants", "invariant"),
    )
    found = findings(msgspec.structs.replace(bare(), verdict=VIOLATION, checkers=checkers))
    assert [(finding.signature.checker, finding.signature.kind, finding.sentence) for finding in found] == [
        ("a", "stale", "stale 0"),
        ("a", "lost", "lost 1"),
        ("b", "b took # s", "b took 3 s"),
        ("invariants", "invariants took # s", "invariants took 3 s"),
    ]
    unknown = findings(msgspec.structs.replace(bare(), verdict=UNKNOWN, checkers=checkers))
    assert [finding.signature for finding in unknown] == [Signature(UNKNOWN, "c", "odd")]
    assert findings(msgspec.structs.replace(bare(), verdict=NOT_MET, checkers=())) == ()
    (broken,) = findings(msgspec.structs.replace(bare(), verdict=HARNESS, sentence="set up: 3 left", checkers=()))
    assert broken.signature == Signature(HARNESS, "harness", "set up: # left")


def failing(seed: int, verdict: RunVerdict, *kinds: str) -> SeedReport:
    found = tuple(Finding(Signature(verdict, "checker", kind), f"{kind} in {seed}") for kind in kinds)
    return SeedReport(seed=seed, verdict=verdict, findings=found)


def test_failures_are_grouped_and_sorted_by_weight_then_number() -> None:
    tally = Tally(())
    tally.add(failing(1, UNKNOWN, "slow"))
    tally.add(failing(2, HARNESS, "died"))
    tally.add(failing(3, VIOLATION, "lost"), "replay 3", "folder 3")
    tally.add(failing(4, VIOLATION, "stale", "lost"), "replay 4", "folder 4")
    tally.add(failing(5, VIOLATION, "stale"))
    tally.add(failing(6, VIOLATION, "stale"))
    told = [(group.kind, group.count, group.first_seed, group.sentence) for group in tally.groups()]
    assert told == [
        ("stale", 3, 4, "stale in 4"),
        ("lost", 2, 3, "lost in 3"),
        ("died", 1, 2, "died in 2"),
        ("slow", 1, 1, "slow in 1"),
    ]
    assert (tally.groups()[1].replay, tally.groups()[1].folder) == ("replay 3", "folder 3")
    assert (tally.done, tally.failed) == (6, 6)


@pytest.mark.parametrize("verdicts", list(itertools.product((VALID, NOT_MET, UNKNOWN, HARNESS, VIOLATION), repeat=2)))
@pytest.mark.parametrize("met", [(), ("kill",)])
def test_the_exit_code_is_that_of_the_heaviest(verdicts: tuple[RunVerdict, ...], met: tuple[str, ...]) -> None:
    tally = Tally(("kill",))
    for seed, verdict in enumerate(verdicts):
        tally.add(SeedReport(seed=seed, verdict=verdict, met=met if seed else ()))
    expected = next((code for v, code in ((VIOLATION, 1), (HARNESS, 5), (UNKNOWN, 3)) if v in verdicts), None)
    if expected is None:
        expected = 0 if met else 4  # one seed with the fault is enough for all
    assert tally.exit_code() == expected
    assert tally.exit_code(interrupted=True) == 130


def test_counts_add_up() -> None:
    tally = Tally(())
    for seed in range(3):
        tally.add(SeedReport(seed=seed, verdict=VALID, installed={"kill": seed}, counters={"x": 2}, run_s=1.5, cpu_s=1))
    assert (tally.installed["kill"], tally.counters["x"], tally.run_s, tally.cpu_s) == (3, 6, 4.5, 3)
    assert tally.reached["x"] == 3


def test_a_requirement_is_met_if_any_seed_meets_it_by_itself() -> None:
    tally = Tally(("kill>=3", "noops_filled", "pause"))
    tally.add(SeedReport(seed=0, verdict=NOT_MET, met=("pause",), seconds={"pause": 1.5}))
    assert tally.never_met() == ["kill>=3", "noops_filled"]
    assert tally.exit_code() == 4
    tally.add(SeedReport(seed=1, verdict=NOT_MET, met=("kill>=3",), on_leader={"kill": 2}, seconds={"pause": 0.25}))
    tally.add(SeedReport(seed=2, verdict=NOT_MET, met=("kill>=3", "noops_filled")))
    assert tally.never_met() == []
    assert tally.exit_code() == 0
    assert (tally.met["kill>=3"], tally.on_leader["kill"], tally.seconds["pause"]) == (2, 2, 1.75)


def test_only_the_first_folders_of_a_signature_are_kept() -> None:
    tally = Tally(())
    for seed in range(KEPT_PER_SIGNATURE):
        assert tally.worth_keeping(failing(seed, VIOLATION, "a"))
        tally.add(failing(seed, VIOLATION, "a"))
    assert not tally.worth_keeping(failing(99, VIOLATION, "a"))
    assert tally.worth_keeping(failing(99, VIOLATION, "a", "b"))
    assert not tally.worth_keeping(SeedReport(seed=99, verdict=VALID))


# -- workers that do not behave ---------------------------------------------------------------------------------------

FAKE = """
import glob, json, os, shutil, signal, sys, time
job = json.loads(sys.stdin.readline())
for line in sys.stdin:
    seed = int(line)
    verdict, findings, spent, folder = "valid", [], False, None
    {behaviour}
    print(json.dumps({{"seed": seed, "verdict": verdict, "findings": findings, "spent": spent,
                       "folder": folder, "counters": {{"pid": os.getpid()}}, "run_s": 2.0}}), flush=True)
"""


class Paces:
    """Keeps the paces."""

    def __init__(self) -> None:
        self.seen: list[Pace] = []

    def pace(self, pace: Pace) -> None:
        self.seen.append(pace)


def faked(
    store: Path, behaviour: str, *, seeds: range = range(6), jobs: int = 2, stop: bool = False, limit_s: float = 60.0
) -> Exploration:
    """Explore with workers that behave as told."""
    return explore(request(store, behaviour, seeds, jobs, stop, limit_s), Paces())


def request(
    store: Path, behaviour: str, seeds: range = range(6), jobs: int = 2, stop: bool = False, limit_s: float = 60.0
) -> Request:
    return Request(
        scenario=Scenario(place="simulated", faults=()),
        seeds=seeds,
        jobs=jobs,
        store=Store(store),
        started_at=NOW,
        stop_at_first=stop,
        limit_s=limit_s,
        command=(sys.executable, "-S", "-c", FAKE.format(behaviour=behaviour)),
    )


@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [
        ("if seed == 2: os.kill(os.getpid(), signal.SIGKILL)", "the worker was killed by SIGKILL"),
        ("if seed == 2: os.kill(os.getpid(), signal.SIGSEGV)", "the worker was killed by SIGSEGV"),
        ("if seed == 2: raise MemoryError('all gone')", "the worker ended with status 1"),
        ("if seed == 2: os._exit(0)", "the worker ended with status 0"),
        ("if seed == 2: print('hello', flush=True)", "the worker answered what is no report"),
        ("if seed == 2: seed = 7", "the worker answered for another seed"),
    ],
)
def test_a_worker_that_ends_is_replaced_and_its_seed_is_a_harness_failure(
    behaviour: str, kind: str, tmp_path: Path
) -> None:
    exploration = faked(tmp_path, behaviour)
    (group,) = exploration.tally.groups()
    assert (group.verdict, group.kind, group.count, group.first_seed) == (HARNESS, kind, 1, 2)
    assert dict(exploration.tally.verdicts) == {VALID: 5, HARNESS: 1}
    assert exploration.exit_code == 5
    (run,) = Store(tmp_path).runs()
    result = run.results()
    assert result is not None
    assert (result.verdict, result.seed, result.store) == (HARNESS, 2, str(run.path))
    assert kind.removeprefix("the worker") in result.sentence
    if "MemoryError" in behaviour:
        assert "MemoryError: all gone" in result.sentence
        assert "all gone" in (run / "worker.stderr").read_text()


ONE_WAITS_WHILE_TWO_IS_LOST = """
    folder = job["directory"] + f"/20260102T030405-default-s{{seed}}"
    os.makedirs(folder + "/cluster")
    while seed == 0 and not glob.glob(job["directory"] + "/../*/*/worker.stderr"):
        time.sleep(0.01)
    if seed == 1:
        shutil.copy({result!r}, folder + "/results.json")
        open(folder + "/scenario.toml", "w").close()
        verdict, findings = "violation", [dict(signature=["violation", "c", "k"], sentence="one")]
    if seed == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    folder = folder if seed == 1 else None
"""


def test_a_lost_seed_takes_no_folder_from_another_that_waits_for_its_turn(tmp_path: Path) -> None:
    (tmp_path / "result.json").write_bytes(msgspec.json.encode(bare(seed=1, verdict=VIOLATION)))
    behaviour = ONE_WAITS_WHILE_TWO_IS_LOST.format(result=str(tmp_path / "result.json"))
    exploration = faked(tmp_path / "store", behaviour, seeds=range(3))
    assert dict(exploration.tally.verdicts) == {VALID: 1, VIOLATION: 1, HARNESS: 1}
    kept = [run.results() for run in Store(tmp_path / "store").runs()]
    assert [(result.seed, result.verdict) for result in kept if result] == [(1, VIOLATION), (2, HARNESS)]


LOST_WITH_A_LEDGER = """
    if seed == 1:
        folder = job["directory"] + "/20260102T030405-default-s1/cluster"
        os.makedirs(folder)
        open(folder + "/warden.json", "w").write("no ledger")
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_lost_seed_has_left_and_nobody_can_end_is_told_and_costs_the_others_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workplace, "MEMORY_DISK", tmp_path / "none")  # if this fails, nobody else shall find it there
    exploration = faked(tmp_path, LOST_WITH_A_LEDGER, seeds=range(3))
    (group,) = exploration.tally.groups()
    assert (group.kind, group.first_seed) == ("the worker was killed by SIGKILL", 1)
    assert "what it left behind could not be ended: " in group.sentence
    assert exploration.tally.done == 3
    (run,) = Store(tmp_path).runs()
    assert (run / CLUSTER / ledger.FILE_NAME).exists()


def test_a_worker_that_hangs_is_replaced(tmp_path: Path) -> None:
    exploration = faked(tmp_path, "if seed == 3: time.sleep(600)", limit_s=1.5)
    (group,) = exploration.tally.groups()
    assert (group.first_seed, group.kind) == (3, "the worker did not end within the limit of a seed")
    assert "1.5 s" in group.sentence
    assert exploration.tally.done == 6


def test_a_worker_that_cannot_even_start_loses_its_seeds_not_the_exploration(tmp_path: Path) -> None:
    exploration = explore(
        Request(
            scenario=Scenario(place="simulated", faults=()),
            seeds=range(3),
            jobs=2,
            store=Store(tmp_path),
            started_at=NOW,
            command=(sys.executable, "-S", "-c", "raise SystemExit('no such module')"),
        ),
        Paces(),
    )
    (group,) = exploration.tally.groups()
    assert (group.count, group.kind) == (3, "the worker ended with status 1")


def test_a_stopped_worker_is_a_hanging_one(tmp_path: Path) -> None:
    exploration = faked(tmp_path, "if seed == 0: os.kill(os.getpid(), signal.SIGSTOP)", limit_s=1.0)
    assert [group.first_seed for group in exploration.tally.groups()] == [0]


@pytest.mark.parametrize("jobs", [1, 2, 5])
def test_the_table_does_not_depend_on_who_is_first(jobs: int, tmp_path: Path) -> None:
    behaviour = (
        "time.sleep(0.2 if seed == 1 else 0); verdict = 'violation' if seed % 2 else verdict; "
        "findings = [dict(signature=['violation', 'c', 'k'], sentence=f'in {seed}')] if seed % 2 else []"
    )
    tally = faked(tmp_path, behaviour, seeds=range(10), jobs=jobs).tally
    assert [(group.count, group.first_seed, group.sentence) for group in tally.groups()] == [(5, 1, "in 1")]


@pytest.mark.parametrize("jobs", [1, 3, 6])
def test_the_first_failure_is_the_lowest_not_the_quickest(jobs: int, tmp_path: Path) -> None:
    behaviour = (
        "time.sleep(0.5 if seed == 2 else 0); verdict = 'violation' if seed >= 2 else verdict; "
        "findings = [dict(signature=['violation', 'c', 'k'], sentence=f'in {seed}')] if seed >= 2 else []"
    )
    exploration = faked(tmp_path, behaviour, seeds=range(100), jobs=jobs, stop=True)
    assert (exploration.stopped_at, exploration.tally.done, exploration.tally.failed) == (2, 3, 1)
    assert exploration.exit_code == 1


def test_spent_workers_are_replaced(tmp_path: Path) -> None:
    behaviour = f"spent = True; print(os.getpid(), file=open({str(tmp_path / 'pids')!r}, 'a'))"
    assert faked(tmp_path / "store", behaviour, seeds=range(4), jobs=1).tally.done == 4
    assert len(set((tmp_path / "pids").read_text().split())) == 4


def test_workers_are_recycled(tmp_path: Path) -> None:
    count = SEEDS_PER_WORKER + 5
    behaviour = f"print(os.getpid(), file=open({str(tmp_path / 'pids')!r}, 'a'))"
    faked(tmp_path / "store", behaviour, seeds=range(count), jobs=1)
    pids = (tmp_path / "pids").read_text().split()
    assert len(pids) == count
    assert [len(list(group)) for _, group in itertools.groupby(pids)] == [SEEDS_PER_WORKER, 5]


def test_an_interrupted_exploration_tells_what_there_is(tmp_path: Path) -> None:
    paces = Paces()
    asked = request(tmp_path, "time.sleep(600 if seed == 2 else 0)", seeds=range(50), jobs=2)
    exploration = explore(asked, paces, lambda: bool(paces.seen) and paces.seen[-1].done >= 5)
    assert exploration.interrupted
    assert exploration.exit_code == 130
    assert 5 <= exploration.tally.done < 50
    out = StringIO()
    print_exploration(Console(file=out, width=200), exploration, asked)
    assert "; interrupted" in out.getvalue()


def test_the_working_directory_goes_whatever_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workplace, "MEMORY_DISK", tmp_path / "none")
    with pytest.raises(RuntimeError, match="as it were"), working_directory(Store(tmp_path), 2) as work:
        assert work.parent == tmp_path
        (work / "worker-1").mkdir()
        raise RuntimeError("as it were")
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_controller_left_is_swept_and_what_is_in_use_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workplace, "MEMORY_DISK", tmp_path / "none")
    left = tmp_path / f"{WORK_PREFIX}{2**22 + 7}-abc"  # no process has so high an id
    (left / "worker-1").mkdir(parents=True)
    other = tmp_path / "something-else"
    other.mkdir()
    with working_directory(Store(tmp_path), 2) as first, working_directory(Store(tmp_path), 2) as second:
        assert sorted(tmp_path.iterdir()) == sorted([first, second, other])


def with_a_damaged_ledger(directory: Path) -> Path:
    folder = directory / "worker-1" / "run" / CLUSTER
    folder.mkdir(parents=True)
    (folder / ledger.FILE_NAME).write_text("no ledger")
    return directory


def test_what_another_controller_has_left_and_nobody_can_end_is_told_and_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(workplace, "MEMORY_DISK", tmp_path / "none")
    left = with_a_damaged_ledger(tmp_path / f"{WORK_PREFIX}{2**22 + 7}-abc")
    other = tmp_path / f"{WORK_PREFIX}{2**22 + 8}-abc"
    other.mkdir()
    with working_directory(Store(tmp_path), 2):
        pass
    assert list(tmp_path.iterdir()) == [left]
    assert f"{left} stays: " in capsys.readouterr().err
    with pytest.raises(ClusterError, match=f"{left}: .*cannot be read"):
        cleaning.sweep(Store(tmp_path))


def test_what_cannot_be_ended_at_the_end_takes_nothing_back_of_what_was_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(workplace, "MEMORY_DISK", tmp_path / "none")
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    with working_directory(Store(tmp_path), 2) as work:
        with_a_damaged_ledger(work)
    assert f"{work} stays: " in capsys.readouterr().err
    assert len(list(Path("/proc/self/fd").iterdir())) == descriptors


# -- the screen -------------------------------------------------------------------------------------------------------


def test_the_pace_is_told_in_a_line() -> None:
    assert pace_line(Pace(0, 0, 10, 0.0, 0.0)) == "0 of 10 seeds · 0 failed"
    assert pace_line(Pace(5, 1, 10, 60.0, 30.0)) == "5 of 10 seeds · 1 failed · 2.0 s of runs a second · 30 s left"
    assert pace_line(Pace(1, 0, 3600, 60.0, 2.0)).endswith("1 h 59 min left")


def test_without_a_terminal_a_plain_line_comes_now_and_then() -> None:
    out = StringIO()
    with PaceLine(Console(file=out, width=200)) as line:
        for tenth in range(120):
            line.pace(Pace(tenth, 0, 120, 0.0, tenth / 10))
    assert [text.split()[0] for text in out.getvalue().splitlines()] == ["50", "100"]


def test_a_table_with_what_to_do_next(tmp_path: Path) -> None:
    tally = Tally(("kill",))
    tally.add(SeedReport(seed=0, verdict=VALID, run_s=10.0, cpu_s=2.0))
    tally.add(failing(1, VIOLATION, "stale"), "antipaxos run --seed 1", "/store/one")
    tally.add(SeedReport(seed=2, verdict=HARNESS, findings=(harness_finding("it died"),)))
    exploration = Exploration(tally, 5.0, False, None)
    asked = request(tmp_path, "pass", range(3))
    out = StringIO()
    print_exploration(Console(file=out, width=200), exploration, asked)
    told = out.getvalue()
    for part in ("✘ VIOLATION", "3 of 3 seeds (0..3)", "checker: stale", "stale in 1", "antipaxos run --seed 1"):
        assert part in told
    assert "antipaxos report /store/one" in told
    assert "5.00 s of runs per CPU s" in told
    data = as_data(exploration, asked)
    assert (data["verdict"], data["exit_code"], data["requirements_never_met"]) == (VIOLATION, 1, ["kill"])
    assert [found["first_seed"] for found in data["findings"]] == [1, 2]
    assert msgspec.json.decode(msgspec.json.encode(data))["measured"]["seeds_per_s"] == 0.6
