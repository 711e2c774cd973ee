"""The options of ``python -m node``, and what a node is configured to from them.

Apart from the program, because a simulator starts nodes from the same words as a machine does.
"""

from __future__ import annotations

import argparse
import functools
import random
from dataclasses import dataclass
from pathlib import Path

from node.admission import Limits
from node.assembly import Assembly, assemble
from node.paxos.config import Config, ConfigError
from node.storage.wal import SEGMENT_BYTES

LOG_SEGMENT_BYTES = "log_segment_bytes"
LIMITS = Limits.__struct_fields__
SETTINGS = (
    *(name for name in Config.__struct_fields__ if name not in ("me", "members")),
    *LIMITS,
    LOG_SEGMENT_BYTES,
)
"""What ``--set`` can set: the core's settings, the limits, and the log's."""
LOG_SEGMENT_BYTES_RANGE = (256, 2**40)


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """Where a node listens, whom it talks to, where it keeps its data; ``seed`` drives its election time-outs.

    ``log_segment_bytes``: the log begins a new file once one is this long.
    """

    cluster: str
    core: Config
    addresses: dict[int, tuple[str, int]]
    data: Path
    seed: int
    log_segment_bytes: int = SEGMENT_BYTES
    limits: Limits = Limits()


@functools.cache
def parser() -> argparse.ArgumentParser:
    """Return the command line's parser."""
    parser = argparse.ArgumentParser(prog="python -m node", description="A Multi-Paxos node with a key-value store.")
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("serve", help="run a node until SIGTERM")
    serve.add_argument("--id", type=int, required=True, metavar="N", help="this node's id, a positive integer")
    serve.add_argument(
        "--peers",
        required=True,
        metavar="ID=HOST:PORT,…",
        help="all members with their addresses, this node included: 1=10.0.0.1:7000,2=10.0.0.2:7000,…",
    )
    serve.add_argument("--data", type=Path, required=True, metavar="DIR", help="data folder, made if it is not there")
    serve.add_argument(
        "--cluster", default="antipaxos", metavar="NAME", help="connections of other clusters are refused"
    )
    serve.add_argument("--seed", type=int, default=0, help="seed of the election time-outs' spread")
    serve.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help=f"one of: {_settings()}")
    serve.add_argument("--bug", metavar="NAME", help="plant a bug of node/bugs (to test a test harness)")
    inspect = commands.add_parser("inspect", help="print what a data folder holds: promises, accepted, chosen")
    inspect.add_argument("data", type=Path, metavar="DATA_DIR")
    inspect.add_argument("--json", action="store_true", help="one JSON object a line: every record, in durable order")
    return parser


def _settings() -> str:
    return ", ".join(SETTINGS)


def configure(arguments: argparse.Namespace) -> tuple[ServerConfig, Assembly]:
    """Return what ``serve``'s words ask for. Raises ConfigError, UnknownBugError."""
    addresses = parse_peers(arguments.peers)
    settings = parse_settings(arguments.set)
    segment_bytes = settings.pop(LOG_SEGMENT_BYTES, SEGMENT_BYTES)
    low, high = LOG_SEGMENT_BYTES_RANGE
    if not low <= segment_bytes <= high:
        raise ConfigError(f"{LOG_SEGMENT_BYTES} is {segment_bytes}, not {low} to {high}")
    limits = Limits(**{name: settings.pop(name) for name in LIMITS if name in settings})
    core = Config(me=arguments.id, members=tuple(sorted(addresses)), **settings)
    config = ServerConfig(arguments.cluster, core, addresses, arguments.data, arguments.seed, segment_bytes, limits)
    return config, assemble(arguments.bug)


def parse_peers(text: str) -> dict[int, tuple[str, int]]:
    """Parse ``1=host:port,2=host:port``. Raises ConfigError."""
    addresses: dict[int, tuple[str, int]] = {}
    for part in text.split(","):
        node, equals, address = part.partition("=")
        host, colon, port = address.rpartition(":")
        numbers = node.strip().isdecimal() and port.isdecimal() and 0 < int(port) < 65536
        if not (equals and colon and host and numbers):
            raise ConfigError(f"--peers: {part!r} is not ID=HOST:PORT")
        if int(node) in addresses:
            raise ConfigError(f"--peers: node {int(node)} is named twice")
        addresses[int(node)] = (host, int(port))
    return addresses


def parse_settings(texts: list[str]) -> dict[str, int]:
    """Parse ``key=value`` settings. Raises ConfigError."""
    settings: dict[str, int] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if key not in SETTINGS:
            raise ConfigError(f"--set: {key!r} is none of {_settings()}")
        if not equals or not value.isdecimal():
            raise ConfigError(f"--set: {text!r} is not {key}=NUMBER")
        settings[key] = int(value)
    return settings


def election_stream(seed: int, node: int, incarnation: int) -> random.Random:
    """Return the stream that spreads a node's election time-outs: another one in each of its lives."""
    return random.Random(f"{seed}/{node}/{incarnation}")
