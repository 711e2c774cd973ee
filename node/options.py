"""The options of ``python -m node``, and what a node is configured to from them.

Apart from the program, because a simulator starts nodes from the same words as a machine does.
"""

from __future__ import annotations

import argparse
import functools
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from node import configuration
from node.addresses import Addresses, parse_addresses
from node.admission import Limits
from node.assembly import Assembly, assemble
from node.configuration import LOG_DEFAULTS, SETTINGS, Setting, Written
from node.paxos.config import Config, ConfigError
from node.storage.wal import SEGMENT_BYTES, ZERO_AHEAD_BYTES
from node.wire import CLUSTER

__all__ = ["SETTINGS", "ServerConfig", "configure", "election_stream", "members", "parser"]

PEERS = "ID=HOST:PORT,…"


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """Where a node listens, whom it talks to, where it keeps its data; ``seed`` drives its election time-outs.

    ``log_segment_bytes``: the log begins a new file once one is this long. ``log_zero_ahead_bytes``: so many zeros are
    written ahead of the records, and files are recycled; with 0, neither. ``log_direct``: with 1, past the page cache.
    """

    cluster: str
    core: Config
    addresses: Addresses
    data: Path
    seed: int
    log_segment_bytes: int = SEGMENT_BYTES
    limits: Limits = field(default_factory=Limits)
    log_zero_ahead_bytes: int = ZERO_AHEAD_BYTES
    log_direct: int = 0


@functools.cache
def parser() -> argparse.ArgumentParser:
    """Return the command line's parser."""
    parser = argparse.ArgumentParser(prog="python -m node", description="A Multi-Paxos node with a key-value store.")
    commands = parser.add_subparsers(dest="command", required=True)
    _add_serve(commands.add_parser("serve", help="run a node until SIGTERM"))
    _add_client(commands.add_parser("client", help="read and write, look at the nodes, measure"))
    config = commands.add_parser("config", help="print a commented configuration file with all defaults")
    config.add_argument("--id", type=int, default=1, metavar="N", help="this node's id [default: 1]")
    config.add_argument("--peers", metavar=PEERS, help="all members with their addresses [default: three on 127.0.0.1]")
    inspect = commands.add_parser("inspect", help="print what a data folder holds: promises, accepted, chosen")
    inspect.add_argument("data", type=Path, metavar="DATA_DIR")
    inspect.add_argument("--json", action="store_true", help="one JSON object a line: every record, in durable order")
    return parser


def _add_serve(serve: argparse.ArgumentParser) -> None:
    serve.add_argument("--config", type=Path, metavar="FILE", help="a TOML file (see: config); flags override it")
    serve.add_argument("--id", type=int, metavar="N", help="this node's id, a positive integer")
    serve.add_argument(
        "--peers",
        metavar=PEERS,
        help="all members with their addresses, this node included: 1=10.0.0.1:7000,2=10.0.0.2:7000,…",
    )
    serve.add_argument("--data", type=Path, metavar="DIR", help="data folder, made if it is not there")
    serve.add_argument("--cluster", metavar="NAME", help=f"connections of other clusters are refused [{CLUSTER}]")
    serve.add_argument("--seed", type=int, help="seed of the election time-outs' spread [0]")
    serve.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help=f"one of: {', '.join(SETTINGS)}")
    serve.add_argument("--bug", metavar="NAME", help="plant a bug of node/bugs (to test a test harness)")


