"""Results computed ahead: whatever is run, chosen or rolled back, the chosen state is that of who never did."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from node.bugs.half_rollback import HalfRolledBack
from node.kv import Add, Append, Cas, Increment, Operation, Read, Single, Txn, Write
from node.machine import COMMANDS_PER_SLOT_BITS, Entry, Machine, OpenEntry, decode_state, encode_entry
from node.paxos.counters import Counters
from node.paxos.messages import Value
from node.sessions import Sessions, Standing
from node.speculation import SessionsAhead, Speculation, StoreAhead
from node.wire import Answer, Command

S = 1 << COMMANDS_PER_SLOT_BITS
"""The number of a session that was opened first in slot 1."""
SESSIONS_MAX = 3
SLOTS_MAX = 4


def machine(counters: Counters) -> Machine:
    """Return a machine whose session table is soon full."""
    made = Machine(counters)
    made.sessions = Sessions(SESSIONS_MAX)
    return made


class Pair:
    """A machine with a speculation, and one that applies what is chosen and nothing else."""

    def __init__(self, kind: type[Speculation] = Speculation) -> None:
        self.counters, self.plain_counters = Counters(), Counters()
        self.machine, self.plain = machine(self.counters), machine(self.plain_counters)
        self.speculation = kind(self.machine, self.counters, SLOTS_MAX)
        self.opened: list[int] = []
        """All sessions that were ever opened, chosen or not."""

    def value(self, slot: int, entries: list[tuple[int, int, Operation] | None]) -> Value:
        """Return a slot's value as it was drawn."""
        made: list[Entry] = []
        for place, drawn in enumerate(entries):
            if drawn is None:
                self.opened.append(slot * S + place)
                made.append(OpenEntry(1, 1, len(self.opened)))
            else:
                who, sequence, operation = drawn
                made.append(Command(self.opened[-1 - who % len(self.opened)], sequence, operation))
        return value(*made)

    def run(self, value: Value) -> None:
        """Compute the next slot ahead."""
        self.speculation.run(value)
        self.check()

    def run_drawn(self, entries: list[tuple[int, int, Operation] | None]) -> None:
        """Compute the next slot ahead, if there is room."""
        if self.speculation.has_room:
            self.run(self.value(self.speculation.next, entries))

    def choose(self, value: Value | None) -> list[Answer]:
        """A value is chosen in the next slot: as it was run (None), or another one; return the answers."""
        slot = self.machine.applied_upto + 1
        if value is None:
            value = tuple(self.speculation.ran[0].value) if self.speculation.ran else ()
        answers = [applied.answer for applied in self.speculation.apply(slot, value)]
        assert answers == [applied.answer for applied in self.plain.apply(slot, value)]
        self.check()
        return answers

    def roll_back(self) -> None:
        """The ballot is lost."""
        self.speculation.roll_back()
        assert not self.speculation.ran
        self.check()

    def install(self) -> None:
        """A snapshot takes the place of the state: of one slot more than was applied."""
        list(self.plain.apply(self.plain.applied_upto + 1, ()))
        self.speculation.roll_back()
        self.machine.restore(decode_state(self.plain.state()))
        self.check()

    def check(self) -> None:
        """The chosen state, and whatever may be asked of it, is what it would be without speculation."""
        assert self.machine.state() == self.plain.state()
        assert self.machine.digest == self.plain.digest
        for session in self.opened:
            assert self.machine.sessions.standing(session, 1) is self.plain.sessions.standing(session, 1)
        counters = self.counters
        done = (counters.sessions_evicted, counters.retries_deduplicated)
        assert done == (self.plain_counters.sessions_evicted, self.plain_counters.retries_deduplicated)
        left = counters.slots_run_ahead - counters.slots_released - counters.slots_rolled_back
        assert left == len(self.speculation.ran)


def value(*entries: Entry) -> Value:
    """Return a slot's value."""
    return tuple(encode_entry(entry) for entry in entries)


# -- properties -------------------------------------------------------------------------------------------------------

keys = st.sampled_from(["x", "y"])
numbers = st.integers(0, 2)
singles: st.SearchStrategy[Single] = st.one_of(
    st.builds(Read, keys),
    st.builds(Write, keys, st.none() | numbers | st.lists(numbers, max_size=2)),
    st.builds(Cas, keys, numbers, numbers),
    st.builds(Append, keys, numbers),
    st.builds(Add, keys, numbers),
    st.builds(Increment, keys, numbers),
)
txns = st.builds(Txn, st.lists(singles, min_size=1, max_size=3).map(tuple))
operations: st.SearchStrategy[Operation] = singles | txns
commands = st.tuples(st.integers(0, SESSIONS_MAX), st.integers(1, 4), operations)
"""By whom: the client whose session was opened last, or the one before that, …; its operation's number; and what."""
slots = st.lists(st.none() | commands, max_size=3)
"""A slot's entries; None opens a session."""
Move = Callable[[Pair], object]
moves: st.SearchStrategy[Move] = st.one_of(
    slots.map(lambda entries: lambda pair: pair.run_drawn(entries)),
    slots.map(lambda entries: lambda pair: pair.run_drawn(entries)),
    slots.map(lambda entries: lambda pair: pair.run_drawn(entries)),
    st.just(lambda pair: pair.choose(None)),
    st.just(lambda pair: pair.choose(None)),
    slots.map(lambda entries: lambda pair: pair.choose(pair.value(pair.machine.applied_upto + 1, entries))),
    st.just(lambda pair: pair.roll_back()),
    st.just(lambda pair: pair.install()),
)


