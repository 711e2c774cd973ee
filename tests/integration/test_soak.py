"""A dozen runs, most of them killed on the way, leave nothing. The long form: ``python -m tests.integration.soak``."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile

import pytest

from tests.integration import soak
from tests.integration.local_support import require_namespaces

pytestmark = pytest.mark.integration
RUNS = 12


def test_a_dozen_runs_killed_or_not_leave_nothing() -> None:
    require_namespaces("root" if os.geteuid() == 0 else "userns")
    done = subprocess.run(
        soak.command_for(RUNS, 7), cwd=soak.REPOSITORY, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith(f"{RUNS} runs left nothing\n")
    assert "killed after" in done.stdout
    assert "ended with status" in done.stdout


def test_what_is_left_is_seen() -> None:
    before = soak.look()
    name = f"antipaxos-test-{os.getpid()}"
    with (
        subprocess.Popen(("/bin/sleep", "60"), process_group=0) as sleeper,
        tempfile.NamedTemporaryFile(dir="/tmp", prefix=name),
        tempfile.NamedTemporaryFile(dir="/dev/shm", prefix=name),
        socket.socket(socket.AF_UNIX) as bound,
    ):
        bound.bind(f"\0{name}")
        left = soak.look().beyond(before)
        sleeper.kill()
    for wanted in (f"processes: {sleeper.pid} ", f"temporary: {name}", f"shared_memory: {name}", f"sockets: @{name}"):
        assert any(one.startswith(wanted) for one in left), wanted
