"""Liveness, once everything is healed: does the cluster serve again, all of it, and how soon?

Safety never needs a bound; liveness means nothing without one. Within a scenario's ``recovery`` a healed cluster must
have a leader, have served a read and a change, and have every node running as a member with the same slots applied.
What is missing at the end of that time is a violation of liveness, and is said by name. A node that is no member yet,
as its fault could not be healed in its own time, is asked for again until then.

One excuse is taken: a node whose disk a fault beyond the model has hit, and which has then ended by itself. It refuses
to serve from a log that it cannot trust, and that is what it should do. The others have to recover without it, as long
as they are a majority of the members; a cluster that has lost more cannot recover, and nothing is demanded of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from harness.ground import RunGround
from nemesis.ground import Members, NodeView, ProcessState, Run, latest_members
from nemesis.record import FaultRecord, FaultStatus
from nemesis.targets import majority

LOOK_EVERY_S = 0.05
CHANGE_S = 1.0
"""How long the cluster may take over adding a node before it is looked at again."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """How a cluster recovered: after how long, or what was missing at the end; and who was excused.

    ``demanded`` is false if too few nodes were left that could be asked to.
    """

    after_s: float | None = None
    waited_s: float = 0.0
    missing: tuple[str, ...] = ()
    excused: tuple[str, ...] = ()
    demanded: bool = True


class Recoverer:
    """Waits for one healed cluster."""

    def __init__(
        self,
        ground: RunGround,
        now: Callable[[], int],
        probe: Callable[[], Awaitable[bool]],
        faults: Sequence[FaultRecord],
    ) -> None:
        """``probe`` carries one operation out and says whether it returned ok; ``now`` gives ns."""
        self._ground = ground
        self._now = now
        self._probe = probe
        self._damaged = damaged_nodes(faults)
        self._served = False

    async def wait(self, patience_ns: int) -> Recovery:
        """Return once nothing is missing, or when patience is over."""
        began = self._now()
        members: Members | None = None
        while True:
            states = {node: await self._ground.process(node) for node in self._ground.nodes}
            excused = tuple(node for node, state in states.items() if self._excused(state))
            voters = self._ground.nodes if members is None else members.nodes
            waited_s = (self._now() - began) / 1e9
            if len(set(voters).difference(excused)) < majority(len(voters)):
                return Recovery(waited_s=waited_s, excused=excused, demanded=False)
            self._served = self._served or await self._probe()
            views = await self._ground.views()
            members = latest_members(views)
            absent = tuple(node for node in states if members is not None and node not in (*members.nodes, *excused))
            missing = self._missing(states, views, excused, absent)
            waited_s = (self._now() - began) / 1e9
            if not missing:
                return Recovery(waited_s, waited_s, excused=excused)
            if self._now() - began >= patience_ns:
                return Recovery(None, waited_s, missing, excused)
            for node in absent:
                await self._ground.change_members(node, member=True, timeout_s=CHANGE_S)
            await asyncio.sleep(LOOK_EVERY_S)

    def _excused(self, state: ProcessState) -> bool:
        by_itself = state.run is Run.GONE and state.exit_code is not None and state.exit_code >= 0
        return by_itself and state.node in self._damaged

    def _missing(
        self,
        states: dict[str, ProcessState],
        views: Sequence[NodeView],
        excused: Sequence[str],
        absent: Sequence[str],
    ) -> tuple[str, ...]:
        missing = []
        if not any(view.is_leader for view in views):
            missing.append("no node leads")
        if not self._served:
            missing.append("no operation was served")
        answered = {view.node: view for view in views}
        furthest = max((view.applied for view in views), default=0)
        for node, state in states.items():
            if node in excused:
                continue
            trouble = _trouble(state, answered.get(node), furthest) or ("is no member" if node in absent else "")
            if trouble:
                missing.append(f"{node} {trouble}")
        return tuple(missing)


def damaged_nodes(faults: Sequence[FaultRecord]) -> frozenset[str]:
    """Return the nodes whose disks a fault beyond the model is shown to have hit."""
    return frozenset(
        node
        for record in faults
        if record.beyond_model and record.kind.startswith("disk-") and record.status is FaultStatus.INSTALLED
        for node in record.targets
    )


def _trouble(state: ProcessState, view: NodeView | None, furthest: int) -> str:
    """Say what is wrong with one node, "" if nothing is."""
    if state.run is Run.GONE:
        return f"is not running (exit status {state.exit_code})"
    if state.run is Run.STOPPED:
        return "is stopped"
    if view is None:
        return "does not answer"
    behind = furthest - view.applied
    return f"lags by {behind} slot{'s' if behind > 1 else ''}" if behind else ""
