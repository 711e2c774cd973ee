"""``antipaxos clean``: ends what a killed controller left behind, and nothing else.

Namespaces and links vanish with the processes that hold them, so processes are what there is to find, the cgroups that
a warden has made for nodes that starve, and the folders that an exploration works in. Each run's folder names its
processes with pid, start time and boot, so a pid that was reused is never touched, and neither is a run whose
controller is alive. Cleaning twice is the same as cleaning once.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness import workplace
from harness.cluster.base import ClusterError
from harness.cluster.local import leftovers
from harness.store import CLUSTER, RunFolder, Store


@dataclass(frozen=True, slots=True)
class Cleaned:
    """One process that was ended, and the run it belonged to."""

    run: str
    name: str
    pid: int

    def __str__(self) -> str:
        return f"ended {self.name} (process {self.pid}) of {self.run}"


def clean(store: Store) -> list[Cleaned]:
    """End the leftovers of all runs in a store. Raises ClusterError after the last, for those that it could not end."""
    cleaned: list[Cleaned] = []
    failed = []
    for run in store.runs():
        try:
            cleaned += clean_run(run)
        except ClusterError as error:
            failed.append(f"{run.name}: {error}")
    if failed:
        raise ClusterError("; ".join(failed))
    return cleaned


def sweep(store: Store) -> list[Path]:
    """Remove the folders that explorations whose controllers were killed have worked in; return them.

    Raises ClusterError after the last, for those that it could not remove.
    """
    parents = (workplace.MEMORY_DISK, store.root)
    swept = [one for parent in parents if parent.is_dir() for one in workplace.sweep(parent)]
    if failed := [f"{one.directory}: {one.why}" for one in swept if one.why]:
        raise ClusterError("; ".join(failed))
    return [one.directory for one in swept]


def clean_run(run: RunFolder) -> list[Cleaned]:
    """End the leftovers of one run."""
    folder = run / CLUSTER
    if not folder.is_dir():
        return []
    return [Cleaned(run.name, leftover.name, leftover.process.pid) for leftover in leftovers.end_all(folder)]
