"""Executions of correct objects: clients call, the object acts at some moment in between, and the answers come back.

Whatever such an execution records is linearizable by construction, so no checker may ever object to it: not with calls
that end unknown and have acted, nor with those that have not, nor with failed ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from checkers.history import Event, EventType, History

Act = Callable[[Any, str, Any], "tuple[Any, Any] | None"]
"""The state after a call and its result; None if the object refuses (the call fails then)."""

_FATES = ("ok", "ok", "ok", "ok", "info", "info-idle", "fail")


@st.composite
def executions(
    draw: st.DrawFn,
    act: Act,
    initial: Any,
    calls: st.SearchStrategy[tuple[str, Any]],
    *,
    operations_max: int = 10,
    clients_max: int = 4,
) -> History:
    """A history of at most ``operations_max`` calls of ``act``'s object."""
    wanted = draw(st.lists(st.tuples(calls, st.sampled_from(_FATES)), max_size=operations_max))
    clients = draw(st.integers(1, clients_max))
    processes = list(range(clients))
    running: list[dict[str, Any] | None] = [None] * clients
    state = initial
    events: list[Event] = []

    def record(client: int, kind: EventType, f: str, value: Any) -> None:
        events.append(Event(len(events), len(events) * 1_000_000, processes[client], kind, f, value))

    while wanted or any(running):
        idle = [c for c in range(clients) if running[c] is None] if wanted else []
        client = draw(st.sampled_from(idle + [c for c in range(clients) if running[c] is not None]))
        call = running[client]
        if call is None:
            (f, value), fate = wanted.pop()
            running[client] = {"f": f, "value": value, "fate": fate}
            record(client, EventType.INVOKE, f, value)
        elif "result" not in call and call["fate"] in ("ok", "info"):
            acted = act(state, call["f"], call["value"])
            if acted is None:
                call["fate"] = "fail" if call["fate"] == "ok" else "info-idle"
            else:
                state, call["result"] = acted
        else:
            running[client] = None
            if call["fate"].startswith("info"):
                record(client, EventType.INFO, call["f"], None)
                processes[client] += clients
            else:
                record(client, EventType(call["fate"]), call["f"], call.get("result"))
    return History(events)
