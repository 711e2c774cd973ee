"""``python -m node``: serve, or look into a data folder."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from pathlib import Path

from node.paxos.config import Config, ConfigError

EXIT_USAGE = 2
EXIT_CORRUPT = 65
"""Exit status for a log that cannot be read (EX_DATAERR)."""


def main(argv: list[str] | None = None) -> int:
    """Run one command and return the exit status."""
    arguments = _parser().parse_args(argv)
    if arguments.command == "inspect":
        return _inspect(arguments)
    return _serve(arguments)


def _parser() -> argparse.ArgumentParser:
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
    return ", ".join(name for name in Config.__struct_fields__ if name not in ("me", "members"))


def _serve(arguments: argparse.Namespace) -> int:
    # Imported here: looking into a folder needs no event loop, and starts faster without it.
    import uvloop  # noqa: PLC0415

    from node.assembly import UnknownBugError, assemble  # noqa: PLC0415
    from node.server import Server, ServerConfig  # noqa: PLC0415
    from node.storage.wal import CorruptLogError, LogFailedError  # noqa: PLC0415

    logging.basicConfig(
        level=logging.INFO,
        stream=sys.stderr,
        format=f"%(asctime)s.%(msecs)03d n{arguments.id} %(levelname)s %(message)s",
        datefmt="%Y-%m-%dT%H:%M:%S",
    )
    try:
        addresses = parse_peers(arguments.peers)
        settings = parse_settings(arguments.set)
        core = Config(me=arguments.id, members=tuple(sorted(addresses)), **settings)
        assembly = assemble(arguments.bug)
    except (ConfigError, UnknownBugError) as error:
        print(f"python -m node serve: {error}", file=sys.stderr)  # noqa: T201
        return EXIT_USAGE
    config = ServerConfig(arguments.cluster, core, addresses, arguments.data, arguments.seed)

    async def serve() -> None:
        await Server(config, assembly).run()

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve())
    except (CorruptLogError, LogFailedError) as error:
        logging.getLogger("antipaxos.node").critical("%s: %s", arguments.data, error)
        return EXIT_CORRUPT
    except OSError as error:
        logging.getLogger("antipaxos.node").critical("cannot serve: %s", error)
        return 1
    return 0


def parse_peers(text: str) -> dict[int, tuple[str, int]]:
    """Parse ``1=host:port,2=host:port``. Raises ConfigError."""
    addresses: dict[int, tuple[str, int]] = {}
    for part in text.split(","):
        node, equals, address = part.partition("=")
        host, colon, port = address.rpartition(":")
        if not (equals and colon and host and node.strip().isdigit() and port.isdigit() and 0 < int(port) < 65536):
            raise ConfigError(f"--peers: {part!r} is not ID=HOST:PORT")
        if int(node) in addresses:
            raise ConfigError(f"--peers: node {int(node)} is named twice")
        addresses[int(node)] = (host, int(port))
    return addresses


def parse_settings(texts: list[str]) -> dict[str, int]:
    """Parse ``key=value`` settings of the core. Raises ConfigError."""
    settings: dict[str, int] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if key not in Config.__struct_fields__ or key in ("me", "members"):
            raise ConfigError(f"--set: {key!r} is none of {_settings()}")
        if not equals or not value.isdigit():
            raise ConfigError(f"--set: {text!r} is not {key}=NUMBER")
        settings[key] = int(value)
    return settings


def _inspect(arguments: argparse.Namespace) -> int:
    from node.inspection import describe, dump_json  # noqa: PLC0415
    from node.storage.wal import CorruptLogError  # noqa: PLC0415

    if not arguments.data.is_dir():
        print(f"python -m node inspect: {arguments.data} is not a folder", file=sys.stderr)  # noqa: T201
        return EXIT_USAGE
    try:
        for line in (dump_json if arguments.json else describe)(arguments.data):
            print(line)  # noqa: T201
    except CorruptLogError as error:
        print(f"{arguments.data}: {error}", file=sys.stderr)  # noqa: T201
        return EXIT_CORRUPT
    except BrokenPipeError:
        sys.stderr.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
