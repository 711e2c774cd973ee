"""Registers watched while the history is still being made, in memory that is bounded by what is open.

After the run everything is judged by ``checkers.zones``, over all operations. To end a run early, or to say at once
that something is wrong, that is too late; and keeping all operations to judge them again and again is too much. What
has to be kept is little: a value can be seen from now on only if it may still be current, or if who is to bring it has
not come back. All others are dead, and who sees a value that is neither alive nor expected is wrong, whatever it was.

A value dies when another one must come after it (F of the one before S of the other, as in ``checkers.zones``) and was
met by an operation that was over before all those began that are under way. So there are about as many values alive as
there are operations under way, and producers of unknown outcome besides.

Nothing said here is a false alarm: each is a contradiction of two zones, or the sight of what cannot be there. What is
not seen here is what chains of swaps prove, and what the general search alone can tell (a key whose living values are
not unique is watched no further). The judgement at the end sees all; it also says which operations prove it.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Final, Protocol

from checkers.history import Event, EventType, freeze
from checkers.models import CasRegister
from checkers.sentences import show, show_key, when

_NOT_YET: Final = 2**62
_BEFORE_ALL: Final = -1
_CROWD: Final = 8


@dataclass(frozen=True, slots=True)
class Alarm:
    """What was seen: a sentence, and the index of the event that showed it."""

    sentence: str
    index: int


class Watch(Protocol):
    """Looks at a history while it is being made."""

    def take(self, event: Event) -> Alarm | None:
        """Take the next event; return what it shows to be wrong, if it does."""


@dataclass(slots=True)
class _Alive:
    """A value that may be current: the earliest end and the latest beginning of what met it."""

    first_end: int
    last_begun: int

    def meet(self, begun: int, over: int) -> None:
        self.first_end = min(self.first_end, over)
        self.last_begun = max(self.last_begun, begun)

    def precedes(self, other: _Alive) -> bool:
        return self.first_end < other.last_begun


@dataclass(slots=True)
class _Open:
    """An operation under way; ``seen`` if others have met already what it brings."""

    event: Event
    saw: tuple[Hashable] | None
    made: tuple[Hashable] | None
    seen: bool = False


@dataclass(slots=True)
class _Register:
    """One key: what may be current, who is under way, and who may have brought what nobody has seen."""

    alive: dict[Hashable, _Alive]
    open: dict[int | str, _Open] = field(default_factory=dict)
    lost: dict[Hashable, int] = field(default_factory=dict)
    crowd: int = _CROWD

    def producer(self, value: Hashable) -> _Open | None:
        """Return who is under way to bring a value that nobody has met."""
        return next((one for one in self.open.values() if one.made == (value,) and not one.seen), None)


class _AmbiguousError(Exception):
    """Nothing more can be said of a key."""


class RegistersWatch:
    """Takes a history's events one by one. ``alarm`` is the first thing that was wrong."""

    def __init__(self, model: CasRegister) -> None:
        self._model = model
        self._registers: dict[Hashable, _Register] = {}
        self.alarm: Alarm | None = None
        self.given_up: set[Hashable] = set()
        """Keys with two living values that are the same."""

    @property
    def kept(self) -> int:
        """How many values and operations are kept, of all keys."""
        return sum(len(one.alive) + len(one.open) + len(one.lost) for one in self._registers.values())

    def take(self, event: Event) -> Alarm | None:
        """Take the next event; return what it shows to be wrong, if it does. Events of the nemesis are none of ours."""
        if not isinstance(event.process, int):
            return None
        key = freeze(event.key)
        if key in self.given_up:
            return None
        register = self._registers.get(key)
        if register is None:
            register = self._registers[key] = _Register({self._model.initial: _Alive(_BEFORE_ALL, _BEFORE_ALL)})
        try:
            said = self._take(register, event)
        except _AmbiguousError:
            self.given_up.add(key)
            del self._registers[key]
            return None
        if said and self.alarm is None:
            who = f"{show_key(key)}: " if event.key is not None else ""
            self.alarm = Alarm(f"{who}{said}", event.index)
        return self.alarm if said else None

    def _take(self, register: _Register, event: Event) -> str:
        if event.type is EventType.INVOKE:
            self._begin(register, event)
            return ""
        under_way = register.open.pop(event.process, None)
        if under_way is None:
            return ""
        if event.type is EventType.FAIL:
            failed = f"{under_way.event.f} by process {event.process} failed at {when(event.index, event.time)}"
            return f"{failed}, but what it was to bring had been seen" if under_way.seen else ""
        if event.type is EventType.INFO:
            if under_way.made is not None and not under_way.seen:
                register.lost[under_way.made[0]] = under_way.event.index
            return ""
        return self._end(register, under_way, event)

    def _begin(self, register: _Register, event: Event) -> None:
        saw: tuple[Hashable] | None = None
        made: tuple[Hashable] | None = None
        if event.f == "write":
            made = (freeze(event.value),)
        elif event.f == "cas" and isinstance(event.value, list | tuple) and len(event.value) == 2:
            saw, made = (freeze(event.value[0]),), (freeze(event.value[1]),)
        elif event.f != "read":
            raise _AmbiguousError  # no operation of a register: for the model to refuse
        if made is not None:
            value = made[0]
            known = value in register.alive or value in register.lost
            if known or register.producer(value) is not None:
                raise _AmbiguousError
        register.open[event.process] = _Open(event, saw, made)

    def _end(self, register: _Register, done: _Open, event: Event) -> str:
        begun, over = done.event.index, event.index
        if done.event.f == "read":
            value = freeze(event.value)
            done.saw = (value,) if value is not None or self._model.nil_reads_assert else None
        touched: list[Hashable] = []
        if done.saw is not None:
            if not self._may_be_there(register, done.saw[0]):
                seen = f"{done.event.f} by process {event.process} at {when(over, event.time)} saw {show(done.saw[0])}"
                return f"{seen}, which cannot be there any more, or never was"
            touched.append(done.saw[0])
        if done.made is not None and (not done.seen or done.made[0] in register.alive):
            register.alive.setdefault(done.made[0], _Alive(_NOT_YET, _BEFORE_ALL))
            touched.append(done.made[0])
        for value in touched:
            register.alive[value].meet(begun, over)
        for value in touched:
            for other, alive in register.alive.items():
                met = register.alive[value]
                if other != value and met.precedes(alive) and alive.precedes(met):
                    met_by = f"{done.event.f} by process {event.process} at {when(over, event.time)}"
                    return f"{met_by} met {show(value)}, which would be there both before and after {show(other)}"
        if len(register.alive) > register.crowd:
            self._bury(register, over)
        return ""

    def _may_be_there(self, register: _Register, value: Hashable) -> bool:
        """Whether a value is alive, or comes alive as its producer is under way or was lost."""
        if value in register.alive:
            return True
        producer = register.producer(value)
        begun = register.lost.pop(value, None) if producer is None else producer.event.index
        if producer is not None:
            producer.seen = True
        if begun is not None:
            register.alive[value] = _Alive(_NOT_YET, begun)
        return begun is not None

    def _bury(self, register: _Register, now: int) -> None:
        """Forget the values that nobody can see any more."""
        all_began_after = min((one.event.index for one in register.open.values()), default=now)
        settled = [alive for alive in register.alive.values() if alive.first_end < all_began_after]
        latest = max((alive.last_begun for alive in settled), default=_BEFORE_ALL)
        for value, alive in list(register.alive.items()):
            others = (
                latest
                if alive.last_begun < latest
                else max((one.last_begun for one in settled if one is not alive), default=_BEFORE_ALL)
            )
            if alive.first_end < others:
                del register.alive[value]
        register.crowd = max(_CROWD, 2 * len(register.alive))
