"""``antipaxos audit``: the logs of stopped nodes held against each other, wherever they come from.

The same audit that ends every run (``checkers.audit``), over data folders alone: of a cluster that served somebody
else, of a run whose controller was killed. What clients were told is not in the logs; with a history it is asked of
every acknowledged operation, too, whether it is there.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
from rich.console import Console
from rich.text import Text

from checkers.audit import NodeAudit, NodeLog
from checkers.formats import load_history
from checkers.history import History, HistoryError
from checkers.verdict import Limits, Verdict
from harness.judgement import flattened
from harness.results import EXIT_CODES, Anomaly, RunVerdict
from harness.store import HISTORY, RunFolder, StoreError
from harness.systems.base import DATA, LogUnreadableError
from harness.systems.multipaxos import LogReader
from nemesis.faults import OF_THE_SYSTEM

NODES = "nodes"
"""The folder of a run's that holds those of its nodes."""
SHOWN_MAX = 16
_FILES = ("*.log", "*.snap")
"""What a node's data consist of."""
_RUN_VERDICT = {
    Verdict.VALID: RunVerdict.VALID,
    Verdict.INVALID: RunVerdict.VIOLATION,
    Verdict.UNKNOWN: RunVerdict.UNKNOWN,
}


class AuditUsageError(Exception):
    """A folder holds no node's data, or the words of the command are wrong; the message says which."""


class AuditReport(msgspec.Struct, frozen=True, kw_only=True):
    """What an audit came to. ``unreadable`` has a sentence for each log that could not be read."""

    verdict: RunVerdict
    sentence: str
    nodes: tuple[str, ...]
    unreadable: tuple[str, ...]
    anomalies: tuple[Anomaly, ...]
    statistics: dict[str, int]
    reproduce: str

    @property
    def exit_code(self) -> int:
        """The verdict as an exit status."""
        return EXIT_CODES[self.verdict]


@dataclass(frozen=True, slots=True)
class _Sources:
    """Where everything is: each node's data by its name, the history if there is one."""

    nodes: dict[str, Path]
    history: Path | None
    members_change: bool


def audit_folders(folders: Sequence[Path], history: Path | None, cluster_size: int | None) -> AuditReport:
    """Audit the nodes' data in the folders. Raises AuditUsageError.

    A folder is a node's data, a node's folder in a run, or a whole run's; of a run, its history is taken unless another
    one is given. ``cluster_size``: how many nodes the cluster has, if not all of them are here.
    """
    sources = _sources(folders, history)
    size = cluster_size if cluster_size is not None else len(sources.nodes)
    if size < len(sources.nodes):
        raise AuditUsageError(f"--cluster-size {size}: here are {len(sources.nodes)} nodes")
    served = _history(sources.history)
    logs, unreadable = _read(sources.nodes)
    audit = NodeAudit(logs, cluster_size=size, members_change=sources.members_change)
    result = flattened(audit.check(served, Limits(anomalies_max=1_000)))
    verdict, sentence = _RUN_VERDICT[Verdict(result.verdict)], result.sentence
    if verdict is RunVerdict.VALID and sources.history is None:
        sentence = (
            f"The logs of {len(logs)} nodes agree. No history was given: no acknowledged operation was looked for."
        )
    if verdict is not RunVerdict.VIOLATION and (why := _too_little(logs, unreadable, cluster_size)):
        verdict, sentence = RunVerdict.UNKNOWN, f"Unknown: {why}"
    words = ["antipaxos", "audit", *map(str, folders)]
    words += ["--history", str(history)] if history is not None else []
    words += ["--cluster-size", str(cluster_size)] if cluster_size is not None else []
    return AuditReport(
        verdict=verdict,
        sentence=sentence,
        nodes=tuple(sources.nodes),
        unreadable=tuple(unreadable),
        anomalies=result.anomalies,
        statistics={**result.statistics, "digests": sum(len(log.digests) for log in logs)},
        reproduce=shlex.join(words),
    )


