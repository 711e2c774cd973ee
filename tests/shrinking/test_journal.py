"""The journal: what was tried is known again, whatever a killed process left of the last line; no more is guessed."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.exploration.findings import Signature
from harness.results import RunVerdict
from harness.shrinking.journal import JOURNAL, Journal, Tried
from harness.store import StoreError

STALE = ("violation", "linearizable", "stale-read")
RUNS = [Tried(run=f"r{n}", found=(STALE,) if n % 2 else (), of_pass="drop faults", size=n, seed=n) for n in range(6)]


def written(folder: Path) -> bytes:
    with Journal(folder, "start") as journal:
        for tried in RUNS:
            journal.add(tried)
    return (folder / JOURNAL).read_bytes()


def known(folder: Path) -> list[str]:
    with Journal(folder, "start") as journal:
        return [tried.run for tried in RUNS if journal.known(tried.run) is not None]


def test_what_was_written_is_known(tmp_path: Path) -> None:
    written(tmp_path)
    with Journal(tmp_path, "start") as journal:
        assert len(journal) == 6
        assert journal.known("r0") == frozenset()
        assert journal.known("r1") == frozenset({Signature(RunVerdict.VIOLATION, "linearizable", "stale-read")})
        assert journal.known("other") is None


def test_cut_anywhere_it_knows_the_whole_lines_and_goes_on(tmp_path: Path) -> None:
    data = written(tmp_path)
    for upto in range(len(data)):
        (tmp_path / JOURNAL).write_bytes(data[:upto])
        whole = max(0, data[:upto].count(b"\n") - 1)
        assert len(known(tmp_path)) == whole
        with Journal(tmp_path, "start") as journal:
            for tried in RUNS[whole:]:
                journal.add(tried)
        assert (tmp_path / JOURNAL).read_bytes() == data


def test_a_last_line_that_is_no_json_is_dropped(tmp_path: Path) -> None:
    data = written(tmp_path)
    (tmp_path / JOURNAL).write_bytes(data + b"\0\0\0\n")
    assert len(known(tmp_path)) == 6
    assert (tmp_path / JOURNAL).read_bytes() == data


@pytest.mark.parametrize("line", [1, 3, 5])
def test_damage_before_the_end_is_an_error_that_names_the_line(line: int, tmp_path: Path) -> None:
    lines = written(tmp_path).split(b"\n")
    lines[line] = lines[line][:-9]
    (tmp_path / JOURNAL).write_bytes(b"\n".join(lines))
    with pytest.raises(StoreError, match=rf"line {line + 1} is damaged .*; remove the file to begin anew"):
        Journal(tmp_path, "start")


def test_the_journal_of_another_start_is_refused(tmp_path: Path) -> None:
    written(tmp_path)
    with pytest.raises(StoreError, match=r"of another run, or of another version; remove the file"):
        Journal(tmp_path, "other")
