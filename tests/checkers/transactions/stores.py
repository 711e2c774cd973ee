"""Small stores that keep some promises and break others, and random histories of transactions on them.

Each store states its rules in its own few lines and shares nothing with the checkers. Clients interleave step by step.
Whatever a store does, elements and values are written once.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

from checkers.history import Event, EventType, History

KEYS = "xy"
State = dict[str, Any]


@dataclass
class Running:
    """A transaction under way."""

    steps: list[list[Any]]
    snapshot: State
    begun_at: int
    results: list[list[Any]] = field(default_factory=list)
    writes: list[list[Any]] = field(default_factory=list)


class Store:
    """Serial: everything at the moment of commit."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.versions: list[State] = [{}]
        self.changed: list[set[str]] = [set()]

    @property
    def state(self) -> State:
        return self.versions[-1]

    def begin(self, steps: list[list[Any]]) -> Running:
        return Running(steps, self.state, len(self.versions))

    def step(self, running: Running, step: list[Any]) -> None:
        """Do one step before the commit."""

    def commit(self, running: Running) -> bool:
        """Do what is left; False if it was aborted."""
        state = dict(self.state)
        for step in running.steps:
            self.act(running, step, state)
        self.install(state, running)
        return True

    def abort(self, running: Running) -> None:
        """Undo it."""

    def act(self, running: Running, step: list[Any], state: State) -> None:
        f, key, value = step
        if f == "r":
            found = state.get(key)
            running.results.append([f, key, list(found) if isinstance(found, tuple) else found])
            return
        state[key] = (*state.get(key, ()), value) if f == "append" else value
        running.writes.append(step)
        running.results.append(step)

    def install(self, state: State, running: Running) -> None:
        self.versions.append(state)
        self.changed.append({key for _, key, _ in running.writes})


class ReadUncommitted(Store):
    """Every step acts on what all see; an abort takes nothing back."""

    def step(self, running: Running, step: list[Any]) -> None:
        self.act(running, step, self.state)

    def commit(self, running: Running) -> bool:
        return True


class ReadCommitted(Store):
    """Reads are of what is committed in the moment, and of one's own writes; writes wait for the commit."""

    def step(self, running: Running, step: list[Any]) -> None:
        view = dict(self.state)
        for _, key, value in running.writes:
            view[key] = (*view.get(key, ()), value) if self.is_list(running) else value
        self.act(running, step, view)

    def is_list(self, running: Running) -> bool:
        return any(f == "append" for f, _, _ in running.steps)

    def commit(self, running: Running) -> bool:
        state = dict(self.state)
        for f, key, value in running.writes:
            state[key] = (*state.get(key, ()), value) if f == "append" else value
        self.install(state, running)
        return True


class SnapshotIsolation(Store):
    """Reads are of the state at the beginning; of two that write the same key the first to commit wins."""

    def step(self, running: Running, step: list[Any]) -> None:
        if running.snapshot is self.versions[running.begun_at - 1]:
            running.snapshot = dict(running.snapshot)
        self.act(running, step, running.snapshot)

    def commit(self, running: Running) -> bool:
        mine = {key for _, key, _ in running.writes}
        if any(mine & changed for changed in self.changed[running.begun_at :]):
            return False
        state = dict(self.state)
        for f, key, value in running.writes:
            state[key] = (*state.get(key, ()), value) if f == "append" else value
        self.install(state, running)
        return True


class Stale(SnapshotIsolation):
    """Transactions that only read see any earlier state; all others are serial."""

    def step(self, running: Running, step: list[Any]) -> None:
        """Nothing is done before the commit."""

    def commit(self, running: Running) -> bool:
        if all(f == "r" for f, _, _ in running.steps):
            state = dict(self.rng.choice(self.versions))
            for step in running.steps:
                self.act(running, step, state)
            return True
        return Store.commit(self, running)


class Forgetful(Store):
    """Serial, but now and then it forgets a commit."""

    def install(self, state: State, running: Running) -> None:
        if self.rng.random() < 0.8:
            super().install(state, running)


STORES = (Store, ReadUncommitted, ReadCommitted, SnapshotIsolation, Stale, Forgetful)


def history(
    store_type: type[Store],
    rng: random.Random,
    *,
    lists: bool,
    count: int = 5,
    clients: int = 3,
    steps_max: int = 3,
    trouble: float = 0.2,
) -> History:
    """Return a history of ``count`` transactions; a share of them, ``trouble``, ends info or fail."""
    store = store_type(rng)
    events: list[Event] = []
    running: list[tuple[Running, int] | None] = [None] * clients
    process = list(range(clients))
    value = 0
    made = 0

    def record(client: int, kind: EventType, steps: Any) -> None:
        events.append(Event(len(events), len(events) * 1_000, process[client], kind, "txn", steps))

    while made < count or any(running):
        client = rng.randrange(clients)
        now = running[client]
        if now is None:
            if made == count:
                continue
            made += 1
            steps: list[list[Any]] = []
            for _ in range(rng.randint(1, steps_max)):
                key = rng.choice(KEYS)
                if rng.random() < 0.5:
                    value += 1
                    steps.append(["append" if lists else "w", key, value])
                else:
                    steps.append(["r", key, None])
            record(client, EventType.INVOKE, steps)
            running[client] = (store.begin(steps), 0)
            continue
        transaction, place = now
        if place < len(transaction.steps):
            store.step(transaction, transaction.steps[place])
            running[client] = (transaction, place + 1)
            continue
        running[client] = None
        invoked = [[f, key, None if f == "r" else v] for f, key, v in transaction.steps]
        if rng.random() < trouble:
            if rng.random() < 0.4:
                store.abort(transaction)
                record(client, EventType.FAIL, invoked)
                continue
            if rng.random() < 0.5:
                store.commit(transaction)
            record(client, EventType.INFO, invoked)
            process[client] += clients
        elif store.commit(transaction):
            record(client, EventType.OK, transaction.results)
        else:
            record(client, EventType.FAIL, invoked)
    return History(events)