def _too_little(logs: Sequence[NodeLog], unreadable: Sequence[str], cluster_size: int | None) -> str:
    """Say why nothing that was found proves nothing, if so: there was nothing to find it in."""
    if unreadable:
        return unreadable[0]
    if not any(log.events for log in logs):
        return "the logs are empty."
    if len(logs) == 1 and cluster_size != 1:
        return "a single log has no other to agree with (--cluster-size 1, if there is none)."
    return ""


def print_report(console: Console, report: AuditReport) -> None:
    """Print the verdict in a sentence, and what it rests on."""
    style = {"valid": "bold green", "violation": "bold red"}.get(report.verdict, "bold yellow")
    console.print(Text.assemble((report.verdict.upper(), style), "  ", report.sentence), soft_wrap=True)
    for anomaly in report.anomalies[1:SHOWN_MAX]:
        console.print(Text(f"  also: {anomaly.sentence}"), soft_wrap=True)
    if (more := len(report.anomalies) - SHOWN_MAX) > 0:
        console.print(Text(f"  and {more} more", style="dim"))
    for why in report.unreadable:
        console.print(Text(f"  unreadable: {why}", style="yellow"), soft_wrap=True)
    counts = report.statistics
    told = (
        f"{', '.join(report.nodes)}: {counts['slots_chosen']} slots chosen, {counts['acknowledged']} acknowledged, "
        f"{counts['refs_in_several_slots']} retried into several slots, {counts['digests_compared']} states compared"
    )
    console.print(Text(told, style="dim"), soft_wrap=True)
    if report.verdict is not RunVerdict.VALID:
        console.print(Text(f"again: {report.reproduce}", style="dim"), soft_wrap=True)


def _sources(folders: Sequence[Path], history: Path | None) -> _Sources:
    nodes: dict[str, Path] = {}
    runs: list[Path] = []
    for folder in folders:
        if not folder.is_dir():
            raise AuditUsageError(f"{folder}: {'is no folder' if folder.exists() else 'there is no such folder'}")
        if (folder / NODES).is_dir():
            runs.append(folder)
        for name, data in _nodes_in(folder):
            if name in nodes:
                raise AuditUsageError(f"{data}: there is a {name} already, in {nodes[name]}")
            nodes[name] = data
    if history is None and len(runs) == 1 and (runs[0] / HISTORY).exists():
        history = runs[0] / HISTORY
    return _Sources(nodes, history, any(_members_changed(run) for run in runs))


def _nodes_in(folder: Path) -> list[tuple[str, Path]]:
    """The nodes' data in a folder: by the names of the nodes' folders."""
    if (folder / NODES).is_dir():
        found = sorted((folder / NODES).iterdir())
        if not found:
            raise AuditUsageError(f"{folder / NODES}: there are no nodes")
        return [pair for node in found for pair in _nodes_in(node)]
    data = folder / DATA if (folder / DATA).is_dir() else folder
    if not any(next(data.glob(pattern), None) for pattern in _FILES):
        raise AuditUsageError(f"{data}: holds no node's data ({' or '.join(_FILES)})")
    name = data.resolve().parent.name if data.name == DATA else data.resolve().name
    return [(name, data)]


def _members_changed(run: Path) -> bool:
    """Whether the members of a run's cluster may have changed: fewer nodes may have been a majority then."""
    try:
        result = RunFolder(run).results()
    except StoreError as error:
        raise AuditUsageError(str(error)) from error
    return result is None or any(record.kind in OF_THE_SYSTEM for record in result.faults)


def _history(path: Path | None) -> History:
    if path is None:
        return History(())
    try:
        return load_history(path).history
    except HistoryError as error:
        raise AuditUsageError(str(error)) from error
    except OSError as error:
        raise AuditUsageError(f"{path}: {error.strerror or error}") from error


def _read(nodes: dict[str, Path]) -> tuple[list[NodeLog], list[str]]:
    reader, logs, unreadable = LogReader(), [], []
    for name, data in nodes.items():
        try:
            logs.append(reader.read(name, data))
        except LogUnreadableError as error:
            unreadable.append(str(error))
    return logs, unreadable
