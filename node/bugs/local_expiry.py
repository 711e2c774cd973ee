"""Sessions expire by each node's own clock.

*Mechanism.* A session that was not used for two seconds is dropped when the next command of its client is applied, and
every node looks at its own clock to say whether that is so. The nodes apply the same commands at different times, so
one drops what another keeps: the same log, two states.

*In real life.* Time-outs in a replicated state machine must come through the log. Redis's replicas do not expire keys
by their own clocks for this reason, and wait for the master's word; a ``time()`` or a random number in an apply
function is the classic of nondeterministic execution (*Paxos Made Live*, Chandra, Griesemer and Redstone, 2007, ran
checksums of the database over all replicas to find such things).

*Exposed by* anything that makes nodes apply at different times: a restart (the whole log at once), lag, partitions.

*Caught by* the invariant that one prefix of the log gives one state. The audit of the logs cannot see it: it applies
the logs itself, and has no clock.
"""

from __future__ import annotations

from dataclasses import replace

from node.assembly import Assembly
from node.machine import Entry, Machine, OpenEntry
from node.museum import Exhibit, misdeeds
from node.paxos.counters import Counters
from node.paxos.membership import NOBODY, Membership
from node.replica import Output, Replica, ReplicaEvent
from node.wire import Answer, Command, Reason, Refusal

TTL_NS = 2_000_000_000


class TimedMachine(Machine):
    """A machine that looks at the clock."""

    def __init__(self, counters: Counters, membership: Membership = NOBODY) -> None:
        super().__init__(counters, membership)
        self.now = 0
        self._used: dict[int, int] = {}

    def apply_entry(self, entry: Entry, number: int) -> Answer:
        """Apply, unless its session is too old by this node's clock."""
        if isinstance(entry, OpenEntry):
            self._used[number] = self.now
        if not isinstance(entry, Command):
            return super().apply_entry(entry, number)
        used = self._used.get(entry.session, self.now)
        self._used[entry.session] = self.now
        if self.now - used > TTL_NS:
            misdeeds.happened()
            return Refusal(Reason.SESSION_EXPIRED)
        return super().apply_entry(entry, number)


class LocalExpiry(Replica):
    """A replica that tells its machine the time."""

    machine_type = TimedMachine

    def step(self, now: int, event: ReplicaEvent) -> Output:
        """Take one event."""
        assert isinstance(self.machine, TimedMachine)
        self.machine.now = now
        return super().step(now, event)


def plant(healthy: Assembly) -> Assembly:
    """Break the determinism of the state machine."""
    return replace(healthy, replica=LocalExpiry)


EXHIBIT = Exhibit(
    scenario="""
nodes = 3
rate = 10
time = "8s"
faults = []
schedule = [
    { at = "1s", until = "1500ms", every = "1s", fault = { type = "kill", target = "one" } },
]
""",
    caught_by=("invariants: n# has another state than n# after slot #: #, not #",),
    checkers_alone=(
        "linearizable: *",
        "final-reads: *",
    ),
)
