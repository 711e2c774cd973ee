"""The warden's helper processes: forked before it starts its event loop, with nothing executed and nothing inherited.

Forked rather than executed, since a second start of Python would double the time of a set-up. A helper ends when its
control socket closes, and by the kernel's hand when the warden dies. What works here is found out in a forked child,
too: whatever an attempt does to its process is gone with that.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import NoReturn

from harness.cluster.local import kernel
from harness.cluster.local.errors import LocalError

REASON_LIMIT_BYTES = 4_000


def fork(name: str, work: Callable[[], None], foreign: Sequence[socket.socket] = ()) -> int:
    """Have a child do the work and end; return its pid. ``foreign`` sockets are the warden's alone."""
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        _live(parent, name, work, foreign)
    return pid


def why_not(attempt: Callable[[], object]) -> str:
    """Return "" if this can be done here, else in one line why it cannot: found out by doing it in a child."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        _try(attempt, writer)
    os.close(writer)
    with open(reader, "rb") as pipe:  # noqa: PTH123 - a descriptor, not a path
        reason = pipe.read(REASON_LIMIT_BYTES).decode(errors="replace")
    _, status = os.waitpid(pid, 0)
    if status and not reason:
        reason = f"the attempt ended with wait status {status}"
    return reason


def _try(attempt: Callable[[], object], writer: int) -> NoReturn:
    reason = ""
    try:
        attempt()
    except (LocalError, OSError) as error:
        reason = str(error) or type(error).__name__
    except BaseException as error:  # noqa: BLE001 - must not run on in the parent's code
        reason = f"unexpected {type(error).__name__}: {error}"
    finally:
        os.write(writer, reason.encode()[:REASON_LIMIT_BYTES])
        os._exit(0)


def _live(parent: int, name: str, work: Callable[[], None], foreign: Sequence[socket.socket]) -> NoReturn:
    """Be the helper until the work is done; never return to the code that forked."""
    status = 1
    try:
        kernel.die_with_parent(parent)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        for descriptor in foreign:
            descriptor.close()
        work()
        status = 0
    except BaseException:  # noqa: BLE001 - whatever it is, it must reach the log and not the forked parent's code
        sys.stderr.write(f"{name}:\n")
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(status)
