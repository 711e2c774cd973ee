"""Kernel settings of a machine's own network namespace: quiet links, and TCP that notices a heal soon.

After a cut TCP waits longer with every retry: measured with the defaults, a cut of 10 s went on stalling for 3.3 s
after it had been healed, one of a minute may for half a minute more. That is Linux being polite to a congested
internet, and only blurs what a fault did. So retries are capped at one a second where the kernel can (6.15 and
later), and the number of retries is raised so that a connection still outlives a long cut, as it does by default:
255 retries of 1 s are over four minutes. New connections try once a second and give up after about seven.

Nothing here touches the host: these files show the settings of the namespace of whoever opens them.
"""

from __future__ import annotations

from pathlib import Path

_ROOT = Path("/proc/sys/net")

# Links carry what nodes send and nothing else: no router solicitations, no duplicate address detection.
_QUIET = (("ipv6/conf/all/disable_ipv6", "1"), ("ipv6/conf/default/disable_ipv6", "1"))
_CAPPED = (("ipv4/tcp_rto_max_ms", "1000"), ("ipv4/tcp_retries2", "255"), ("ipv4/tcp_syn_retries", "6"))
# Without the cap: no backoff for the first six retries of a thin stream, and short attempts to connect.
_UNCAPPED = (("ipv4/tcp_thin_linear_timeouts", "1"), ("ipv4/tcp_syn_retries", "2"))
# Thousands of short connections from one client address to one server address and port.
_CLIENTS = (("ipv4/ip_local_port_range", "10000 65000"), ("ipv4/tcp_tw_reuse", "1"))


def quieten() -> None:
    """Switch IPv6 off where it exists; that it stays on is no harm, only some stray frames."""
    for name, value in _QUIET:
        _set(name, value)


def hasten_recovery() -> str:
    """Let TCP here notice a healed link soon; return in a few words how."""
    if _set(*_CAPPED[0]):
        for name, value in _CAPPED[1:]:
            _set(name, value)
        return "TCP retries at least each second (tcp_rto_max_ms)"
    applied = [_set(name, value) for name, value in _UNCAPPED]
    if all(applied):
        return "no tcp_rto_max_ms (Linux 6.15): after a cut over 3 s TCP may stall for as long again"
    return "TCP settings are read-only here: after a cut TCP may stall for as long again"


def widen_clients() -> None:
    """Give the clients' machine ports enough for a campaign of short connections."""
    for name, value in _CLIENTS:
        _set(name, value)


def _set(name: str, value: str) -> bool:
    """Write one setting; False where the kernel has none of that name or it is read-only (as in containers)."""
    try:
        (_ROOT / name).write_text(value)
    except OSError:
        return False
    return True
