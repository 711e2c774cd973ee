"""Kept scenarios: shrunken failures that must not come back, and planted bugs that must be found.

A scenario is kept by putting the file that ``antipaxos shrink`` wrote into this folder, under a name that says what it
is about. Its head has a line ``# expects: …`` (a planted bug) or ``# expects no: …`` (a bug of ours, mended), and
that is what is tested here.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.shrinking.outputs import expectation
from harness.testing import signatures, simulate

KEPT = sorted(Path(__file__).parent.glob("*.toml"))


def test_there_are_some() -> None:
    assert KEPT


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.stem)
def test_a_kept_scenario_does_what_its_head_expects(path: Path) -> None:
    expected = expectation(path.read_text())
    assert expected is not None, f"{path}: its head does not say what is expected of it"
    signature, must_be_found = expected
    result = simulate(path)
    assert (signature in signatures(result)) is must_be_found, f"{result.sentence}\nagain: {result.replay}"
