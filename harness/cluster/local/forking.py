"""The warden's helper processes: forked before it starts its event loop, with nothing executed and nothing inherited.

Forked rather than executed, since a second start of Python would double the time of a set-up. A helper ends when its
control socket closes, and by the kernel's hand when the warden dies.
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


def fork(work: Callable[[], None], foreign: Sequence[socket.socket]) -> int:
    """Have a child do the work and end; return its pid. ``foreign`` sockets are the warden's alone."""
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        _live(parent, work, foreign)
    return pid


def _live(parent: int, work: Callable[[], None], foreign: Sequence[socket.socket]) -> NoReturn:
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
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(status)
