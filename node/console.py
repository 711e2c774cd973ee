"""``python -m node client``: the client library for people and for shell scripts.

What goes to standard output is the answer and nothing else; what explains goes to standard error. The exit status tells
the four endings of an operation apart, because a script must not take "nobody knows" for "it failed".
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from node import kv, wire
from node.addresses import Addresses, format_address, parse_address
from node.client import Client, ClientError, NotDoneError, UnknownError, connect
from node.paxos.config import ConfigError

EXIT_DONE = 0
EXIT_UNCHANGED = 1
"""The operation was carried out, and its condition did not hold: nothing changed."""
EXIT_NOT_DONE = 3
"""The operation was certainly not done, and will not be; or the nodes have no leader."""
EXIT_UNKNOWN = 4
"""Nobody can say whether the operation was, or will be, applied."""
STATUS_TIMEOUT_S = 1.0
PING_KEY = "ping"
CHANGES = ("add-node", "remove-node", "replace-node")
SAMPLES_MAX = 1_000_000
"""Latencies kept for the summary of a ping: of a longer one, the first ones."""

Say = Callable[[str], None]


class UsageError(Exception):
    """Words that make no operation; the message says which."""


def run(arguments: argparse.Namespace, addresses: Addresses, cluster: str) -> int:
    """Carry out what the words ask for and return the exit status. Raises UsageError."""
    if arguments.home is not None and arguments.home not in addresses:
        raise UsageError(f"--home {arguments.home} is none of the nodes {', '.join(map(str, sorted(addresses)))}")
    if arguments.timeout <= 0:
        raise UsageError(f"--timeout {arguments.timeout:g} is no time")

    async def act() -> int:
        async with connect(addresses, cluster, arguments.home, arguments.timeout) as client:
            if arguments.verb == "status":
                return await _status(client, addresses, arguments.json)
            if arguments.verb in CHANGES:
                return await _change_members(client, arguments)
            if arguments.verb == "ping":
                return await _ping(client, arguments)
            return await _one(client, _operation(arguments), arguments.json)

    try:
        return asyncio.run(act())
    except KeyboardInterrupt:
        return 130


# -- one operation ----------------------------------------------------------------------------------------------------


def _operation(arguments: argparse.Namespace) -> kv.Operation:
    key = arguments.key
    match arguments.verb:
        case "get" | "read":
            operation: kv.Operation = kv.Read(key)
        case "put" | "write":
            operation = kv.Write(key, _value(arguments.value))
        case "cas":
            operation = kv.Cas(key, _value(arguments.expected), _value(arguments.new))
        case "append":
            operation = kv.Append(key, _value(arguments.value))
        case "add":
            operation = kv.Add(key, _value(arguments.value))
        case _:
            by = _value(arguments.by)
            if type(by) is not int:
                raise UsageError(f"{arguments.by!r} is no whole number")
            operation = kv.Increment(key, by)
    try:
        kv.check(operation)
    except (kv.OperationError, OverflowError) as error:
        raise UsageError(str(error)) from error
    return operation


def _value(text: str) -> kv.Value:
    """Return the value of a word: JSON if it is any, else the word itself."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


async def _one(client: Client, operation: kv.Operation, as_json: bool) -> int:
    try:
        done = await client.execute(operation)
    except ClientError as error:
        return _failed(error, as_json)
    result = done.result
    if as_json:
        _say({"ended": "done" if result.ok else "unchanged", "value": result.value, "ref": done.ref or None})
    elif not result.ok:
        print(f"nothing changed: {json.dumps(result.value)}", file=sys.stderr)  # noqa: T201
    else:
        _print("ok" if isinstance(operation, kv.Write | kv.Cas) else json.dumps(result.value, ensure_ascii=False))
    return EXIT_DONE if result.ok else EXIT_UNCHANGED


def _failed(error: ClientError, as_json: bool) -> int:
    status = EXIT_UNKNOWN if isinstance(error, UnknownError) else EXIT_NOT_DONE
    ended = "unknown" if status == EXIT_UNKNOWN else "not-done"
    if as_json:
        _say({"ended": ended, "why": str(error)})
    else:
        words = "nobody knows whether it was done" if status == EXIT_UNKNOWN else "not done"
        print(f"{words}: {error}", file=sys.stderr)  # noqa: T201
    return status


# -- members ----------------------------------------------------------------------------------------------------------


async def _change_members(client: Client, arguments: argparse.Namespace) -> int:
    """Add, remove, or both: first add, so that there are never fewer members than before."""
    try:
        if arguments.verb == "remove-node":
            members = await client.remove_node(_node(arguments.id))
        elif arguments.verb == "add-node":
            members = await client.add_node(_node(arguments.id), _address(arguments.address))
        else:
            old, new = _node(arguments.old), _node(arguments.new)
            await client.add_node(new, _address(arguments.address))
            members = await client.remove_node(old)
    except ClientError as error:
        return _failed(error, arguments.json)
    if arguments.json:
        _say({"ended": "done", "members": [{"node": one.node, "address": one.address or None} for one in members]})
    else:
        _print("members " + " ".join(f"n{one.node}" for one in members))
    return EXIT_DONE


def _node(text: str) -> int:
    word = text.removeprefix("n")
    if not word.isdecimal() or int(word) < 1:
        raise UsageError(f"{text!r} is no node's id")
    return int(word)


