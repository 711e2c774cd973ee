"""The few system calls that Python 3.11 does not offer: namespaces and what happens when a parent dies.

``unshare`` and ``setns`` came to ``os`` with 3.12, ``timerfd_create`` with 3.13, ``prctl`` never did. Namespaces are
held by open descriptors only: nothing is mounted and nothing is named under /run, so the kernel frees them with the
last process that held them.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.cluster.local.errors import LocalError

CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000
CLONE_NEWNS = 0x00020000
MS_REC_PRIVATE = 0x4000 | 0x40000
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
CLOCK_MONOTONIC = 1
TFD_TIMER_ABSTIME = 1

_libc = ctypes.CDLL(None, use_errno=True)


def unshare(flags: int, what: str) -> None:
    """Move this process to new namespaces of these kinds."""
    if _libc.unshare(ctypes.c_int(flags)) != 0:
        raise LocalError(f"cannot create {what}: {os.strerror(ctypes.get_errno())}")


def enter(descriptor: int, kind: int, what: str) -> None:
    """Move this process to the namespace of this kind behind the descriptor."""
    if _libc.setns(ctypes.c_int(descriptor), ctypes.c_int(kind)) != 0:
        raise LocalError(f"cannot enter {what}: {os.strerror(ctypes.get_errno())}")


def enter_network(descriptor: int) -> None:
    """Move this process to the network namespace behind the descriptor."""
    enter(descriptor, CLONE_NEWNET, "a network namespace")


def new_user_namespace() -> None:
    """Become root of a new user namespace in which only this very user exists."""
    uid, gid = os.geteuid(), os.getegid()
    unshare(CLONE_NEWUSER, "a user namespace")
    try:
        # An ordinary user may map its group only once it has given up setgroups(2) inside.
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
        Path("/proc/self/gid_map").write_text(f"0 {gid} 1")
    except OSError as error:
        raise LocalError(f"cannot map uid {uid} into a user namespace: {error}") from error


def new_network_namespace() -> int:
    """Move to a new network namespace and return a descriptor that keeps it alive."""
    unshare(CLONE_NEWNET, "a network namespace")
    return this_network()


def new_mount_namespace() -> None:
    """Move to a new mount namespace; what is mounted in it is seen nowhere else."""
    unshare(CLONE_NEWNS, "a mount namespace")
    if _libc.mount(b"none", b"/", None, ctypes.c_ulong(MS_REC_PRIVATE), None) != 0:
        raise LocalError(f"cannot make mounts private: {os.strerror(ctypes.get_errno())}")


def this_network() -> int:
    """Return a descriptor of the network namespace this process is in."""
    return os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


@contextmanager
def inside(network: int, home: int) -> Iterator[None]:
    """Be in ``network`` for the block, then back in ``home``. Never await inside: the whole process moves."""
    enter_network(network)
    try:
        yield
    finally:
        enter_network(home)


def die_with_parent(parent: int) -> None:
    """Have the kernel SIGKILL this process when its parent dies; exit at once if it is dead already."""
    if _libc.prctl(PR_SET_PDEATHSIG, 9, 0, 0, 0) != 0:
        raise LocalError(f"cannot ask for a signal at the parent's death: {os.strerror(ctypes.get_errno())}")
    if os.getppid() != parent:
        os._exit(1)


def adopt_orphans() -> None:
    """Let processes whose parent died become children of this one, so that it can wait for them too."""
    if _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise LocalError(f"cannot become a child subreaper: {os.strerror(ctypes.get_errno())}")


class _TimerSpec(ctypes.Structure):
    """struct itimerspec: the interval, then the first expiry, each in seconds and nanoseconds."""

    _fields_ = (("values", ctypes.c_long * 4),)


def new_timer() -> int:
    """Return the descriptor of a timer on the monotonic clock, not armed; it becomes readable when it expires."""
    descriptor = _libc.timerfd_create(CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
    if descriptor < 0:
        raise LocalError(f"cannot create a timer: {os.strerror(ctypes.get_errno())}")
    return int(descriptor)


def arm_timer(descriptor: int, at_ns: int) -> None:
    """Let a timer expire once, at a time on the monotonic clock; one that is past expires at once."""
    spec = _TimerSpec((ctypes.c_long * 4)(0, 0, *divmod(max(1, at_ns), 10**9)))
    if _libc.timerfd_settime(descriptor, TFD_TIMER_ABSTIME, ctypes.byref(spec), None) != 0:
        raise LocalError(f"cannot set a timer: {os.strerror(ctypes.get_errno())}")
