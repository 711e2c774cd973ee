"""What the warden holds for as long as its cluster exists: made by ``warden``, used by ``service``."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cluster.local.ledger import Ledger
from harness.cluster.local.loopback import Reservation
from harness.cluster.local.messages import Opened
from harness.cluster.local.network import Network

if TYPE_CHECKING:
    from harness.cluster.local.disks import DiskProcess


@dataclass(frozen=True, slots=True)
class Estate:
    """Network and switch, or a reservation of loopback addresses and proxies; ``switch_control`` is of either."""

    opened: Opened
    directory: Path
    ledger: Ledger
    network: Network | None
    switch_control: socket.socket | None
    reservation: Reservation | None
    disks: tuple[DiskProcess, ...] = ()
