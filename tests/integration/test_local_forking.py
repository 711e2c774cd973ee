"""Forked children: what an attempt in one of them tells, however it ends."""

from __future__ import annotations

import os
import signal

import pytest

from harness.cluster.local import epochs, forking
from harness.cluster.local.errors import LocalError

pytestmark = pytest.mark.integration


def raising(error: BaseException) -> None:
    raise error


def test_an_attempt_tells_why_it_failed() -> None:
    assert forking.why_not(lambda: None) == ""
    assert forking.why_not(lambda: raising(LocalError("no such thing"))) == "no such thing"
    assert forking.why_not(lambda: raising(OSError())) == "OSError"
    assert forking.why_not(lambda: raising(SystemExit(3))) == "unexpected SystemExit: 3"
    assert len(forking.why_not(lambda: raising(LocalError("x" * 10_000)))) == forking.REASON_LIMIT_BYTES


def test_an_attempt_that_is_killed_has_not_worked(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a seccomp profile does it."""
    monkeypatch.setattr(epochs, "enter", lambda ahead_ns: os.kill(os.getpid(), signal.SIGKILL))
    assert epochs.why_not() == "the attempt ended with wait status 9"
