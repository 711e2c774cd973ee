"""Invariants, looked at after every step of every node: the run stops at the first one that breaks.

A checker at the end sees what clients saw; these see the moment it went wrong. Each is a theorem of Multi-Paxos
(Lamport, *Paxos Made Simple*, 2001) or a promise of the node's:

- one value a slot: what any node ever holds for chosen in a slot is what every node holds for chosen there, for ever;
- a node applies in order and only forward, within one life;
- over all its lives a node never answers (promises, accepts) in a lower ballot than before;
- nodes that have applied the same prefix have the same digest.
"""

from __future__ import annotations

import hashlib

from harness.simulation.loop import VirtualLoop
from harness.simulation.node import SimulatedNode
from node.paxos.ballot import ZERO, Ballot
from node.paxos.log import Log
from node.paxos.messages import Accepted, Promise, Value
from node.replica import Output, ReplicaEvent

AHEAD_MAX = 64
"""How far beyond its chosen prefix a node's log is searched for slots chosen out of order."""


class InvariantError(AssertionError):
    """A broken invariant; the message has the time, the node and what it did."""


class Invariants:
    """What has been seen so far, and the trace of it all."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self._chosen: dict[int, tuple[Value, str]] = {}
        self._looked_upto: dict[str, tuple[int, int]] = {}
        self._digests: dict[int, tuple[str, str]] = {}
        self._applied: dict[str, tuple[int, int]] = {}
        self._answered: dict[str, Ballot] = {}
        self._trace = hashlib.sha256()
        self.steps = 0
        self.broken: InvariantError | None = None
        """The first one that broke, also when the error itself got lost on its way."""

    @property
    def trace_sha256(self) -> str:
        """The hash over every step of every node: its time, its event and what came of it."""
        return self._trace.hexdigest()

    def stepped(self, node: SimulatedNode, event: ReplicaEvent, output: Output) -> None:
        """Look at a node after a step. Raises InvariantError."""
        self.steps += 1
        self._trace.update(b"%d %s %s\n" % (self._loop.now_ns, node.name.encode(), type(event).__name__.encode()))
        replica = node.replica
        assert replica is not None
        for send in output.sends:
            if isinstance(send.message, Promise | Accepted):
                self._answers(node.name, send.message.ballot)
        self._chooses(node.name, replica.incarnation, replica.paxos.log)
        self._applies(node.name, replica.incarnation, replica.machine.applied_upto, replica.machine.digest)

    def _answers(self, name: str, ballot: Ballot) -> None:
        before = self._answered.get(name, ZERO)
        if ballot < before:
            self._broken(name, f"answered in ballot {ballot} after it had answered in {before}")
        self._answered[name] = ballot

    def _chooses(self, name: str, incarnation: int, log: Log) -> None:
        """Look at the slots that are newly chosen: the prefix as far as it grew, and a little beyond it."""
        life, before = self._looked_upto.get(name, (0, 0))
        first = before + 1 if life == incarnation else 1
        upto = log.chosen_upto
        if upto >= first:
            self._looked_upto[name] = (incarnation, upto)
        for slot in range(first, min(log.last, upto + AHEAD_MAX) + 1):
            entry = log.get(slot)
            if entry is None or not entry.chosen:
                continue
            known, by = self._chosen.setdefault(slot, (entry.value, name))
            if known is not entry.value and known != entry.value:
                self._broken(name, f"holds another value for chosen in slot {slot} than {by} did")

    def _applies(self, name: str, incarnation: int, upto: int, digest: str) -> None:
        life, before = self._applied.get(name, (0, 0))
        if life == incarnation:
            if upto == before:
                return
            if upto < before:
                self._broken(name, f"has applied slot {upto} after slot {before}")
        self._applied[name] = (incarnation, upto)
        if not upto:
            return
        known = self._digests.setdefault(upto, (digest, name))
        if known[0] != digest:
            self._broken(name, f"has another state than {known[1]} after slot {upto}: {digest}, not {known[0]}")

    def _broken(self, name: str, what: str) -> None:
        error = InvariantError(f"at {self._loop.now_ns / 1e9:.6f} s: {name} {what}")
        self.broken = self.broken or error
        raise error
