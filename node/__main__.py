"""``python -m node``: serve, or look into a data folder."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys

from node.assembly import UnknownBugError
from node.museum import misdeeds
from node.options import configure, parser
from node.paxos.config import ConfigError

EXIT_USAGE = 2
EXIT_CORRUPT = 65
"""Exit status for a log that cannot be read (EX_DATAERR)."""


def main(argv: list[str] | None = None) -> int:
    """Run one command and return the exit status."""
    arguments = parser().parse_args(argv)
    if arguments.command == "inspect":
        return _inspect(arguments)
    return _serve(arguments)


def _serve(arguments: argparse.Namespace) -> int:
    # Imported here: looking into a folder needs no event loop, and starts faster without it.
    import uvloop  # noqa: PLC0415

    from node.machine import StateError  # noqa: PLC0415
    from node.server import Server  # noqa: PLC0415
    from node.storage.wal import CorruptLogError, LogFailedError  # noqa: PLC0415

    logging.basicConfig(
        level=logging.INFO,
        stream=sys.stderr,
        format=f"%(asctime)s.%(msecs)03d n{arguments.id} %(levelname)s %(message)s",
        datefmt="%Y-%m-%dT%H:%M:%S",
    )
    try:
        config, assembly = configure(arguments)
    except (ConfigError, UnknownBugError) as error:
        print(f"python -m node serve: {error}", file=sys.stderr)  # noqa: T201
        return EXIT_USAGE

    misdeeds.announce = logging.getLogger("antipaxos.node").warning

    async def serve() -> None:
        await Server(config, assembly).run()

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve())
    except (CorruptLogError, LogFailedError, StateError) as error:
        logging.getLogger("antipaxos.node").critical("%s: %s", arguments.data, error)
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
