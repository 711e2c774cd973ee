"""Run folders: everything about one run, written as it happens.

    scenario.toml       what was run, the seed included
    plan.json           the plan's canonical JSON
    environment.json    versions, machine, abilities
    history.jsonl       clients' operations, one event a line, each line written before the run goes on
    faults.jsonl        the nemesis's journal: intent, injected, healed
    clocks.jsonl        how far the nodes' clocks were off, if something was to bend them
    nodes/n1/…          data folder and log of each node
    results.json        the result (absent while running, or if the controller was killed)
    trace.jsonl         of a simulated run, if it failed or was asked for: its trace, or the part around the failure
    report.html         the report

Lines go to the kernel at once, so a killed controller loses nothing that it had recorded.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec

from checkers.formats import load_history
from checkers.history import History
from harness.results import RunResult
from nemesis.record import FaultRecord

DEFAULT_STORE = Path("store")
HISTORY, FAULTS, RESULTS = "history.jsonl", "faults.jsonl", "results.json"
SCENARIO, PLAN, ENVIRONMENT, REPORT = "scenario.toml", "plan.json", "environment.json", "report.html"
TRACE = "trace.jsonl"
CLOCKS = "clocks.jsonl"
STATE = "state.txt"
CLUSTER = "cluster"
"""The folder in a run's that belongs to the cluster: who is who, sockets, what preload libraries are told."""


class StoreError(Exception):
    """A run that is not there or cannot be read; the message says which."""


_encoder = msgspec.json.Encoder()


class Lines:
    """A file of JSON lines that only grows; each line is with the kernel when ``write`` returns.

    With ``gather_bytes``, lines are gathered until there are so many bytes: for a run that its seed can bring back.
    """

    def __init__(self, path: Path, gather_bytes: int = 0) -> None:
        self._gather_bytes = gather_bytes
        self._gathered = bytearray()
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)

    def write(self, thing: Any) -> None:
        """Append one line. Raises OSError if it is not written whole (a full disk)."""
        self._gathered += _encoder.encode(thing)
        self._gathered += b"\n"
        if len(self._gathered) > self._gather_bytes:
            self._flush()

    def close(self) -> None:
        """Write what is left, and close the file. Raises OSError as ``write`` does."""
        if self._fd >= 0:
            try:
                self._flush()
            finally:
                os.close(self._fd)
                self._fd = -1

    def _flush(self) -> None:
        lines, self._gathered = self._gathered, bytearray()
        if lines and os.write(self._fd, lines) != len(lines):
            raise OSError("a line was written in part only: the disk is full")

    def __enter__(self) -> Lines:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class FaultLine(msgspec.Struct, frozen=True):
    """One line of the nemesis's journal."""

    phase: str
    record: FaultRecord


class FaultJournal:
    """The nemesis's journal in a run folder."""

    def __init__(self, path: Path) -> None:
        self._lines = Lines(path)

    def write(self, phase: str, record: FaultRecord) -> None:
        """Append a line."""
        self._lines.write(FaultLine(phase, record))

    def close(self) -> None:
        """Close the file."""
        self._lines.close()


class RunFolder:
    """One run's folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    @property
    def name(self) -> str:
        """The run's name: what commands take to mean this run."""
        return self.path.name

    def node(self, node: str) -> Path:
        """Return (and make) a node's folder."""
        folder = self.path / "nodes" / node
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def write(self, name: str, data: bytes | str) -> None:
        """Write a whole file, so that it is there whole or not at all."""
        temporary = self.path / f".{name}.new"
        temporary.write_bytes(data.encode() if isinstance(data, str) else data)
        temporary.replace(self.path / name)

    def history_sha256(self) -> str:
        """Return the hash of the history as recorded."""
        with (self.path / HISTORY).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def history(self) -> History:
        """Return the recorded history. Raises HistoryError naming the line."""
        return load_history(self.path / HISTORY).history

    def results(self) -> RunResult | None:
        """Return the result, or None if the run did not come to one. Raises StoreError."""
        path = self.path / RESULTS
        if not path.exists():
            return None
        try:
            return msgspec.json.decode(path.read_bytes(), type=RunResult)
        except (msgspec.DecodeError, OSError) as error:
            raise StoreError(f"{path}: {error}") from error


class Store:
    """A folder of run folders."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()

    def create(self, scenario: str, seed: int, now: datetime) -> RunFolder:
        """Make a new run's folder; its name sorts by time and is never taken twice."""
        self.root.mkdir(parents=True, exist_ok=True)
        stem = _stem(scenario, seed, now)
        for suffix in ("", *(f"-{number}" for number in range(2, 1_000))):
            path = self.root / f"{stem}{suffix}"
            try:
                path.mkdir()
            except FileExistsError:
                continue
            self._point_latest(path)
            return RunFolder(path)
        raise StoreError(f"{self.root}: a thousand runs are named {stem}")

    def made(self, scenario: str, seed: int, now: datetime) -> Path | None:
        """Return the folder that ``create`` has made for a run, if it is still here; of several the newest."""
        named = re.compile(re.escape(_stem(scenario, seed, now)) + r"(-\d+)?")
        found = [entry for entry in self.root.iterdir() if named.fullmatch(entry.name) and entry.is_dir()]
        return max(found, key=lambda entry: (len(entry.name), entry.name), default=None)

    def adopt(self, source: Path, scenario: str, seed: int, now: datetime) -> RunFolder:
        """Move a run that was carried out elsewhere here, and return its folder; the one it had is gone."""
        kept = self.create(scenario, seed, now)
        # the scenario last: a folder without one is no run yet
        for entry in sorted(source.iterdir(), key=lambda entry: entry.name == SCENARIO):
            shutil.move(entry, kept.path / entry.name)
        source.rmdir()
        return kept

    def remove(self, folder: RunFolder) -> None:
        """Remove a run's folder; ``latest`` is the newest of those that are left."""
        shutil.rmtree(folder.path)
        left = self.runs()
        if left and self._latest() == folder.name:
            self._point_latest(left[-1].path)

    def runs(self) -> list[RunFolder]:
        """Return all runs, oldest first."""
        if not self.root.is_dir():
            return []
        folders = [
            entry
            for entry in sorted(self.root.iterdir())
            if entry.is_dir() and not entry.is_symlink() and (entry / SCENARIO).exists()
        ]
        return [RunFolder(folder) for folder in folders]

    def find(self, name: str) -> RunFolder:
        """Return the run that is meant: ``latest``, a path, a name, or the beginning of just one. Raises StoreError."""
        direct = Path(name)
        if (direct / SCENARIO).exists():
            return RunFolder(direct.resolve())
        runs = self.runs()
        if name == "latest" and runs:
            return next((run for run in runs if run.name == self._latest()), runs[-1])
        found = [run for run in runs if run.name == name] or [
            run for run in runs if re.match(re.escape(name), run.name)
        ]
        if len(found) == 1:
            return found[0]
        if not found:
            raise StoreError(f"no run in {self.root} is named {name!r}; `antipaxos list` shows them")
        raise StoreError(f"{name!r} may mean {', '.join(run.name for run in found[:5])}")

    def _latest(self) -> str:
        """Return the name of the run that was made last: names alone do not tell within one second."""
        link = self.root / "latest"
        return link.readlink().name if link.is_symlink() else ""

    def _point_latest(self, path: Path) -> None:
        temporary = self.root / f".latest-{path.name}"
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(path.name)
        temporary.replace(self.root / "latest")


def _stem(scenario: str, seed: int, now: datetime) -> str:
    return f"{now:%Y%m%dT%H%M%S}-{scenario}-s{seed}"
