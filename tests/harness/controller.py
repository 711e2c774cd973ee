"""The ``antipaxos`` command as a process of its own, and what there is to know of the processes below it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.cluster.local import ledger, pids
from harness.cluster.local.pids import Identity
from harness.store import HISTORY, RunFolder, Store

REPOSITORY = Path(__file__).resolve().parents[2]
LIMIT_S = 120.0
"""How long a command of a few seconds may take on a busy machine."""


@dataclass(frozen=True)
class Finished:
    """A command that has ended."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """Return the object that ends standard output."""
        found = json.loads(self.out.splitlines()[-1])
        assert isinstance(found, dict)
        return found


def command(*words: str | Path) -> list[str]:
    """Return the command line."""
    return [sys.executable, "-P", "-m", "harness.cli", *map(str, words)]


def environment(store: Path) -> dict[str, str]:
    """Return an environment in which runs go to ``store`` and terminals are plain and wide."""
    return {
        **{name: value for name, value in os.environ.items() if name not in ("FORCE_COLOR", "COLUMNS")},
        "PYTHONPATH": str(REPOSITORY),
        "ANTIPAXOS_STORE": str(store),
        "TERM": "dumb",
    }


def antipaxos(store: Path, *words: str | Path) -> Finished:
    """Run a command to its end."""
    done = subprocess.run(
        command(*words), cwd=store, env=environment(store), capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    return Finished(done.returncode, done.stdout, done.stderr)


class Controller:
    """A run under way, in a process group of its own, as a shell would start it."""

    def __init__(self, process: subprocess.Popen[str], store: Path) -> None:
        self.process = process
        self._store = store

    @property
    def folder(self) -> RunFolder:
        """Return the folder of the run."""
        (run,) = Store(self._store).runs()
        return run

    @property
    def lines(self) -> int:
        """Count the events on disk."""
        return (self.folder / HISTORY).read_bytes().count(b"\n")

    def wait_for_load(self, lines: int = 300) -> None:
        """Wait until the run is in full swing."""
        self.wait_for(lambda: bool(Store(self._store).runs()) and (self.folder / HISTORY).exists())
        self.wait_for(lambda: self.lines >= lines)

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Wait until something holds, while the controller runs."""
        deadline = time.monotonic() + LIMIT_S
        while not condition():
            assert time.monotonic() < deadline, "it did not come about"
            assert self.process.poll() is None, f"the controller ended with {self.process.returncode}"
            time.sleep(0.02)

    def members(self) -> dict[str, Identity]:
        """Return the processes below the controller by name: the warden, its switch and disks if any, the nodes."""
        book = ledger.read(self.folder / "cluster")
        assert book is not None
        switch = {"switch": book.switch} if book.switch is not None else {}
        disks = {f"disk of {node}": disk for node, disk in book.disks.items()}
        return {"warden": book.warden, **switch, **disks, **book.nodes}

    def interrupt(self) -> None:
        """Do what Ctrl-C in a terminal does."""
        os.killpg(self.process.pid, signal.SIGINT)

    def end(self) -> Finished:
        """Wait for its end."""
        out, err = self.process.communicate(timeout=LIMIT_S)
        return Finished(self.process.returncode, out, err)


@contextlib.contextmanager
def running(store: Path, *words: str | Path) -> Iterator[Controller]:
    """Be a run under way; whatever happens in the block, nothing of it goes on afterwards."""
    with subprocess.Popen(
        command("run", *words),
        cwd=store,
        env=environment(store),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield Controller(process, store)
        finally:
            process.kill()


def alive(members: dict[str, Identity]) -> list[str]:
    """Return who of them still runs."""
    return [name for name, process in members.items() if pids.is_alive(process)]


def wait_for_their_end(members: dict[str, Identity], limit_s: float) -> None:
    """Wait until none of them runs."""
    deadline = time.monotonic() + limit_s
    while left := alive(members):
        assert time.monotonic() < deadline, f"still there after {limit_s} s: {left}"
        time.sleep(0.01)


def networks(members: dict[str, Identity]) -> set[str]:
    """Return the network namespaces of processes, other than this process's own."""
    found = set()
    for process in members.values():
        with contextlib.suppress(OSError):
            found.add(str(Path(f"/proc/{process.pid}/ns/net").readlink()))
    return found - {str(Path("/proc/self/ns/net").readlink())}


def everyone() -> dict[str, Identity]:
    """Return all processes of the machine, by pid."""
    found = {entry.name: pids.identify(int(entry.name)) for entry in Path("/proc").glob("[0-9]*")}
    return {name: process for name, process in found.items() if process is not None}


def strangers_in(namespaces: set[str], among: dict[str, Identity]) -> list[str]:
    """Return who still lives in one of these namespaces, of those that were there before the end.

    Others do not count: the kernel gives the number of a namespace that is gone to the next one.
    """
    living = {name: process for name, process in among.items() if pids.is_alive(process)}
    return [name for name, process in living.items() if networks({name: process}) & namespaces]
