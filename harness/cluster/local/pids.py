"""Processes as the kernel shows them, and an identity that outlives the reuse of pids.

A pid alone names nothing: minutes after a crash it may be someone else's process. A pid together with its start
time, within one boot, names one process for ever; only such identities are written to disk and compared.
"""

from __future__ import annotations

import signal
from pathlib import Path

import msgspec

STOPPED_STATES = frozenset("Tt")
WAITS_FOR_DISK = "D"
DEAD_STATES = frozenset("ZXx")


class Identity(msgspec.Struct, frozen=True):
    """One process within one boot of the machine; ``started_ticks`` is field 22 of /proc/<pid>/stat."""

    pid: int
    started_ticks: int


def boot_id() -> str:
    """Name this boot of the machine: start times repeat after a reboot, this does not."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def identify(pid: int) -> Identity | None:
    """Return the identity of the process that has this pid now; None if there is none, or only a zombie."""
    fields = _stat(Path(f"/proc/{pid}/stat"))
    if not fields or fields[0] in DEAD_STATES:
        return None
    return Identity(pid, int(fields[19]))


def start_ticks(pid: int) -> int:
    """Return when a child that is not reaped yet, dead or alive, was started."""
    return int(_stat(Path(f"/proc/{pid}/stat"))[19])


def is_alive(identity: Identity) -> bool:
    """Tell whether this very process still runs."""
    return identify(identity.pid) == identity


def is_stopped(pid: int) -> bool:
    """Tell whether every thread is stopped: the first one shows T before the last one has halted.

    One that waits for its disk cannot be stopped yet, but will be before it does anything else: it counts as stopped
    as soon as another one is, or the signal is under way.
    """
    states = [_state(stat) for stat in Path(f"/proc/{pid}/task").glob("*/stat")]
    present = {state for state in states if state and state not in DEAD_STATES}
    if not present or not present <= STOPPED_STATES | {WAITS_FOR_DISK}:
        return False
    return not present.isdisjoint(STOPPED_STATES) or _stop_pends(pid)


def _stop_pends(pid: int) -> bool:
    """Tell whether a SIGSTOP was sent and not taken yet."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return False
    masks = [int(line.split()[1], 16) for line in lines if line.startswith(("SigPnd:", "ShdPnd:"))]
    return any(mask >> (signal.SIGSTOP - 1) & 1 for mask in masks)


def _state(stat: Path) -> str:
    fields = _stat(stat)
    return fields[0] if fields else ""


def _stat(path: Path) -> list[str]:
    """Return the fields behind the command name (which may contain anything), the state first; [] if gone."""
    try:
        text = path.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return text.rpartition(")")[2].split()
