"""A change of the members counts from its proposal on, and the next one does not wait for it.

*Mechanism.* A leader that has proposed a change goes by the new members at once, and takes the next change while the
first one is open. One node at a time is enough for every majority to overlap with those one step away; two steps in
flight have no such overlap. A leader with one follower on its side of a partition, three nodes on the other, removes
two of these one right after the other. By its own count the remaining three are the cluster, and two of them a
majority: it chooses its changes, and whatever comes after them. The three on the other side know of no change, and are
a majority of five.

*In real life.* Raft's single-server changes had a bug of this kind as published: a new leader could begin a change
while one of an earlier term was open, and two changes apart majorities need not meet. Ongaro told raft-dev of it in
July 2015 with the remedy: first a leader must have an entry of its own term committed. It came to implementations one
by one: braft's issue 182 (2019) discusses its wording, AxonIQ/axon-server-se's pull request 120 is a fix.

*Exposed by* two removals at once, while those to be removed are on the larger side of a partition.

*Caught by* the invariant that a ballot changes the members once and proposes nothing behind that; without it, by all
that tells a cluster that has split in two: stale reads, lost writes, logs that differ.
"""

from __future__ import annotations

from dataclasses import replace

from node.assembly import Assembly
from node.museum import Exhibit, misdeeds
from node.paxos.leader import Leader
from node.paxos.membership import encode_change
from node.paxos.regrouping import Regrouping


class OverlappingChanges(Regrouping):
    """Changes of the members that wait for nothing."""

    _last_slot = 0

    def press_change(self, now: int, leader: Leader) -> None:
        """Propose the change at once, be done with it, and count votes among the new members."""
        core, change = self._core, leader.change
        if change is None:
            return
        if core.log.chosen_upto < self._last_slot:
            misdeeds.happened()
        leader.change = None
        self._last_slot = leader.next_slot
        core.launch(now, leader.next_slot, (encode_change(change),))
        core.adopt(core.membership.after(change))
        if core.config.me in core.voters:
            self._renew(now, leader)

    def finds_change(self, slot: int, leader: Leader) -> bool:
        """Take a change that a predecessor has left open for a command like any other."""
        del slot, leader
        return False

    def _renew(self, now: int, leader: Leader) -> None:
        """Lead on in the same ballot; what is in flight is counted anew."""
        del now
        leader.voters, leader.majority = self._core.voters, self._core.membership.majority
        for slot, flight in list(leader.flights.items()):
            if len(flight.acks & leader.voters) >= leader.majority:
                leader.land(slot)
                self._core.log.choose(slot)


def plant(healthy: Assembly) -> Assembly:
    """Break the order of two changes."""
    return replace(healthy, core=replace(healthy.core, regrouping=OverlappingChanges))


EXHIBIT = Exhibit(
    scenario="""
nodes = 5
time = "11s"
faults = []
schedule = [
    { at = "1000ms", until = "2500ms", fault = { type = "partition", shape = "halves" } },
    { at = "1020ms", until = "2600ms", fault = { type = "membership", target = "n4" } },
    { at = "1030ms", until = "2600ms", fault = { type = "membership", target = "n5" } },
    { at = "2700ms", until = "3300ms", fault = { type = "pause", target = "leader" } },
    { at = "3500ms", until = "5000ms", fault = { type = "partition", shape = "halves" } },
    { at = "3520ms", until = "5100ms", fault = { type = "membership", target = "n3" } },
    { at = "3530ms", until = "5100ms", fault = { type = "membership", target = "n4" } },
    { at = "5200ms", until = "5800ms", fault = { type = "pause", target = "leader" } },
    { at = "6000ms", until = "7500ms", fault = { type = "partition", shape = "halves" } },
    { at = "6020ms", until = "7600ms", fault = { type = "membership", target = "n3" } },
    { at = "6030ms", until = "7600ms", fault = { type = "membership", target = "n5" } },
    { at = "7700ms", until = "8300ms", fault = { type = "pause", target = "leader" } },
    { at = "8500ms", until = "10000ms", fault = { type = "partition", shape = "halves" } },
    { at = "8520ms", until = "10100ms", fault = { type = "membership", target = "n4" } },
    { at = "8530ms", until = "10100ms", fault = { type = "membership", target = "n5" } },
]
""",
    caught_by=(
        "invariants: n# accepts what must not be: slot # changes the members in #, as slot # does",
        "invariants: n# accepts what must not be: slot # is proposed in #, which changes the members in slot #",
        "invariants: n# accepts what must not be: slot # changes the members in # while slot # is open",
        "invariants: n# holds slot # for chosen, which no majority has accepted",
    ),
    checkers_alone=("node-audit: *", "linearizable: *", "final-reads: *", "recovery: *is not running (exit status *"),
)
