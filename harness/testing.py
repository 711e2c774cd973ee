"""For regression tests: carry a scenario out in simulation, and ask what it came to.

    result = simulate(Path(__file__).with_name("scenario.toml"))
    assert ("violation", "linearizable", "stale-read") not in signatures(result), result.sentence

Nothing is printed and nothing is left behind. A simulated run depends on its scenario and seed alone, so such a test
says the same on every machine.
"""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from harness.execution import carry_out, prepare, replay_command
from harness.exploration.findings import Signature, findings
from harness.exploration.worker import Unwatched
from harness.results import RunResult
from harness.scenario import SIMULATED, Scenario, ScenarioError, changed, load
from harness.store import Store

_STARTED = datetime(2000, 1, 1, tzinfo=UTC)


def simulate(scenario: Scenario | Path | str, seed: int | None = None) -> RunResult:
    """Carry a scenario, or the scenario of a file, out in simulation and judge it; its folder is gone afterwards.

    Raises ScenarioError, also if neither the scenario nor the caller names a seed.
    """
    chosen = scenario if isinstance(scenario, Scenario) else load(Path(scenario))
    chosen = changed(chosen, place=SIMULATED, seed=seed)
    if chosen.seed is None:
        raise ScenarioError("seed: a test needs one, in the scenario or as an argument")
    with tempfile.TemporaryDirectory(prefix="antipaxos-") as root:
        run = prepare(chosen, chosen.seed, Store(Path(root)), _STARTED)
        result = carry_out(run, Unwatched()).result
    replay = f"antipaxos run {scenario}" if isinstance(scenario, Path | str) else replay_command(chosen, chosen.seed)
    return msgspec.structs.replace(result, store="", replay=replay)


def signatures(result: RunResult) -> frozenset[Signature]:
    """Return in which ways a run failed: verdict, checker and kind of anomaly. They equal plain tuples of text."""
    return frozenset(finding.signature for finding in findings(result))
