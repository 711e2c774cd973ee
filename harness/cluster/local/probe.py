"""Which of the modes works here, found out by doing it in a child process.

Asking the kernel's settings is not enough (AppArmor, seccomp and container runtimes forbid without a setting), and
trying in the warden itself could leave it halfway into a namespace. So a forked child goes all the way to a veth pair
that carries a frame socket, and ends. Run as a program it prints why a mode does not work, and nothing if it does:

    python -m harness.cluster.local.probe userns
"""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path
from typing import get_args

from harness.cluster.local import forking, network
from harness.cluster.local.messages import UsedMode

_KNOBS = (
    ("kernel/unprivileged_userns_clone", "0", "sysctl -w kernel.unprivileged_userns_clone=1"),
    ("kernel/apparmor_restrict_unprivileged_userns", "1", "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"),
    ("user/max_user_namespaces", "0", "sysctl -w user.max_user_namespaces=10000"),
    ("user/max_net_namespaces", "0", "sysctl -w user.max_net_namespaces=10000"),
)


def why_not(mode: UsedMode) -> str:
    """Return "" if the mode works here, else in one line why it does not."""
    if mode == "loopback":
        return ""
    return forking.why_not(partial(_build_smallest, mode))


def best_mode() -> tuple[UsedMode, str]:
    """Return the best mode that works here, and why the better ones do not ("" where namespaces work)."""
    attempts: list[UsedMode] = ["root", "userns"] if os.geteuid() == 0 else ["userns"]
    reasons = []
    for mode in attempts:
        reason = why_not(mode)
        if not reason:
            return mode, ""
        reasons.append(f"{mode}: {reason}")
    return "loopback", f"{'; '.join(reasons)}; {advice('userns')}"


def advice(mode: UsedMode) -> str:
    """Say how namespaces could be had here, going by what the kernel shows."""
    if mode == "root" and os.geteuid() != 0:
        return "use mode userns, which needs no privilege, or auto"
    found = [remedy for name, bad, remedy in _KNOBS if _setting(name) == bad]
    if found:
        return "try " + " and ".join(found)
    return "in a container add SYS_ADMIN and NET_ADMIN, or a seccomp profile that lets unshare(2) through"


def _setting(name: str) -> str:
    try:
        return (Path("/proc/sys") / name).read_text().strip()
    except OSError:
        return ""


def _build_smallest(mode: UsedMode) -> None:
    built = network.build(("n1",), user_namespace=mode == "userns")
    network.open_port(built.machine("n1"))


def main(argv: list[str]) -> int:
    """Probe one mode for another program."""
    if len(argv) != 1 or argv[0] not in get_args(UsedMode):
        sys.stderr.write(f"usage: python -m harness.cluster.local.probe {'|'.join(get_args(UsedMode))}\n")
        return 2
    mode: UsedMode = argv[0]  # type: ignore[assignment]  # checked against the very names above
    sys.stdout.write(why_not(mode))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
