"""Bad weather on links: what becomes of frames is counted by the place, and the counters are the evidence."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence, Set

from nemesis.action import OnNodes
from nemesis.delays import Delay, Distribution
from nemesis.faults import LinkClog, LinkFault
from nemesis.ground import Ground, Link, LinkCounters, Loss, Reorder, Weather
from nemesis.in_force import Stack
from nemesis.targets import TargetError
from nemesis.watching import passing, still_bad

NS_PER_US = 1_000
_TOLD = {
    "delayed": "delayed",
    "lost": "lost",
    "duplicated": "doubled",
    "reordered": "held back",
    "clogged": "clogged",
    "throttled": "throttled",
}


class _OnLinks(OnNodes):
    """What both faults of links have in common: weather comes, its frames are counted, it goes."""

    needs = "weather"

    def __init__(
        self, ground: Ground, order: Sequence[str], fault: LinkFault | LinkClog, weather: Stack[Link, Weather]
    ) -> None:
        super().__init__(ground, order, fault.target)
        self._direction = fault.direction
        self._stack = weather
        self._links: tuple[Link, ...] = ()
        self._before: dict[Link, LinkCounters] = {}
        self._passed: set[Link] = set()

    @property
    @abstractmethod
    def _weather(self) -> Weather:
        """What the fault adds to each of its links."""

    def resolve(self, leader: str | None) -> None:
        """Fix the nodes, and so the links: from them, to them or both."""
        super().resolve(leader)
        nodes = self.ground.nodes
        self._links = tuple(Link(a, b) for a in nodes for b in nodes if a != b and self._meant(a, b))
        if not self._links:
            raise TargetError("one node alone has no links")

    def _meant(self, source: str, destination: str) -> bool:
        leaves, enters = source in self.targets, destination in self.targets
        return {"both": leaves or enters, "from": leaves, "to": enters}[self._direction]

    @property
    def _where(self) -> str:
        if len(self.targets) == len(self.ground.nodes):
            return "all links"
        whose = {"both": "of", "from": "from", "to": "to"}[self._direction]
        return f"links {whose} {', '.join(self.targets)}"

    async def inject(self) -> None:
        """Let the weather come, on top of other faults'."""
        self._before = await self._count()
        await self._stack.add(self, dict.fromkeys(self._links, self._weather))
        self.observed.note(f"{len(self._links)} directed links disturbed")

    async def heal(self) -> bool:
        """Count what it did, then take this fault's weather back."""
        if self._stack.holds(self):
            self._look(await self._count())
        await self._stack.remove(self)
        return True

    async def look_again(self) -> bool:
        """See frames pass undisturbed, on the links that no other fault disturbs or cuts."""
        await super().look_again()
        fair = [link for link in await self._count() if self._is_fair(link)]
        self._passed.clear()
        disturbed = await still_bad(fair, self._disturbed)
        if fair:
            self.observed.heals(f"frames pass undisturbed on {len(self._passed)} of the {len(fair)} links")
        return not disturbed

    async def _disturbed(self, links: Sequence[Link]) -> Sequence[Link]:
        """Return the links on which the next frame was disturbed, and note those on which it was not."""
        before = {link: counters for link, counters in (await self._count()).items() if link in links}
        now = await passing(self.ground, before)
        same = {link for link, counters in now.items() if _disturbances(counters) == _disturbances(before[link])}
        fair = {link for link in now if self._is_fair(link)}  # another fault may have come meanwhile
        self._passed |= same & fair
        return sorted(fair - same)

    def _is_fair(self, link: Link) -> bool:
        return self._stack.of(link) == Weather()

    def _look(self, now: dict[Link, LinkCounters]) -> None:
        """Count what this fault's own weather did; frames that another one has disturbed are no effect of this."""
        own = self._weather.shows_in
        unit = next((counters.unit for counters in now.values()), "packets")
        if seen := self._seen(now, own):
            self.observed.effect(f"{'frames' if unit == 'packets' else unit} on the disturbed links: {seen}")
        else:
            self.observed.note("no frame was disturbed by it")
        if besides := self._seen(now, _TOLD.keys() - own):
            self.observed.note(f"on the same links besides: {besides}")

    def _seen(self, now: dict[Link, LinkCounters], which: Set[str]) -> str:
        counted = {counter: self._more(now, counter) for counter in _TOLD if counter in which}
        return ", ".join(f"{count} {_TOLD[counter]}" for counter, count in counted.items() if count > 0)

    def _more(self, now: dict[Link, LinkCounters], counter: str) -> int:
        return sum(
            int(getattr(counters, counter)) - int(getattr(self._before[link], counter))
            for link, counters in now.items()
            if link in self._before
        )

    async def _count(self) -> dict[Link, LinkCounters]:
        counters = await self.ground.link_counters()
        return {link: counters[link] for link in self._links if link in counters}


def _disturbances(counters: LinkCounters) -> tuple[int, ...]:
    """Return what weather has done to a link so far."""
    return tuple(int(getattr(counters, counter)) for counter in _TOLD)


class DisturbLinks(_OnLinks):
    """Link."""

    def __init__(self, ground: Ground, order: Sequence[str], fault: LinkFault, weather: Stack[Link, Weather]) -> None:
        super().__init__(ground, order, fault, weather)
        self._fault = fault
        if fault.needs_frames:
            self.needs = "frames"

    @property
    def what(self) -> str:
        """The weather and its nodes."""
        fault = self._fault
        told = []
        if fault.delay_max_us:
            law = "" if fault.distribution == Distribution.UNIFORM else f" ({fault.distribution})"
            told.append(f"{fault.delay_min_us / 1_000:g} to {fault.delay_max_us / 1_000:g} ms late{law}")
        if fault.loss_ppm:
            bursts = " in bursts" if fault.loss_correlation_ppm else ""
            told.append(f"{fault.loss_ppm / 10_000:g} % lost{bursts}")
        if fault.duplicate_ppm:
            told.append(f"{fault.duplicate_ppm / 10_000:g} % doubled")
        if fault.reorder_ppm:
            told.append(f"{fault.reorder_ppm / 10_000:g} % held back")
        if fault.rate is not None:
            told.append(f"{fault.rate.bits_per_s // 1_000:,} kbit/s")
        return f"link: {', '.join(told)} on {self._where}"

    @property
    def _weather(self) -> Weather:
        fault = self._fault
        delay = Delay(fault.delay_min_us * NS_PER_US, fault.delay_max_us * NS_PER_US, Distribution(fault.distribution))
        return Weather(
            (delay,) if fault.delay_max_us else (),
            (Loss(fault.loss_ppm, fault.loss_correlation_ppm),) if fault.loss_ppm else (),
            fault.duplicate_ppm,
            (Reorder(fault.reorder_ppm, fault.held_us * NS_PER_US),) if fault.reorder_ppm else (),
            rate=fault.rate,
        )


class ClogLinks(_OnLinks):
    """Link-clog."""

    @property
    def what(self) -> str:
        """The links."""
        return f"link-clog: {self._where}"

    @property
    def _weather(self) -> Weather:
        return Weather(clogged=True)
