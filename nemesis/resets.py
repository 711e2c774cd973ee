"""Connections that break: how many there were is the evidence."""

from __future__ import annotations

from nemesis.action import OnNodes


class ResetConnections(OnNodes):
    """Reset."""

    needs = "resets"
    verb = "reset connections of"

    async def inject(self) -> None:
        """Break them, and say how many there were."""
        count = await self.ground.reset_connections(frozenset(self.targets))
        if count:
            self.observed.effect(f"{count} connections broken")
        else:
            self.observed.note("there was no connection to break")

    async def heal(self) -> bool:
        """Nothing to undo: whoever wants a connection makes a new one."""
        return True
