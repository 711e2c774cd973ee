"""Rules for all tests: on CI nothing may be skipped, because CI installs what tests need.

Elsewhere a test that needs what the machine lacks skips with its reason; a skip on CI would be a test nobody runs.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

from tests.examples import WANTED

# The same examples each time, unless they are asked for in number. How long one takes says something of the machine.
settings.register_profile(
    "antipaxos", max_examples=max(100, WANTED), deadline=None, derandomize=not WANTED, database=None
)
settings.load_profile("antipaxos")

ON_CI = os.environ.get("ANTIPAXOS_CI") == "1"
_skipped: list[str] = []


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped and not hasattr(report, "wasxfail"):
        _skipped.append(report.nodeid)


def pytest_sessionfinish(session: pytest.Session) -> None:
    if ON_CI and _skipped and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if ON_CI and _skipped:
        terminalreporter.section("skipped on CI, which must not happen", red=True)
        for nodeid in _skipped:
            terminalreporter.line(nodeid)