def _add_client(client: argparse.ArgumentParser) -> None:
    client.add_argument("--config", type=Path, metavar="FILE", help="the nodes' TOML file: members and cluster")
    client.add_argument("--peers", metavar=PEERS, help="the nodes' addresses [default: $ANTIPAXOS_PEERS]")
    client.add_argument("--cluster", metavar="NAME", help=f"the cluster's name [{CLUSTER}]")
    client.add_argument("--home", type=int, metavar="N", help="the node to ask first [the lowest]")
    client.add_argument("--timeout", type=float, default=5.0, metavar="S", help="how long it may take, in seconds [5]")
    client.add_argument("--json", action="store_true", help="print JSON")
    client.epilog = (
        "A VALUE is JSON, and a string if it is not: 7, true, null, [1,2], hello. "
        "Exit status: 0 done, 1 changed nothing (the condition did not hold), 2 usage, "
        "3 certainly not done (or the nodes have no leader), 4 nobody knows whether it was done."
    )
    verbs = client.add_subparsers(dest="verb", required=True, metavar="VERB")

    def verb(name: str, what: str, *words: str, alias: str | None = None) -> argparse.ArgumentParser:
        added = verbs.add_parser(name, help=what, aliases=[alias] if alias else [])
        for word in words:
            added.add_argument(word.lower(), metavar=word)
        return added

    verb("get", "a key's value (linearizable)", "KEY", alias="read")
    verb("put", "set a key", "KEY", "VALUE", alias="write")
    verb("cas", "set a key to NEW if it is EXPECTED", "KEY", "EXPECTED", "NEW")
    verb("append", "append to a key's list; prints the new length", "KEY", "VALUE")
    verb("add", "add to a key's set; prints whether it was new", "KEY", "VALUE")
    verb("increment", "add BY to a key's number; prints the sum", "KEY", "BY")
    change = verb("add-node", "add a node to the members; prints who they are then", "ID")
    change.add_argument("address", nargs="?", default="", metavar="HOST:PORT", help="[as the nodes' file says]")
    verb("remove-node", "remove a node from the members; prints who they are then", "ID")
    replace = verb("replace-node", "add the node NEW, then remove the node OLD", "OLD", "NEW")
    replace.add_argument("address", nargs="?", default="", metavar="HOST:PORT", help="where NEW listens")
    verb("status", "all nodes and what they think of themselves, as a table")
    ping = verb("ping", "how long a read (or a write) takes, again and again, until Ctrl-C")
    ping.add_argument("-n", "--count", type=int, default=0, metavar="N", help="end after N [0: never]")
    ping.add_argument("-i", "--interval", type=float, default=1.0, metavar="S", help="seconds between two [1]")
    ping.add_argument("--write", metavar="KEY", help="write this key instead of reading one")


def configure(arguments: argparse.Namespace) -> tuple[ServerConfig, Assembly]:
    """Return what ``serve``'s words and its file ask for. Raises ConfigError, UnknownBugError."""
    written = configuration.load(arguments.config) if arguments.config is not None else Written()
    addresses = parse_addresses(arguments.peers, "--peers") if arguments.peers is not None else written.members
    me = _first(arguments.id, written.id)
    if addresses is None:
        raise ConfigError("who are the members? --peers, or [members] in a --config file")
    if me is None:
        raise ConfigError("which node is this? --id, or id under [node] in a --config file")
    if arguments.data is None and written.data is None:
        raise ConfigError("where does it keep its data? --data, or data under [node] in a --config file")
    data = arguments.data if arguments.data is not None else Path(str(written.data).replace("{id}", str(me)))
    settings: dict[str, Any] = {**(written.settings or {}), **parse_settings(arguments.set)}
    log = {name: settings.pop(name) for name in LOG_DEFAULTS if name in settings}
    limits = Limits(**{name: settings.pop(name) for name in Limits.__struct_fields__ if name in settings})
    core = Config(me=me, members=tuple(sorted(addresses)), **settings)
    cluster = _first(arguments.cluster, written.cluster, CLUSTER)
    seed = _first(arguments.seed, written.seed, 0)
    assert cluster is not None
    assert seed is not None
    return ServerConfig(cluster, core, addresses, data, seed, limits=limits, **log), assemble(arguments.bug)


def members(arguments: argparse.Namespace, environment: Mapping[str, str]) -> tuple[Addresses, str]:
    """Return the nodes that ``client``'s words mean, and their cluster's name. Raises ConfigError."""
    written = configuration.load(arguments.config) if arguments.config is not None else Written()
    words = arguments.peers if arguments.peers is not None else None
    if words is None and written.members is None:
        words = environment.get("ANTIPAXOS_PEERS")
    addresses = parse_addresses(words, "--peers") if words is not None else written.members
    if addresses is None:
        raise ConfigError("where are the nodes? --peers 1=HOST:PORT,…, or --config FILE, or $ANTIPAXOS_PEERS")
    return addresses, _first(arguments.cluster, written.cluster, CLUSTER) or CLUSTER


def parse_settings(texts: list[str]) -> dict[str, Setting]:
    """Parse ``key=value`` settings. Raises ConfigError."""
    return dict(configuration.parse_setting(text) for text in texts)


def _first(*values: Any) -> Any:
    """Return the first that is said."""
    return next((value for value in values if value is not None), None)


def election_stream(seed: int, node: int, incarnation: int) -> random.Random:
    """Return the stream that spreads a node's election time-outs: another one in each of its lives."""
    return random.Random(f"{seed}/{node}/{incarnation}")
