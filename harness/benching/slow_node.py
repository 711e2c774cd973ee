"""A node whose disk is slower than it is: ``python -m harness.benching.slow_node MICROSECONDS serve …``.

The disk is wrapped, the node is not changed: each sync of a file really happens, and then takes as long as was asked
for if it was faster. It is the log's thread that waits, as it would for such a device.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path

from node.__main__ import serve
from node.options import configure, parser
from node.storage.disk import Disk, File, PosixDisk

WAKE_S = 60e-6
"""How much too late the kernel wakes a sleeper, about."""


class SlowFile:
    """A file whose syncs take at least so long; all else is the file's own."""

    def __init__(self, file: File, sync_s: float) -> None:
        self._file = file
        self._sync_s = sync_s
        self.size, self.read, self.write = file.size, file.read, file.write
        self.truncate, self.close = file.truncate, file.close

    def sync(self) -> None:
        """Sync, and wait until it has taken long enough."""
        end = time.perf_counter() + self._sync_s
        self._file.sync()
        left = end - time.perf_counter() - WAKE_S
        if left > 0:
            time.sleep(left)


class SlowDisk:
    """A folder of slow files."""

    def __init__(self, disk: Disk, sync_s: float) -> None:
        self._disk = disk
        self._sync_s = sync_s

    def __getattr__(self, name: str) -> object:
        """All but ``open`` is the disk's own."""
        return getattr(self._disk, name)

    def open(self, name: str, *, create: bool = False) -> File:
        """Open a file whose syncs are slow."""
        return SlowFile(self._disk.open(name, create=create), self._sync_s)


def main() -> int:
    """Serve with a slow disk."""
    sync_s = int(sys.argv[1]) / 1e6

    def disk(folder: Path, *, direct: bool = False) -> Disk:
        slow: object = SlowDisk(PosixDisk(folder, direct=direct), sync_s)
        return slow  # type: ignore[return-value]

    config, assembly = configure(parser().parse_args(sys.argv[2:]))
    return serve(config, replace(assembly, disk=disk))


if __name__ == "__main__":
    sys.exit(main())
