"""The best known by hand: the smallest scenarios that show planted bugs, thought out, not shrunk.

They are what ``antipaxos shrink`` is measured against (``benchmarks/shrinking.py``, docs/shrinking.md), so they have to
be true themselves: each fails, for the reason that its head names, and with the healthy node it does not.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from harness.plan import make_plan
from harness.scenario import load
from harness.shrinking.candidate import of_plan, size
from harness.shrinking.outputs import expectation
from harness.testing import signatures, simulate

BEST = sorted((Path(__file__).parent / "best").glob("*.toml"))
SIZES = {
    "commit-by-index": 6,
    "double-apply": 4,
    "early-ack": 4,
    "first-report": 7,
    "forgotten-promises": 4,
    "late-lease": 6,
    "local-reads": 4,
}


@pytest.mark.parametrize("path", BEST, ids=lambda path: path.stem)
def test_it_fails_for_its_reason_and_the_healthy_node_does_not(path: Path) -> None:
    expected = expectation(path.read_text())
    assert expected is not None
    signature, found = expected
    assert found
    scenario = load(path)
    result = simulate(scenario)
    assert signature in signatures(result), f"{result.sentence}\nagain: antipaxos run {path}"
    healthy = simulate(msgspec.structs.replace(scenario, bug=None))
    assert signatures(healthy) == frozenset(), healthy.sentence


def test_there_is_one_for_each_bug_and_it_is_as_small_as_it_is_said_to_be() -> None:
    sizes = {}
    for path in BEST:
        scenario = load(path)
        assert scenario.bug == path.stem and scenario.seed is not None
        sizes[path.stem] = size(of_plan(scenario, make_plan(scenario, scenario.seed)))
    assert sizes == SIZES
