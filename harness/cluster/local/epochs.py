"""Each node's monotonic clock begins elsewhere: a time namespace of its own, where the kernel lets us make one.

On machines of their own, two nodes' monotonic clocks have nothing to do with each other. On one machine they would be
the same clock, and code that compares one node's reading with another's would work there and nowhere else. A time
namespace shifts the clocks that count from boot for the processes in it; it costs a few system calls and can be had by
whoever has the rights of root in some user namespace. It never shifts the wall clock.

The namespace is entered between fork and exec, by the node's process itself; its offsets are fixed from then on.
"""

from __future__ import annotations

import os
from pathlib import Path

from harness.cluster.local import forking, kernel
from harness.cluster.local.errors import LocalError

CLONE_NEWTIME = 0x00000080
NS_PER_S = 10**9
OFFSETS = Path("/proc/self/timens_offsets")
PROBE_NS = 10**12


def enter(ahead_ns: int) -> None:
    """Move this process to where its monotonic and boot clocks are ``ahead_ns`` ahead of what they are here.

    Raises LocalError. For a process with one thread, and only once.
    """
    offsets = _offsets()
    kernel.unshare(CLONE_NEWTIME, "a time namespace")
    lines = []
    for clock in ("monotonic", "boottime"):
        seconds, ns = divmod(offsets.get(clock, 0) + ahead_ns, NS_PER_S)
        lines.append(f"{clock} {seconds} {ns}\n")
    try:
        OFFSETS.write_text("".join(lines))
        descriptor = os.open("/proc/self/ns/time_for_children", os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise LocalError(f"cannot set the offsets of a time namespace: {error}") from error
    try:
        kernel.enter(descriptor, CLONE_NEWTIME, "a time namespace")
    finally:
        os.close(descriptor)


def why_not() -> str:
    """Return "" if ``enter`` works here, else why it does not."""
    return forking.why_not(lambda: enter(PROBE_NS))


def _offsets() -> dict[str, int]:
    """Return by how many ns each clock is shifted where this process is: offsets count from the first namespace."""
    try:
        rows = [line.split() for line in OFFSETS.read_text().splitlines()]
    except OSError as error:
        raise LocalError(f"no time namespaces in this kernel (Linux 5.6 or later has them): {error}") from error
    return {row[0]: int(row[1]) * NS_PER_S + int(row[2]) for row in rows if len(row) == 3}
