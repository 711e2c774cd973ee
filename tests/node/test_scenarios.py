"""Every text scenario prints exactly what its file says; ``scenario.py`` explains the files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.node.scenario import play, scenarios


@pytest.mark.parametrize("path", scenarios(), ids=lambda path: path.stem)
def test_scenario(path: Path) -> None:
    told = path.read_text(encoding="utf-8")
    played = play(told)
    if os.environ.get("ANTIPAXOS_REWRITE") == "1":
        path.write_text(played, encoding="utf-8")
        return
    assert played.splitlines() == told.splitlines()


def test_there_are_scenarios_and_they_print_something() -> None:
    for path in scenarios():
        lines = path.read_text(encoding="utf-8").splitlines()
        printed = [line for line in lines if line and not line.startswith(("#", "> "))]
        assert printed, f"{path.name} prints nothing, so it cannot fail"
    assert len(scenarios()) >= 20


def test_a_wrong_expectation_is_seen() -> None:
    """The comparison itself can fail: a line too few, too many or different."""
    told = "> cluster 3\n> status n1\nn1 leader promised 9.9, leader n1, chosen 0, applied 0\n"
    played = play(told)
    assert played != told
    assert played.endswith("n1 follower promised 0.0, leader nobody, chosen 0, applied 0\n")
