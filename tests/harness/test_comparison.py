"""Two runs held against each other: what differs, where it begins, and what may excuse it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from harness.environment import Environment, as_json, look
from harness.replaying.comparison import (
    Comparison,
    Follower,
    Side,
    compare,
    first_different_line,
    other_code,
    parts_before,
    read_environment,
)
from harness.replaying.recording import CUT
from harness.results import Latency, OperationCounts, RunResult, RunVerdict, Unavailability
from harness.simulation.tape import TraceLine
from harness.store import HISTORY, PLAN, RunFolder
from tests.harness.controller import REPOSITORY

HERE = Environment("0.1.0", "c0ffee", "3.11.7", "CPython", "6", "x86_64", 2, 0, {"msgspec": "0.19"}, "abc")


@dataclass
class Scene:
    """Two run folders, the same unless a test changes something."""

    root: Path

    def side(
        self, name: str, history: str = "one\ntwo\n", trace: str = "trace", environment: Environment | None = HERE
    ) -> Side:
        folder = RunFolder(self.root / name)
        folder.path.mkdir()
        folder.write(PLAN, "{}")
        folder.write(HISTORY, history)
        return Side(folder, _result(folder, trace), environment)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def _result(folder: RunFolder, trace: str) -> RunResult:
    return RunResult(
        verdict=RunVerdict.VALID,
        sentence="",
        seed=1,
        scenario="a",
        workload="register",
        place="simulated",
        nodes=("n1",),
        plan_sha256="44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
        history_sha256=folder.history_sha256(),
        trace_sha256=trace,
        operations=OperationCounts(),
        faults=(),
        checkers=(),
        latency=Latency(),
        unavailability=Unavailability(),
    )


def parts(comparison: Comparison) -> list[str]:
    return [difference.part for difference in comparison.differences]


def test_the_same_run(scene: Scene) -> None:
    comparison = compare(scene.side("a"), scene.side("b"))
    assert comparison.identical
    assert (comparison.not_recorded, comparison.environment, comparison.other_code) == ((), (), False)


def test_another_history_is_told_by_its_first_line(scene: Scene) -> None:
    comparison = compare(scene.side("a", "one\ntwo\n"), scene.side("b", "one\nthree\n", "other"))
    assert parts(comparison) == ["history", "trace"]
    assert comparison.differences[0].where == "line 2 was two, and is now three"


def test_a_history_that_was_changed_later_is_told_as_that(scene: Scene) -> None:
    recorded, replayed = scene.side("a"), scene.side("b")
    recorded.folder.write(HISTORY, "one\nTWO\n")
    comparison = compare(recorded, replayed)
    assert parts(comparison) == ["history"]
    assert comparison.differences[0].where == (
        "history.jsonl is not what results.json says it was: one of them was changed later; "
        "line 2 was TWO, and is now two"
    )


def test_a_result_that_was_changed_later_is_told_as_that(scene: Scene) -> None:
    recorded, replayed = scene.side("a"), scene.side("b")
    changed = Side(recorded.folder, msgspec.structs.replace(recorded.result, history_sha256="x"), HERE)
    (difference,) = compare(changed, replayed).differences
    assert (difference.part, difference.recorded) == ("history", "x")
    assert difference.where.endswith("one of them was changed later")


def test_an_old_run_without_a_trace_hash_is_compared_as_far_as_it_goes(scene: Scene) -> None:
    comparison = compare(scene.side("a", trace=""), scene.side("b"))
    assert comparison.identical
    assert comparison.not_recorded == ("trace",)


def test_what_may_have_made_the_difference_is_told(scene: Scene) -> None:
    there = msgspec.structs.replace(HERE, python="3.12.1", commit="beef", packages={"msgspec": "0.18"}, code_sha256="d")
    comparison = compare(scene.side("a", environment=there), scene.side("b"))
    assert comparison.environment == (
        "commit was beef, and is now c0ffee",
        "python was 3.12.1, and is now 3.11.7",
        "msgspec was 0.18, and is now 0.19",
    )
    assert comparison.other_code is True


def test_without_an_environment_nobody_knows(scene: Scene) -> None:
    comparison = compare(scene.side("a", environment=None), scene.side("b"))
    assert comparison.other_code is None
    assert comparison.environment == ("with which code and Python the run was made is not recorded",)


@pytest.mark.parametrize(
    ("old", "new", "other"),
    [
        ({"code_sha256": "a"}, {"code_sha256": "a", "commit": "else"}, False),
        ({"code_sha256": "a"}, {"code_sha256": "b"}, True),
        ({"antipaxos": "0.0.9"}, {}, True),
        ({"code_sha256": ""}, {}, False),
        ({"code_sha256": "", "commit": "c0ffee+"}, {"commit": "c0ffee+"}, None),
        ({"code_sha256": "", "commit": "c0ffee+"}, {}, True),
        ({"code_sha256": "", "commit": ""}, {"commit": ""}, None),
        ({"code_sha256": "", "commit": "else"}, {}, True),
    ],
)
def test_whether_the_code_was_another_one(old: dict[str, str], new: dict[str, str], other: bool | None) -> None:
    assert other_code(msgspec.structs.replace(HERE, **old), msgspec.structs.replace(HERE, **new)) is other


def test_an_environment_is_read_back_and_a_damaged_one_is_none(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    assert read_environment(folder) is None
    folder.write("environment.json", as_json(look()))
    assert read_environment(folder) == look()
    folder.write("environment.json", "{")
    assert read_environment(folder) is None


def test_the_code_has_a_hash_of_its_own(tmp_path: Path) -> None:
    del tmp_path
    assert len(look().code_sha256) == 64
    assert (REPOSITORY / "harness" / "environment.py").exists()


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("a\nb\n", "a\nb\n", ""),
        ("a\nb\n", "a\n", "line 2 was b, and is now not there"),
        ("", "a\n", "line 1 was not there, and is now a"),
        ("x" * 500, "y", f"line 1 was {'x' * 400}…, and is now y"),
    ],
)
def test_the_first_line_that_differs(old: str, new: str, where: str, tmp_path: Path) -> None:
    (tmp_path / "old").write_text(old)
    (tmp_path / "new").write_text(new)
    assert first_different_line(tmp_path / "old", tmp_path / "new") == where


@pytest.mark.parametrize(
    ("old", "new", "same", "where"),
    [
        ([1, 5, 9, 12], [1, 5, 9], 3, ""),  # the replay was broken off at 10
        ([1, 5, 9, 12], [1, 5, 9, 10], 3, ""),  # what it wrote while it was broken off does not count
        ([1, 5, 9, 12], [1, 5], 2, 'line 3 was {"time":9}, and is now not there'),
        ([1, 5], [1, 5, 9], 2, 'line 3 was not there, and is now {"time":9}'),
        ([1, 5, 9], [1, 6, 9], 1, 'line 2 was {"time":5}, and is now {"time":6}'),
        ([1, 5, 12], [1, 5, 9], 2, 'line 3 was {"time":12}, and is now {"time":9}'),
    ],
)
def test_histories_up_to_a_time(old: list[int], new: list[int], same: int, where: str, tmp_path: Path) -> None:
    for name, times in (("old", old), ("new", new)):
        (tmp_path / name).write_text("".join(f'{{"time":{time}}}\n' for time in times))
    assert parts_before(tmp_path / "old", tmp_path / "new", 10) == (same, where)


def test_a_damaged_line_is_another_one(tmp_path: Path) -> None:
    (tmp_path / "old").write_text('{"time":1}\n{"ti')
    (tmp_path / "new").write_text('{"time":1}\n{"time":12}\n')
    where = 'line 2 was {"ti, and is now {"time":12}'
    assert parts_before(tmp_path / "old", tmp_path / "new", 10) == (1, where)


def line(event: int, what: str = "", kind: str = "frame") -> TraceLine:
    return TraceLine(event=event, at=event, kind=kind, what=what)


@pytest.mark.parametrize(
    ("recorded", "replayed", "where"),
    [
        ([line(1), line(2), line(3)], [line(1), line(2), line(3)], ""),
        ([line(2), line(9, kind=CUT), line(9)], [line(n) for n in range(1, 12)], ""),
        ([line(2, "a"), line(2, "c")], [line(2, "a"), line(2, "b"), line(2, "c"), line(3)], ""),
        ([line(2, "a")], [line(1), line(2, "b"), line(3)], "event 2 was a, is b"),
        ([line(2, "a")], [line(1), line(2, "b")], "event 2 was a, is b"),
        ([line(2, "a")], [line(1), line(3, "c")], "event 2 was a, is c"),
        ([line(2, "a")], [line(1)], "event 2 was a, is "),
    ],
)
def test_a_replay_is_followed_along_a_trace_with_gaps(
    recorded: list[TraceLine], replayed: list[TraceLine], where: str
) -> None:
    follower = Follower(iter(recorded))
    for one in replayed:
        follower.write(one)
    follower.close()
    if not where:
        assert follower.where == ""
        return
    was, _, now = where.removeprefix("event 2 was ").partition(", is ")
    assert follower.where.startswith("event 2 was ")
    assert f'"what":"{was}"' in follower.where.partition("and is now")[0]
    assert (f'"what":"{now}"' if now else "not there") in follower.where.partition("and is now")[2]