def _address(text: str) -> str:
    if text:
        try:
            parse_address(text, f"{text!r} is not HOST:PORT")
        except ConfigError as error:
            raise UsageError(str(error)) from error
    return text


# -- status -----------------------------------------------------------------------------------------------------------


async def _status(client: Client, addresses: Addresses, as_json: bool) -> int:
    answers = await asyncio.gather(*(_status_of(client, node) for node in client.members))
    statuses = dict(zip(client.members, answers, strict=True))
    if as_json:
        _say({"nodes": [_as_data(node, addresses[node], answer) for node, answer in statuses.items()]})
    else:
        for line in _table(addresses, statuses):
            _print(line)
    return EXIT_DONE if _agreed(statuses) else EXIT_NOT_DONE


async def _status_of(client: Client, node: int) -> wire.Status | str:
    try:
        return await client.status(node, min(STATUS_TIMEOUT_S, client.timeout_s))
    except OSError as error:
        return os.strerror(error.errno).lower() if error.errno is not None else str(error) or "does not answer"


def _agreed(statuses: Mapping[int, wire.Status | str]) -> bool:
    """Say whether a majority of the nodes answers and names one of them as the leader, who says so too."""
    known = [answer for answer in statuses.values() if isinstance(answer, wire.Status)]
    leading = [status.node for status in known if status.role == "leader"]
    return any(sum(status.leader == node for status in known) > len(statuses) // 2 for node in leading)


def _as_data(node: int, address: tuple[str, int], answer: wire.Status | str) -> dict[str, Any]:
    if isinstance(answer, str):
        return {"node": node, "address": format_address(address), "error": answer}
    fields = {name: getattr(answer, name) for name in answer.__struct_fields__}
    return {"address": format_address(address), **{name: msgspec.to_builtins(value) for name, value in fields.items()}}


def _table(addresses: Addresses, statuses: Mapping[int, wire.Status | str]) -> list[str]:
    rows = [("node", "address", "role", "leader", "ballot", "applied", "sessions", "starts", "state")]
    for node, answer in statuses.items():
        where = (f"n{node}", format_address(addresses[node]))
        if isinstance(answer, str):
            rows.append((*where, "down", "", "", "", "", "", answer))
            continue
        leader = f"n{answer.leader}" if answer.leader is not None else "?"
        ballot = f"{answer.ballot[0]}.{answer.ballot[1]}"
        numbers = (str(answer.applied_upto), str(answer.sessions), str(answer.incarnation))
        member = answer.membership is None or answer.membership.has(node)
        rows.append((*where, answer.role if member else "no member", leader, ballot, *numbers, answer.digest[:8]))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


# -- ping -------------------------------------------------------------------------------------------------------------


async def _ping(client: Client, arguments: argparse.Namespace) -> int:
    """Measure again and again; a summary at the end, also after Ctrl-C."""
    if arguments.interval < 0 or arguments.count < 0:
        raise UsageError("a count and an interval are not below 0")
    latencies: list[float] = []
    failed = 0
    number = 0
    try:
        while not arguments.count or number < arguments.count:
            if number:
                await asyncio.sleep(arguments.interval)
            number += 1
            took = await _measure(client, arguments, number)
            if took is None:
                failed += 1
            elif len(latencies) < SAMPLES_MAX:
                latencies.append(took)
    except asyncio.CancelledError:
        _summary(latencies, failed, arguments.json)
        raise
    _summary(latencies, failed, arguments.json)
    return EXIT_DONE if not failed else EXIT_NOT_DONE


async def _measure(client: Client, arguments: argparse.Namespace, number: int) -> float | None:
    """Carry out one operation; return its milliseconds, None if it failed."""
    operation: kv.Operation = kv.Write(arguments.write, number) if arguments.write else kv.Read(PING_KEY)
    begun = time.perf_counter()
    try:
        await client.execute(operation)
    except ClientError as error:
        ended = "not done" if isinstance(error, NotDoneError) else "unknown"
        _report({"number": number, "ended": ended, "why": str(error)}, f"{number}: {ended}: {error}", arguments.json)
        return None
    took = (time.perf_counter() - begun) * 1e3
    what = "write" if arguments.write else "read"
    _report({"number": number, "ended": "done", "ms": took}, f"{number}: {what} {took:.2f} ms", arguments.json)
    return took


def _summary(latencies: list[float], failed: int, as_json: bool) -> None:
    if not latencies:
        return
    ordered = sorted(latencies)
    figures = {f"p{rank}": ordered[min(len(ordered) - 1, len(ordered) * rank // 100)] for rank in (50, 99)}
    figures["max"] = ordered[-1]
    words = ", ".join(f"{name} {value:.2f} ms" for name, value in figures.items())
    line = f"{len(ordered)} done, {failed} failed: {words}"
    _report({"summary": figures, "done": len(ordered), "failed": failed}, line, as_json)


def _report(data: Mapping[str, Any], line: str, as_json: bool) -> None:
    if as_json:
        _say(data)
    else:
        _print(line)


def _say(data: Mapping[str, Any]) -> None:
    _print(json.dumps(data, ensure_ascii=False))


def _print(line: str) -> None:
    print(line, flush=True)  # noqa: T201
