"""Speculative execution: results are computed while acknowledgements are under way, and released when they are in.

A leader knows what it has proposed. While the Accept travels and the disks sync, it may as well compute what will come
of it; when the slot is chosen the answers are there. Everything that anybody may see is the chosen state, so the
question is how a result can be known here and nowhere else.

The usual answer is to apply ahead in place, and to keep an undo journal of old values. It has to be asked by everybody
who looks: reads, retries, snapshots, the digest, and whatever is added later; one that forgets it tells the future.
Here it is the other way round. The machine of the chosen state stays as it is, and is what everybody has in hands; a
second machine *ahead* of it, of the same class and so with the same code, works on tables that look through to the
first one's and keep their changes to themselves. Nobody outside this module looks at it. A rollback throws the changes
away, whatever they are: there is nothing to be put back.

- *Run*: the next slot behind the chosen state and what was run ahead of it, in the order of slots, without gaps. What
  changes is kept for each slot: the keys written, the uses of sessions, the digest, the answers.
- *Release*: the slot is chosen, with the very value that was run. Its changes are taken over into the chosen state,
  and its answers go out. Nothing is computed again but the order of the session table.
- *Roll back*: another value was chosen, or the leadership is lost, or a snapshot takes the place of the state. Not to
  run ahead is always safe, so in doubt everything that was is thrown away, and the log is applied as ever.

It is right because the state after a slot is a function of the values up to it: a slot is released only if it holds
what was run there, directly upon slots of which that is true.

The replica runs one slot at a time, in an event of its own, after the output of the step that launched it has been
carried out: else the Accept would wait for the results, and nothing would be gained. (The server waits even until the
log's sync has begun: ``node.storage.announced``.) Between two slots of long operations the loop hears acknowledgements.
Not more slots than the window has are run ahead; each keeps in memory what it writes.

Zyzzyva (Kotla et al., SOSP 2007) lets clients see results before there is agreement, and repairs afterwards; here
nothing leaves before.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import ClassVar, NamedTuple

import msgspec

from node.kv import Result, Store, Value
from node.machine import Applied, Machine
from node.paxos.counters import Counters
from node.paxos.membership import Membership
from node.paxos.messages import Value as SlotValue
from node.sessions import Session, Sessions, Standing


class Opened(msgspec.Struct, frozen=True, gc=False):
    """A session was opened, and one evicted for it, if there was no room."""

    session: int
    evicted: int | None


class Used(msgspec.Struct, frozen=True, gc=False):
    """A session's operation was applied."""

    session: int
    sequence: int
    result: Result


class StoreAhead(Store):
    """What a store will hold: the keys written ahead of it, and the others as they are in it."""

    __slots__ = ("_below", "_written")

    def __init__(self, below: Store) -> None:
        super().__init__()
        self._below = below
        self._written: dict[str, Value] = {}
        """What the slot under way has written."""

    def get(self, key: str) -> Value:
        """Return the value that a key will have."""
        if self._overlay is not None and key in self._overlay:
            return self._overlay[key]
        return self._data[key] if key in self._data else self._below.get(key)

    def put(self, key: str, value: Value) -> None:
        """Set a key's value."""
        if self._overlay is None:
            self._written[key] = value
        super().put(key, value)

    def commit(self) -> None:
        """Take a transaction's changes over."""
        self._written.update(self._overlay or {})
        super().commit()

    def take(self) -> dict[str, Value]:
        """Return what was written since this was last asked."""
        written, self._written = self._written, {}
        return written

    def settle(self, written: Mapping[str, Value]) -> None:
        """The store below has these now: what nobody has written since is kept there alone."""
        for key, value in written.items():
            if self._data.get(key) is value:
                self._data.pop(key, None)

    def forget(self) -> None:
        """Throw everything away that is ahead."""
        self._data.clear()
        self._written.clear()
        self.abort()


