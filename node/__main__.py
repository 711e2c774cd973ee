"""``python -m node``: serve, be a client, print a configuration, or look into a data folder."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys

from node.addresses import parse_addresses
from node.assembly import Assembly, UnknownBugError
from node.configuration import default_file
from node.museum import misdeeds
from node.options import ServerConfig, configure, members, parser
from node.paxos.config import ConfigError

EXIT_USAGE = 2
EXIT_CORRUPT = 65
"""Exit status for a log that cannot be read (EX_DATAERR)."""


def main(argv: list[str] | None = None) -> int:
    """Run one command and return the exit status."""
    arguments = parser().parse_args(argv)
    return {"serve": _serve, "client": _client, "config": _config, "inspect": _inspect}[arguments.command](arguments)


def _config(arguments: argparse.Namespace) -> int:
    try:
        members = parse_addresses(arguments.peers, "--peers") if arguments.peers is not None else None
    except ConfigError as error:
        print(f"python -m node config: {error}", file=sys.stderr)  # noqa: T201
        return EXIT_USAGE
    print(default_file(arguments.id, members), end="")  # noqa: T201
    return 0


def _client(arguments: argparse.Namespace) -> int:
    from node import console  # noqa: PLC0415

    try:
        addresses, cluster = members(arguments, os.environ)
        return console.run(arguments, addresses, cluster)
    except (ConfigError, console.UsageError) as error:
        print(f"python -m node client: {error}", file=sys.stderr)  # noqa: T201
        return EXIT_USAGE


def _serve(arguments: argparse.Namespace) -> int:
    try:
        config, assembly = configure(arguments)
    except (ConfigError, UnknownBugError) as error:
        print(f"python -m node serve: {error}", file=sys.stderr)  # noqa: T201
        return EXIT_USAGE
    return serve(config, assembly)


def serve(config: ServerConfig, assembly: Assembly) -> int:
    """Run a node until it is told to stop, and return the exit status."""
    # Imported here: looking into a folder needs no event loop, and starts faster without it.
    import uvloop  # noqa: PLC0415

    from node.machine import StateError  # noqa: PLC0415
    from node.server import Server  # noqa: PLC0415
    from node.storage.wal import CorruptLogError, LogFailedError  # noqa: PLC0415

    logging.basicConfig(
        level=logging.INFO,
        stream=sys.stderr,
        format=f"%(asctime)s.%(msecs)03d n{config.core.me} %(levelname)s %(message)s",
        datefmt="%Y-%m-%dT%H:%M:%S",
    )

    misdeeds.announce = logging.getLogger("antipaxos.node").warning

    async def run() -> None:
        await Server(config, assembly).run()

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(run())
    except (CorruptLogError, LogFailedError, StateError) as error:
        logging.getLogger("antipaxos.node").critical("%s: %s", config.data, error)
        return EXIT_CORRUPT
    except OSError as error:
        logging.getLogger("antipaxos.node").critical("cannot serve: %s", error)
        return 1
    return 0


def _inspect(arguments: argparse.Namespace) -> int:
    from node.inspection import describe, dump_json  # noqa: PLC0415
    from node.machine import StateError  # noqa: PLC0415
    from node.paxos.log import SafetyError  # noqa: PLC0415
    from node.paxos.records import RecoveryError  # noqa: PLC0415
    from node.storage.wal import CorruptLogError  # noqa: PLC0415

    if not arguments.data.is_dir():
        print(f"python -m node inspect: {arguments.data} is not a folder", file=sys.stderr)  # noqa: T201
        return EXIT_USAGE
    try:
        for line in (dump_json if arguments.json else describe)(arguments.data):
            print(line)  # noqa: T201
    except (CorruptLogError, RecoveryError, SafetyError, StateError) as error:
        print(f"{arguments.data}: {error}", file=sys.stderr)  # noqa: T201
        return EXIT_CORRUPT
    except BrokenPipeError:
        sys.stderr.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
