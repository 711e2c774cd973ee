"""A bank: transfers between accounts, and reads of all balances, each a transaction.

A transfer compares and sets both accounts from what clients saw last to what they will be: so it is done whole or not
at all, and never overdraws. Clients see each other's transfers soon enough for most of them to succeed. Nobody opens
accounts: one that is absent holds the initial balance, so there is no moment before which a read would be wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from checkers.bank import Bank
from checkers.verdict import Checker
from workloads.base import CHANGED, Draws, Memory, Operation, Workload

ACCOUNTS = 6
INITIAL = 10
AMOUNT_MAX = 5
BANKS = 2
WAYS = ACCOUNTS * (ACCOUNTS - 1) * AMOUNT_MAX
"""How many transfers there are; a planned one is a number from 1 to this."""


def accounts(bank: str) -> list[str]:
    """Return the keys of a bank's accounts."""
    return [f"{bank}.{number}" for number in range(ACCOUNTS)]


def unpacked(bank: str, value: int) -> tuple[str, str, int]:
    """Return the accounts that a planned transfer is from and to, and its amount."""
    way, amount = divmod((value - 1) % WAYS, AMOUNT_MAX)
    start, step = divmod(way, ACCOUNTS - 1)
    names = accounts(bank)
    return names[start], names[(start + 1 + step) % ACCOUNTS], amount + 1


class Balances(Memory):
    """What the clients saw last in each account, as the store has it: None of one that nobody has used."""

    def __init__(self) -> None:
        self._held: dict[str, int | None] = {}

    def invocation(self, operation: Operation) -> Operation:
        """Say from where to where, and no more than there is; where there is nothing, read instead."""
        if operation.f != "transfer":
            return operation
        start, to, amount = unpacked(operation.key, operation.value)
        amount = min(amount, self._balance(start))
        if amount <= 0:
            return Operation("read", operation.key)
        return Operation("transfer", operation.key, {"from": start, "to": to, "amount": amount})

    def request(self, invoked: Operation) -> Operation:
        """Return the transaction that reads all accounts, or moves the money."""
        if invoked.f == "read":
            return Operation("txn", invoked.key, [["r", account, None] for account in accounts(invoked.key)])
        start, to, amount = invoked.value["from"], invoked.value["to"], invoked.value["amount"]
        steps = [
            ["cas", account, [self._held.get(account), self._balance(account) + change]]
            for account, change in ((start, -amount), (to, amount))
        ]
        return Operation("txn", invoked.key, steps)

    def told(self, invoked: Operation, request: Operation, result: Any) -> Any:
        """Remember what accounts hold; a read tells the balances, a transfer what it was."""
        del request
        if invoked.f == "read":
            self._held.update({account: held for _, account, held in result})
            return {account: INITIAL if held is None else held for _, account, held in result}
        self._held.update({account: held for _, account, (_, held) in result})
        return invoked.value

    def _balance(self, account: str) -> int:
        held = self._held.get(account)
        return INITIAL if held is None else held


class BankWorkload(Workload):
    """Half transfers, half reads, in two banks of six accounts."""

    name = "bank"
    functions = ("read", "transfer")

    def operation(self, number: int, draws: Draws) -> Operation:
        """Plan one operation; a transfer's value says from where to where and how much."""
        del number
        key = f"b{draws.below(BANKS)}"
        if draws.below(2):
            return Operation("transfer", key, 1 + draws.below(WAYS))
        return Operation("read", key)

    def change(self, number: int) -> Operation:
        """Change a key of its own."""
        return Operation("write", CHANGED, number)

    def final_reads(self, operations: int) -> Sequence[Operation]:
        """Read every bank."""
        return self.final_reads_of([f"b{key}" for key in range(BANKS)] if operations else [])

    def final_reads_of(self, keys: Sequence[str]) -> Sequence[Operation]:
        """Read each bank."""
        return [Operation("read", key) for key in keys]

    def checkers(self) -> Sequence[Checker]:
        """Totals stay, nothing is overdrawn, and every balance is one that transfers can have led to."""
        return (Bank(initial=INITIAL),)

    def memory(self) -> Memory:
        """Return a memory of balances."""
        return Balances()
