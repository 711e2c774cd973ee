"""``antipaxos clean``: ends what a killed controller left behind, and nothing else.

Namespaces and links vanish with the processes that hold them, so processes are all there is to find. Each run's folder
names its own with pid, start time and boot, so a pid that was reused is never touched, and neither is a run whose
controller is alive. Cleaning twice is the same as cleaning once.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.cluster.base import ClusterError
from harness.cluster.local import leftovers
from harness.store import RunFolder, Store


@dataclass(frozen=True, slots=True)
class Cleaned:
    """One process that was ended, and the run it belonged to."""

    run: str
    name: str
    pid: int


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


def clean_run(run: RunFolder) -> list[Cleaned]:
    """End the leftovers of one run."""
    folder = run / "cluster"
    if not folder.is_dir():
        return []
    return [
        Cleaned(run.name, leftover.name, leftover.process.pid)
        for leftover in leftovers.find(folder)
        if leftovers.end(leftover)
    ]