def play(kind: type[Speculation], played: list[Move]) -> None:
    """Play a sequence of moves, and choose at the end whatever was run."""
    pair = Pair(kind)
    pair.choose(pair.value(1, [None, None]))
    for move in played:
        move(pair)
    while pair.speculation.ran:
        pair.choose(None)


@settings(max_examples=300, deadline=None)
@given(st.lists(moves, max_size=25))
def test_the_chosen_state_is_that_of_who_never_ran_ahead(played: list[Move]) -> None:
    play(Speculation, played)


class LaterReads(StoreAhead):
    """Reads the chosen state only: what was run just before is not seen."""

    def get(self, key: str) -> object:
        return self._below.get(key)


class Unsettled(SessionsAhead):
    """Forgets who was evicted ahead, as soon as anything is chosen."""

    def settle(self, uses: object) -> None:
        super().settle(uses)  # type: ignore[arg-type]
        self._gone.clear()


class ReadsBelow(Speculation):
    """With a store that does not look ahead."""

    def __init__(self, machine: Machine, counters: Counters, slots_max: int) -> None:
        super().__init__(machine, counters, slots_max)
        self.store = self._ahead.store = LaterReads(machine.store)


class KeepsEvicted(Speculation):
    """With a table that loses count of the evicted."""

    sessions_type = Unsettled


class ReleasesAnything(Speculation):
    """Releases what was run for whatever was chosen."""

    def apply(self, slot: int, value: Value) -> object:  # type: ignore[override]
        return super().apply(slot, self.ran[0].value if self.ran else value)


@pytest.mark.parametrize("mutant", [HalfRolledBack, ReadsBelow, KeepsEvicted, ReleasesAnything])
def test_the_property_can_fail(mutant: type[Speculation]) -> None:
    @settings(max_examples=3_000, deadline=None, database=None, derandomize=True, phases=[Phase.generate])
    @given(st.lists(moves, min_size=5, max_size=25))
    def played(moved: list[Move]) -> None:
        play(mutant, moved)

    with pytest.raises((AssertionError, KeyError, ExceptionGroup)):
        played()


# -- by hand ----------------------------------------------------------------------------------------------------------


@dataclass
class Client:
    """A client with a session that is open in all the pair has chosen."""

    session: int = S
    sequence: int = 0

    def does(self, operation: Operation) -> Value:
        """Return a slot with its next operation."""
        self.sequence += 1
        return value(Command(self.session, self.sequence, operation))


def opened() -> tuple[Pair, Client]:
    """Return a pair that has chosen a client's session."""
    pair = Pair()
    pair.choose(value(OpenEntry(1, 1, 1)))
    return pair, Client()


def test_what_was_run_is_seen_by_what_is_run_behind_it_and_by_nobody_else() -> None:
    pair, client = opened()
    pair.run(client.does(Increment("n", 1)))
    pair.run(client.does(Increment("n", 1)))
    assert pair.speculation.ran[1].applied[0].answer.result.value == 2  # type: ignore[union-attr]
    assert pair.machine.store.get("n") is None
    assert pair.machine.sessions.standing(S, 1) is Standing.NEW
    pair.choose(None)
    assert pair.machine.store.get("n") == 1
    assert pair.machine.sessions.standing(S, 2) is Standing.NEW
    pair.choose(None)
    assert pair.machine.store.get("n") == 2
    assert pair.counters.slots_released == 2


def test_another_value_chosen_rolls_everything_behind_it_back() -> None:
    pair, client = opened()
    other = value(Command(S, 1, Write("n", 7)))
    for _ in range(3):
        pair.run(client.does(Increment("n", 1)))
    pair.choose(other)
    assert not pair.speculation.ran
    assert (pair.counters.slots_rolled_back, pair.counters.slots_released) == (3, 0)
    assert pair.machine.store.get("n") == 7


def test_an_equal_value_from_elsewhere_is_the_value() -> None:
    pair, client = opened()
    slot = client.does(Increment("n", 1))
    pair.run(slot)
    pair.choose(tuple(bytes(bytearray(command)) for command in slot))
    assert pair.counters.slots_released == 1


def test_a_retry_in_the_window_is_applied_once() -> None:
    pair, client = opened()
    slot = client.does(Append("l", "a"))
    pair.run(slot)
    pair.run(slot)
    assert pair.choose(None) == pair.choose(None)
    assert pair.machine.store.get("l") == ["a"]
    assert pair.counters.retries_deduplicated == 1


def test_there_is_room_for_as_many_slots_as_the_window_has() -> None:
    pair, client = opened()
    for _ in range(SLOTS_MAX):
        assert pair.speculation.has_room
        pair.run(client.does(Increment("n", 1)))
    assert not pair.speculation.has_room


def test_nothing_is_kept_ahead_of_a_state_that_has_caught_up() -> None:
    pair, client = opened()
    for number in range(10):
        pair.run(value(OpenEntry(1, 1, number)) + client.does(Txn((Write("x", number), Append("l", number)))))
        pair.run(client.does(Cas("x", 3, 4)))
        pair.choose(None)
    while pair.speculation.ran:
        pair.choose(None)
    assert pair.speculation.store.data() == {}
    assert list(pair.speculation.sessions) == []
    assert pair.speculation.sessions._gone == set()
    assert len(pair.speculation.sessions) == len(pair.machine.sessions)


def test_all_of_the_state_is_taken_over() -> None:
    """Whatever is added to the machine must be in ``Ran``, go over at a release and be thrown away at a rollback."""
    taken_over = {"applied_upto", "command_bytes", "membership", "sessions", "store", "summed"}
    assert set(vars(Machine(Counters()))) == {*taken_over, "_counters"}
