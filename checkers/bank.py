"""Banks: money is moved, never made.

Transfers between accounts are transactions, and so is a read of all accounts. Whatever the outcome of each transfer,
the balances of one read add up to the same total: a read that shows another saw half of a transfer, or two versions of
the data. This is Jepsen's bank workload, with its names: *wrong-total*, *negative-value*, *nil-balance*,
*unexpected-key*. The total does not depend on which transfers happened, so unknown outcomes need no care.

A total says nothing of a whole transfer that is lost or that is made twice. Where accounts are known to start with
``initial`` each, and reads are to be up to date, every balance is also held against what transfers can have come to
(*impossible-balance*; ``checkers.bounds``): that finds them, and stale reads.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from checkers.bounds import Bounds
from checkers.findings import Findings, MisfitError, by_key, whole
from checkers.history import History, Operation, Outcome
from checkers.sentences import name, show
from checkers.verdict import CheckResult, Limits

_COUNTED = (
    "reads",
    "transfers",
    "wrong-total",
    "negative-value",
    "nil-balance",
    "unexpected-key",
    "impossible-balance",
)


@dataclass(frozen=True)
class Bank:
    """Checks ``read`` of all balances, by account, and ``transfer`` of an ``amount`` ``from`` one ``to`` another.

    A read's result is a map, a list of pairs, or just the balances. ``total``: what they add up to (default: as the
    first read has it, or ``initial`` for each account). ``negative_balances``: whether an account may be overdrawn.
    ``accounts``: all there are (default: whatever is read). ``initial``: what each account starts with; if it is given,
    balances must be up to date.
    """

    total: int | None = None
    negative_balances: bool = False
    accounts: tuple[Hashable, ...] = ()
    initial: int | None = None
    name: str = "bank"

    def check(self, history: History, limits: Limits) -> CheckResult:
        """Each read that cannot be is a violation."""
        findings = Findings(self.name, limits, _COUNTED)
        for operations in by_key(history, "read", "transfer").values():
            reads = [(op, _balances(op)) for op in operations if op.f == "read" and op.ok]
            findings.counts["reads"] += len(reads)
            findings.counts["transfers"] += sum(op.f == "transfer" for op in operations)
            self._check_totals(reads, findings)
            if self.initial is not None:
                self._check_bounds(operations, reads, findings)
        counts = findings.counts
        unknown = "" if counts["reads"] else "the balances were never read"
        return findings.result(f"All {counts['reads']} reads of the balances add up.", unknown)

    def _total(self, reads: Sequence[tuple[Operation, Mapping[Hashable, object]]]) -> int | None:
        if self.total is not None:
            return self.total
        whole_reads = (balances for _, balances in reads if None not in balances.values())
        first = next(whole_reads, None)
        if first is None:
            return None
        if self.initial is not None:
            return self.initial * (len(self.accounts) or len(first))
        return sum(balance for balance in first.values() if isinstance(balance, int))

    def _check_totals(self, reads: Sequence[tuple[Operation, Mapping[Hashable, object]]], findings: Findings) -> None:
        total = self._total(reads)
        for read, balances in reads:
            strangers = [account for account in balances if self.accounts and account not in self.accounts]
            nil = [account for account, balance in balances.items() if balance is None]
            if strangers:
                _say(findings, "unexpected-key", read, f"shows account {show(strangers[0])}, which there is not")
            elif nil:
                _say(findings, "nil-balance", read, f"shows no balance of account {show(nil[0])}")
            else:
                self._check_total(read, {account: whole(read, b) for account, b in balances.items()}, total, findings)

    def _check_total(
        self, read: Operation, balances: Mapping[Hashable, int], total: int | None, findings: Findings
    ) -> None:
        if total is not None and sum(balances.values()) != total:
            _say(findings, "wrong-total", read, f"adds up to {sum(balances.values())}, not to {total}")
            return
        account = min(balances, key=lambda account: balances[account], default=None)
        if account is not None and balances[account] < 0 and not self.negative_balances:
            _say(findings, "negative-value", read, f"shows account {show(account)} overdrawn: {balances[account]}")

    def _check_bounds(
        self,
        operations: Sequence[Operation],
        reads: Sequence[tuple[Operation, Mapping[Hashable, object]]],
        findings: Findings,
    ) -> None:
        """Hold each balance against what the transfers of its account can have come to."""
        moved: dict[Hashable, list[tuple[Operation, int]]] = {}
        for op in operations:
            if op.f == "transfer" and op.outcome is not Outcome.FAIL:
                for account, amount in _moves(op):
                    moved.setdefault(account, []).append((op, amount))
        bounds: dict[Hashable, Bounds] = {}
        for read, balances in reads:
            for account, balance in balances.items():
                if account not in bounds:
                    bounds[account] = Bounds(moved.get(account, ()), self.initial or 0)
                low, high = bounds[account].of(read)
                if isinstance(balance, int) and not low <= balance <= high:
                    said = f"shows {balance} in account {show(account)}, but transfers leave {low} to {high} there"
                    _say(findings, "impossible-balance", read, said)
                    break


def _say(findings: Findings, kind: str, read: Operation, said: str) -> None:
    findings.add(kind, lambda: f"{name(read)} {said}", read)


def _balances(read: Operation) -> dict[Hashable, object]:
    """A read's balances by account: of a list of numbers, by place."""
    result = read.result
    if not isinstance(result, tuple):
        raise MisfitError(f"read of event {read.invoke_index} shows no balances: {show(result)}")
    if all(isinstance(item, tuple) and len(item) == 2 for item in result):
        return dict(result)
    return dict(enumerate(result))


def _moves(transfer: Operation) -> Iterator[tuple[Hashable, int]]:
    """What a transfer takes and gives, by account."""
    argument = transfer.argument
    pairs = (
        argument if isinstance(argument, tuple) and all(isinstance(p, tuple) and len(p) == 2 for p in argument) else ()
    )
    said = dict(pairs)
    if said.keys() != {"from", "to", "amount"}:
        raise MisfitError(f"transfer of event {transfer.invoke_index} does not say from, to and amount")
    amount = whole(transfer, said["amount"])
    if said["from"] != said["to"]:
        yield said["from"], -amount
        yield said["to"], amount