class SessionsAhead(Sessions):
    """What a session table will be: the sessions used ahead of it, most recently used last, behind the others."""

    def __init__(self, below: Sessions) -> None:
        super().__init__(below.sessions_max)
        self._below = below
        self._gone: set[int] = set()
        """Sessions that are evicted ahead: still in the table below, or in it before that happens there, too."""
        self._size = len(below)
        self._uses: list[Opened | Used] = []
        """What the slot under way has done."""

    def __len__(self) -> int:
        return self._size

    def get(self, session: int) -> Session | None:
        """Return what will be known of a session."""
        known = self._sessions.get(session)
        if known is not None or session in self._gone:
            return known
        return self._below.get(session)

    def open(self, session: int) -> int:
        """Open a session; return how many old ones will have to go for it."""
        self._sessions[session] = Session()
        self._size += 1
        evicted = None
        if self._size > self.sessions_max:
            evicted = self._oldest()
            self._sessions.pop(evicted, None)
            self._gone.add(evicted)
            self._size -= 1
        self._uses.append(Opened(session, evicted))
        return int(evicted is not None)

    def _oldest(self) -> int:
        """Return the session that will have been used longest ago: one that was not used ahead, if there is one."""
        for number in self._below:
            if number not in self._sessions and number not in self._gone:
                return number
        return next(iter(self._sessions))

    def standing(self, session: int, sequence: int) -> Standing:
        """Say how an operation will stand."""
        known = self._sessions.get(session)
        if known is None:
            return Standing.EXPIRED if session in self._gone else self._below.standing(session, sequence)
        if sequence > known.sequence:
            return Standing.NEW
        return Standing.REPEATED if sequence == known.sequence else Standing.OUTDATED

    def result(self, session: int) -> Result | None:
        """Return the result of what will be a session's last operation."""
        known = self.get(session)
        return known.result if known is not None else None

    def record(self, session: int, sequence: int, result: Result) -> None:
        """Remember a new operation's result; the session must be open."""
        if session not in self._sessions:
            known = self.get(session)
            assert known is not None, f"session {session} is not open"
            self._sessions[session] = known.copy()
        super().record(session, sequence, result)
        self._uses.append(Used(session, sequence, result))

    def take(self) -> list[Opened | Used]:
        """Return what was done since this was last asked, in order."""
        uses, self._uses = self._uses, []
        return uses

    def settle(self, uses: Iterable[Opened | Used]) -> None:
        """Do the same in the table below; what nobody has used since is known there alone."""
        sessions, below = self._sessions, self._below
        for use in uses:
            if type(use) is Used:
                below.record(use.session, use.sequence, use.result)
                known = sessions.get(use.session)
                if known is not None and known.sequence == use.sequence:
                    del sessions[use.session]
            elif type(use) is Opened:
                below.open(use.session)
                if use.evicted is not None:
                    self._gone.discard(use.evicted)
                known = sessions.get(use.session)
                if known is not None and not known.sequence:
                    del sessions[use.session]

    def forget(self) -> None:
        """Throw everything away that is ahead."""
        self._sessions.clear()
        self._gone.clear()
        self._uses.clear()
        self._size = len(self._below)


class Ran(NamedTuple):
    """A slot that was run ahead: its value, and everything that comes of it when that is chosen."""

    value: SlotValue
    applied: list[Applied]
    written: dict[str, Value]
    uses: list[Opened | Used]
    membership: Membership
    summed: bytes
    command_bytes: int
    evicted: int
    deduplicated: int


class Speculation:
    """What a leader has computed ahead of its machine's chosen state; ``slots_max`` slots at most."""

    sessions_type: ClassVar[type[SessionsAhead]] = SessionsAhead

    def __init__(self, machine: Machine, counters: Counters, slots_max: int) -> None:
        self._machine = machine
        self._counters = counters
        self._slots_max = slots_max
        self._met = Counters()
        """What the machine ahead counts; it happens when it is released, or never."""
        self.store = StoreAhead(machine.store)
        self.sessions = self.sessions_type(machine.sessions)
        self._ahead = type(machine)(self._met)
        self._ahead.store = self.store
        self._ahead.sessions = self.sessions
        self.ran: deque[Ran] = deque()
        """The slots run ahead and not released; the first is the one behind the chosen state."""

    @property
    def next(self) -> int:
        """The slot to be run next."""
        return self._machine.applied_upto + len(self.ran) + 1

    @property
    def has_room(self) -> bool:
        """Say whether one more slot may be run ahead."""
        return len(self.ran) < self._slots_max

    def run(self, value: SlotValue) -> None:
        """Run the next slot, which will hold this value if all goes well."""
        ahead, met = self._ahead, self._met
        if not self.ran:
            self._begin()
        met.sessions_evicted = met.retries_deduplicated = 0
        before = ahead.command_bytes
        applied = list(ahead.apply(self.next, value))
        self.ran.append(
            Ran(
                value=value,
                applied=applied,
                written=self.store.take(),
                uses=self.sessions.take(),
                membership=ahead.membership,
                summed=ahead.summed,
                command_bytes=ahead.command_bytes - before,
                evicted=met.sessions_evicted,
                deduplicated=met.retries_deduplicated,
            )
        )
        self._counters.slots_run_ahead += 1

    def apply(self, slot: int, value: SlotValue) -> Iterable[Applied]:
        """Apply a chosen slot to the machine, as its own ``apply`` does: by releasing it, if it was run ahead."""
        if self.ran:
            ran = self.ran[0]
            if ran.value is value or ran.value == value:
                self.ran.popleft()
                self._release(slot, ran)
                return ran.applied
            self.roll_back()
        return self._machine.apply(slot, value)

    def roll_back(self) -> None:
        """Throw away what was run ahead: the chosen state is what there is."""
        self._counters.slots_rolled_back += len(self.ran)
        self.ran.clear()
        self._begin()

    def _begin(self) -> None:
        """Stand where the chosen state stands."""
        self.store.forget()
        self.sessions.forget()
        self._ahead.applied_upto = self._machine.applied_upto
        self._ahead.summed = self._machine.summed
        self._ahead.membership = self._machine.membership

    def _release(self, slot: int, ran: Ran) -> None:
        machine = self._machine
        assert slot == machine.applied_upto + 1, f"slot {slot} released after slot {machine.applied_upto}"
        machine.store.update(ran.written)
        self.store.settle(ran.written)
        self.sessions.settle(ran.uses)
        machine.membership = ran.membership
        machine.summed = ran.summed
        machine.applied_upto = slot
        machine.command_bytes += ran.command_bytes
        self._counters.sessions_evicted += ran.evicted
        self._counters.retries_deduplicated += ran.deduplicated
        self._counters.slots_released += 1
