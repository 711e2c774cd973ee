"""What grows at its end: strings and lists."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from checkers.history import Operation
from checkers.models.base import ILLEGAL, UNSEEN, Illegal, Model, ModelError, State, anonymous

KV_READS: Final = frozenset({"read", "get"})
KV_WRITES: Final = frozenset({"write", "put"})


@dataclass(frozen=True)
class KvAppend(Model):
    """A string per key: ``write`` (or ``put``), ``append`` to its end, ``read`` (or ``get``). Absent is "".

    ``texts_read`` (sorted) and ``longest_read`` are filled in by ``specialise``.
    """

    initial: str = ""
    nil_reads_assert: bool = True
    texts_read: tuple[str, ...] | None = None
    longest_read: str = ""

    def step(self, state: State, operation: Operation) -> State | Illegal:
        if operation.f in KV_READS:
            return state if not self._asserts(operation) or (operation.result or "") == state else ILLEGAL
        if not isinstance(operation.argument, str):
            raise ModelError(self, operation)
        if operation.f in KV_WRITES:
            return self._reached(operation.argument, operation)
        if operation.f != "append":
            raise ModelError(self, operation)
        if state is UNSEEN:
            return UNSEEN if operation.ok else ILLEGAL
        after: str = state + operation.argument
        if len(state) < len(self.longest_read) and not self.longest_read.startswith(after):
            return ILLEGAL  # as for ListAppend
        return self._reached(after, operation)

    def _reached(self, after: str, operation: Operation) -> State | Illegal:
        # A text that no read begins with stays unread until the next write, whatever is appended; so all such texts
        # are one state. It permits nothing that another state does not, so an info operation that leads there can as
        # well be left out. This spares the search the orders of appends between two writes that nobody saw.
        if self.texts_read is None:
            return after
        place = bisect_left(self.texts_read, after)
        if place < len(self.texts_read) and self.texts_read[place].startswith(after):
            return after
        return UNSEEN if operation.ok else ILLEGAL

    def _asserts(self, operation: Operation) -> bool:
        if operation.ok and not isinstance(operation.result, str | None):
            raise ModelError(self, operation)
        return operation.ok and (operation.result is not None or self.nil_reads_assert)

    def reads_only(self, operation: Operation) -> bool:
        return operation.f in KV_READS

    def specialise(self, operations: Sequence[Operation]) -> KvAppend:
        texts = {op.result or "" for op in operations if op.f in KV_READS and self._asserts(op)}
        grows = not any(op.f in KV_WRITES for op in operations)  # no write makes it shorter
        # Of equally long ones not the one that this process happens to hash first.
        longest = max(texts, key=lambda text: (len(text), text), default="") if grows else ""
        return replace(self, texts_read=tuple(sorted(texts)), longest_read=longest)

    def transition(self, operation: Operation) -> Hashable:
        return anonymous(operation)

    def prune(self, operations: Sequence[Operation]) -> Sequence[Operation]:
        # From an append of v to the next write, every state contains v; from a write of v to the next, every state
        # begins with v. If no asserting read returned such a string, none falls into that stretch, so leaving the info
        # operation out changes no answer there, and the next write makes the states agree. (Several may be dropped at
        # once: each stretch has no asserting read, so neither has their union.)
        seen = [op.result or "" for op in operations if op.f in KV_READS and self._asserts(op)]
        everything = "\0".join(seen)

        def matters(op: Operation) -> bool:
            if op.ok or op.f in KV_READS:
                return op.ok
            if op.f == "append" and isinstance(op.argument, str):
                return op.argument in everything
            if op.f in KV_WRITES and isinstance(op.argument, str):
                return any(text.startswith(op.argument) for text in seen)
            return True  # for step to refuse

        return [op for op in operations if matters(op)]


@dataclass(frozen=True)
class ListAppend(Model):
    """A list per key: ``append`` of one element, ``read`` returns all of it. The state is a tuple; nil is empty."""

    initial: tuple[Hashable, ...] = ()
    nil_reads_assert: bool = True
    longest_read: tuple[Hashable, ...] = ()

    def step(self, state: State, operation: Operation) -> State | Illegal:
        if operation.f == "read":
            return state if not self._asserts(operation) or (operation.result or ()) == state else ILLEGAL
        if operation.f == "append":
            return self._grown(state, (*state, operation.argument))
        raise ModelError(self, operation)

    def _grown(self, before: State, after: State) -> State | Illegal:
        # States only grow, and the longest read must be linearized in exactly the state it returned. While the state is
        # shorter that is still to come, so the state must stay a beginning of it. This spares the search all the wrong
        # orders of concurrent appends, which are factorially many.
        if len(before) < len(self.longest_read) and after != self.longest_read[: len(after)]:
            return ILLEGAL
        return after

    def _asserts(self, operation: Operation) -> bool:
        if operation.ok and not isinstance(operation.result, tuple | None):
            raise ModelError(self, operation)
        return operation.ok and (operation.result is not None or self.nil_reads_assert)

    def reads_only(self, operation: Operation) -> bool:
        return operation.f == "read"

    def transition(self, operation: Operation) -> Hashable:
        return anonymous(operation)

    def prune(self, operations: Sequence[Operation]) -> Sequence[Operation]:
        # Nothing ever leaves the list: once appended, an element is in every later read. An info append of an element
        # that no asserting read returned can only come after all of them, where leaving it out changes no answer.
        seen: set[Hashable] = set()
        for op in operations:
            if op.f == "read" and self._asserts(op):
                seen.update(op.result or ())
        known = {"read", "append"}
        return [op for op in operations if op.ok or op.f not in known or (op.f == "append" and op.argument in seen)]

    def specialise(self, operations: Sequence[Operation]) -> ListAppend:
        reads = (op.result for op in operations if op.f == "read" and self._asserts(op) and op.result)
        return replace(self, longest_read=max(reads, key=len, default=()))
