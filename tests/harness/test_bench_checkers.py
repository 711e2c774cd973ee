"""``antipaxos bench checkers``: what it measures is told, and who was not there is, too."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness.benching import porcupine
from harness.benching.checking import CheckingReport, Row, Taken
from harness.benching.checking_screen import HEAD, markdown
from harness.cli import app


def test_the_table_is_measured_and_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(porcupine.SOURCE_VARIABLE, raising=False)
    page = tmp_path / "table.md"
    words = ["bench", "checkers", "--sizes", "200", "--clients", "5", "--kinds", "cas,key-value", "--json"]
    kept = tmp_path / "kept"
    kept.mkdir()
    done = CliRunner().invoke(app, [*words, "--markdown", str(page), "--keep", str(kept)])
    assert done.exit_code == 0, done.output
    names = [f"{kind}-c5-n200{stale}-s1.jsonl" for kind in ("cas", "key-value") for stale in ("", "-stale")]
    assert sorted(path.name for path in kept.iterdir()) == names
    assert len((kept / names[0]).read_text().splitlines()) == 400
    data = json.loads(done.stdout.splitlines()[-1])
    assert "PORCUPINE_SRC names no source" in data["without_porcupine"]
    assert [(row["kind"], row["stale"], row["ours"]["verdict"]) for row in data["rows"]] == [
        ("cas", False, "valid"),
        ("cas", True, "invalid"),
        ("key-value", False, "valid"),
        ("key-value", True, "invalid"),
    ]
    assert all(row["ours"]["peak_mb"] > 1 for row in data["rows"])
    assert len([line for line in page.read_text().splitlines() if line.startswith("|")]) == 2 + len(data["rows"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--kinds", "queue"), "--kinds: 'queue' is none of register, cas, key-value"),
        (("--sizes", "0"), "--sizes '0': numbers from 1 to"),
        (("--limit", "soon"), "--limit"),
        (("--keep", "/nowhere"), "--keep: /nowhere is not a folder"),
    ],
)
def test_wrong_words_are_refused(words: tuple[str, ...], said: str) -> None:
    done = CliRunner().invoke(app, ["bench", "checkers", *words])
    assert done.exit_code == 2
    assert said in done.stderr


def test_what_porcupine_did_not_finish_has_no_ratio() -> None:
    ours = Taken(0.1, 0.01, "valid", 50)
    rows = (
        Row("register", 5, 10_000, False, ours, Taken(0.2, 0.5, "valid", 40)),
        Row("register", 20, 10_000, False, ours, Taken(0.2, 60, "unknown", 4_000), "not done in 60 s"),
        Row("register", 20, 100_000, False, ours, None, "not asked: not done in 60 s before"),
    )
    assert [row.ratio for row in rows] == [50, None, None]
    text = markdown(CheckingReport("here", 0.1, 60, 8_192, 1, rows))
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| ")]
    assert cells[0] == list(HEAD)
    assert [row[-3:] for row in cells[1:]] == [
        ["0.50", "40", "50.0"],
        ["not done in 60 s", "4000", ""],
        ["not asked: not done in 60 s before", "", ""],
    ]


@pytest.mark.parametrize("source", ["", "/nowhere"])
def test_without_its_source_porcupine_is_not_built(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(porcupine.SOURCE_VARIABLE, source)
    with pytest.raises(porcupine.PorcupineError, match="PORCUPINE_SRC"):
        porcupine.build(tmp_path)
