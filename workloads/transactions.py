"""Transactions over a few keys at a time: lists with appends, or registers with writes, and reads of both.

What transactions promise beyond single operations shows only where they meet on several keys, so keys are few, and
replaced together after a while: a *group* of keys lives for some transactions, and its name is the operation's key. A
plan has a transaction as text, ``append t0a 17; r t0b``, which a scenario file can say and a person can read; the
history has it as Jepsen does, ``[["append", "t0a", 17], ["r", "t0b", null]]``. Every value is written once.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, ClassVar

from checkers.final_reads import FinalReads
from checkers.transactions.checker import ListAppendTransactions, RegisterTransactions
from checkers.verdict import Checker
from workloads.base import CHANGED, Draws, Memory, Operation, Workload

KEYS_AT_ONCE = 5
STEPS_MAX = 4
TRANSACTIONS_PER_GROUP = 150
GIVEN_STEPS_MAX = 32

_STEP = re.compile(r"(?P<f>r|append|w) (?P<key>\S{1,64})(?: (?P<value>-?\d{1,16}))?")


class TransactionTextError(ValueError):
    """A text that is no transaction of the workload; the message says why."""


def parsed(text: str, change: str) -> list[list[Any]]:
    """Return the steps of a transaction's text; its changes are all called ``change``. Raises TransactionTextError."""
    steps: list[list[Any]] = []
    for part in text.split(";"):
        found = _STEP.fullmatch(part.strip())
        if found is None or found["f"] not in ("r", change) or (found["value"] is None) != (found["f"] == "r"):
            raise TransactionTextError(f"{part.strip()!r} is neither 'r KEY' nor '{change} KEY NUMBER'")
        steps.append([found["f"], found["key"], None if found["value"] is None else int(found["value"])])
    if len(steps) > GIVEN_STEPS_MAX:
        raise TransactionTextError(f"{len(steps)} steps are more than {GIVEN_STEPS_MAX}")
    return steps


class _Steps(Memory):
    """Turns a planned transaction into its steps."""

    def __init__(self, change: str) -> None:
        self._change = change

    def invocation(self, operation: Operation) -> Operation:
        """Return the transaction as a list of steps; what comes back is the same with what the reads saw."""
        return Operation(operation.f, operation.key, parsed(operation.value, self._change))


class _TransactionWorkload(Workload):
    """Transactions of one to four steps, half of them reads."""

    functions = ("txn",)
    change_name: ClassVar[str]

    def operation(self, number: int, draws: Draws) -> Operation:
        """Plan one transaction; the values written are numbered over all of them."""
        group = f"t{number // TRANSACTIONS_PER_GROUP}"
        steps = []
        for place in range(1 + draws.below(STEPS_MAX)):
            key = group + "abcde"[draws.below(KEYS_AT_ONCE)]
            value = number * STEPS_MAX + place + 1
            steps.append(f"{self.change_name} {key} {value}" if draws.below(2) else f"r {key}")
        return Operation("txn", group, "; ".join(steps))

    def change(self, number: int) -> Operation:
        """Change a key of its own."""
        return Operation({"w": "write"}.get(self.change_name, self.change_name), CHANGED, number)

    def final_reads(self, operations: int) -> Sequence[Operation]:
        """Read every key, a group at a time."""
        groups = -(-operations // TRANSACTIONS_PER_GROUP)
        return self.final_reads_of([f"t{group}" for group in range(groups)])

    def final_reads_of(self, keys: Sequence[str]) -> Sequence[Operation]:
        """Read all keys of each group in one transaction."""
        return [Operation("txn", key, "; ".join(f"r {key}{name}" for name in "abcde")) for key in keys]

    def refusal(self, operation: Operation) -> str:
        """Say why this is none of the workload's operations; "" if it is one."""
        if not isinstance(operation.value, str):
            return f"a transaction is a text like 'r {operation.key}a; {self.change_name} {operation.key}b 1'"
        try:
            steps = parsed(operation.value, self.change_name)
        except TransactionTextError as error:
            return str(error)
        strange = [key for _, key, _ in steps if key[:-1] != operation.key or key[-1] not in "abcde"]
        return f"{strange[0]!r} is no key of the group {operation.key!r}: {operation.key}a to e" if strange else ""

    def memory(self) -> Memory:
        """Return what turns texts into steps."""
        return _Steps(self.change_name)


class TransactionAppendWorkload(_TransactionWorkload):
    """Appends to lists, and reads of them."""

    name = "txn-append"
    change_name = "append"

    def checkers(self) -> Sequence[Checker]:
        """Strictly serializable, and nothing acknowledged lost."""
        return (ListAppendTransactions(), FinalReads())


class TransactionRegisterWorkload(_TransactionWorkload):
    """Writes of registers, and reads of them."""

    name = "txn-register"
    change_name = "w"

    def checkers(self) -> Sequence[Checker]:
        """Strictly serializable, and nothing acknowledged lost."""
        return (RegisterTransactions(), FinalReads())
