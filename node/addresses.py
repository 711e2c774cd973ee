"""Where nodes listen, in one line: ``1=10.0.0.1:7000,2=10.0.0.2:7000``; an IPv6 host stands in brackets."""

from __future__ import annotations

from collections.abc import Mapping

from node.paxos.config import ConfigError

Addresses = Mapping[int, tuple[str, int]]
"""A host and a port for each node's id."""


def parse_addresses(text: str, where: str = "addresses") -> dict[int, tuple[str, int]]:
    """Parse ``1=host:port,2=host:port``. Raises ConfigError, which begins with ``where``."""
    addresses: dict[int, tuple[str, int]] = {}
    for part in text.split(","):
        node, equals, address = part.partition("=")
        if not equals or not node.strip().isdecimal():
            raise ConfigError(f"{where}: {part!r} is not ID=HOST:PORT")
        if int(node) in addresses:
            raise ConfigError(f"{where}: node {int(node)} is named twice")
        addresses[int(node)] = parse_address(address, f"{where}: {part!r} is not ID=HOST:PORT")
    return addresses


def parse_address(text: str, wrong: str) -> tuple[str, int]:
    """Parse ``host:port``. Raises ConfigError with the message ``wrong``."""
    host, colon, port = text.strip().rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not (colon and host and port.isdecimal() and 0 < int(port) < 65536):
        raise ConfigError(wrong)
    return host, int(port)


def format_address(address: tuple[str, int]) -> str:
    """Return ``host:port``, an IPv6 host in brackets."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
