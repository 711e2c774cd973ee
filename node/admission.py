"""Whom a node serves, and how much at once: the limits of connections and of what is under way on each.

The asyncio server and the simulator both keep to this one class, so that what is refused in one world is refused in the
other. A refusal costs the node next to nothing and says that nothing has happened: that is what lets a node that is
offered ten times what it can do go on doing what it can.
"""

from __future__ import annotations

import msgspec

from node.paxos.config import ConfigError
from node.paxos.counters import Counters
from node.wire import Reason, Refusal


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a node keeps for others, at most. Raises ConfigError for a limit below 1.

    ``clients_max``: clients' connections. ``strangers_max``: connections that have not said yet who they are.
    ``pipeline_max``: requests under way on one client's connection. ``client_outbox_bytes_max``: replies that a client
    has not read; beyond it the client is cut off. ``peer_outbox_bytes_max``: messages on their way to one peer; beyond
    it they are dropped. ``hello_timeout_ms``: how long a stranger may be silent.
    """

    clients_max: int = 1_024
    strangers_max: int = 256
    pipeline_max: int = 1_024
    client_outbox_bytes_max: int = 8 * 1024 * 1024
    peer_outbox_bytes_max: int = 8 * 1024 * 1024
    hello_timeout_ms: int = 2_000

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}={getattr(self, name)} must be at least 1")


class Admission:
    """The clients of one node and how many requests of each are under way."""

    def __init__(self, limits: Limits, counters: Counters) -> None:
        self._limits = limits
        self._counters = counters
        self._under_way: dict[int, int] = {}
        self._seen = 0
        self._full = Refusal(
            Reason.OVERLOADED, detail=f"{limits.pipeline_max} requests of this connection are under way"
        )

    def __len__(self) -> int:
        return len(self._under_way)

    def enter(self) -> int | None:
        """Return the number of one client more, None if there are too many."""
        if len(self._under_way) >= self._limits.clients_max:
            self._counters.clients_turned_away += 1
            return None
        self._seen += 1
        self._under_way[self._seen] = 0
        return self._seen

    def leave(self, client: int) -> None:
        """A client is gone."""
        self._under_way.pop(client, None)

    def leave_all(self) -> None:
        """All clients are gone."""
        self._under_way.clear()

    def ask(self, client: int) -> Refusal | None:
        """Count a request of a client; return the refusal if it has too many under way."""
        under_way = self._under_way[client]
        if under_way >= self._limits.pipeline_max:
            self._counters.pipelines_overloaded += 1
            return self._full
        self._under_way[client] = under_way + 1
        return None

    def answered(self, client: int) -> None:
        """A request of a client has its reply; the client may be gone."""
        under_way = self._under_way.get(client)
        if under_way is not None:
            self._under_way[client] = under_way - 1

    @property
    def turned_away(self) -> Refusal:
        """What a client more than are served is told."""
        return Refusal(Reason.OVERLOADED, detail=f"{self._limits.clients_max} clients are being served already")
