"""Bad weather on links: what is lost, late and doubled is counted by the place, and the counters are the evidence."""

from __future__ import annotations

from collections.abc import Sequence

from nemesis.action import OnNodes
from nemesis.faults import LinkFault
from nemesis.ground import Ground, Link, LinkCounters, Weather
from nemesis.in_force import Stack
from nemesis.targets import TargetError

NS_PER_US = 1_000


class DisturbLinks(OnNodes):
    """Link."""

    needs = "weather"

    def __init__(self, ground: Ground, order: Sequence[str], fault: LinkFault, weather: Stack[Link, Weather]) -> None:
        super().__init__(ground, order, fault.target)
        self._fault = fault
        self._weather = weather
        self._links: tuple[Link, ...] = ()
        self._before = LinkCounters(0, 0)

    def resolve(self, leader: str | None) -> None:
        """Fix the nodes, and so the links: all from and to them."""
        super().resolve(leader)
        nodes = self.ground.nodes
        self._links = tuple(
            Link(a, b) for a in nodes for b in nodes if a != b and (a in self.targets or b in self.targets)
        )
        if not self._links:
            raise TargetError("one node alone has no links")

    @property
    def what(self) -> str:
        """The weather and its nodes."""
        fault = self._fault
        told = []
        if fault.delay_max_us:
            told.append(f"{fault.delay_min_us / 1_000:g} to {fault.delay_max_us / 1_000:g} ms late")
        if fault.loss_ppm:
            told.append(f"{fault.loss_ppm / 10_000:g} % lost")
        if fault.duplicate_ppm:
            told.append(f"{fault.duplicate_ppm / 10_000:g} % doubled")
        where = "all links" if len(self.targets) == len(self.ground.nodes) else f"links of {', '.join(self.targets)}"
        return f"link: {', '.join(told)} on {where}"

    async def inject(self) -> None:
        """Let it rain, on top of other faults' weather."""
        fault = self._fault
        weather = Weather(
            fault.delay_min_us * NS_PER_US, fault.delay_max_us * NS_PER_US, fault.loss_ppm, fault.duplicate_ppm
        )
        self._before = await self._count()
        await self._weather.add(self, dict.fromkeys(self._links, weather))
        self.observed.note(f"{len(self._links)} directed links disturbed")

    async def heal(self) -> bool:
        """Count what it did, then take this fault's weather back."""
        if self._weather.holds(self):
            now, before = await self._count(), self._before
            done = [
                (now.delayed - before.delayed, "delayed"),
                (now.lost - before.lost, "lost"),
                (now.duplicated - before.duplicated, "doubled"),
            ]
            seen = [f"{count} {how}" for count, how in done if count > 0]
            if seen:
                self.observed.effect(f"frames on the disturbed links: {', '.join(seen)}")
            else:
                self.observed.note("no frame was disturbed")
        await self._weather.remove(self)
        return True

    async def _count(self) -> LinkCounters:
        all_counters = await self.ground.link_counters()
        counters = [all_counters[link] for link in self._links if link in all_counters]
        return LinkCounters(
            0,
            0,
            sum(c.lost for c in counters),
            sum(c.duplicated for c in counters),
            sum(c.delayed for c in counters),
        )
