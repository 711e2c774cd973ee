"""``warden.json``: which processes a cluster has started, for whoever has to clean up after a crash.

Written by the warden whenever that changes, always whole and by renaming, and removed when the warden ends in good
order. Identities, not pids: see ``pids``. The controller is named too: as long as it lives, nothing is left over.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from harness.cluster.local.errors import LocalError
from harness.cluster.local.pids import Identity, boot_id, is_alive

FILE_NAME = "warden.json"


class Ledger(msgspec.Struct, frozen=True):
    """All processes of one cluster, within one boot of the machine."""

    boot_id: str
    controller: Identity
    warden: Identity
    switch: Identity | None
    nodes: dict[str, Identity]
    disks: dict[str, Identity] = {}
    mounts: tuple[str, ...] = ()
    """Where disks are mounted for everybody to see."""


def write(directory: Path, ledger: Ledger) -> None:
    """Replace the ledger of a run; a reader sees the old or the new one, never half of it."""
    final = directory / FILE_NAME
    draft = directory / f".{FILE_NAME}.{ledger.warden.pid}"
    try:
        draft.write_bytes(msgspec.json.format(msgspec.json.encode(ledger), indent=2) + b"\n")
        draft.replace(final)
    except OSError as error:
        raise LocalError(f"cannot write {final}: {error}") from error


def read(directory: Path) -> Ledger | None:
    """Return the ledger of a run; None if there is none."""
    path = directory / FILE_NAME
    try:
        return msgspec.json.decode(path.read_bytes(), type=Ledger)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise LocalError(f"{path} cannot be read ({error}); look for its processes by hand, then remove it") from error


def remove(directory: Path, warden: Identity) -> None:
    """Remove the ledger of a run that has ended, unless another cluster has put its own in that place."""
    book = read(directory)
    if book is not None and book.warden == warden:
        (directory / FILE_NAME).unlink(missing_ok=True)


def living(book: Ledger) -> dict[str, Identity]:
    """Return by name which of the processes in a ledger still run: warden, switch and nodes, the warden first."""
    if book.boot_id != boot_id():
        return {}
    members = {"warden": book.warden, **({"switch": book.switch} if book.switch else {}), **book.nodes}
    members |= {f"disk of {node}": disk for node, disk in book.disks.items()}
    return {name: process for name, process in members.items() if is_alive(process)}
