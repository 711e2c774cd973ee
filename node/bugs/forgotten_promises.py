"""An acceptor keeps its promises in memory only.

*Mechanism.* The promise is answered but not written down. After a restart the acceptor knows only the ballots of what
it accepted, and takes an Accept of an older leader that it had promised to refuse: two leaders may then both gather a
majority.

*In real life.* *Paxos Made Simple* (Lamport, 2001) gives disks one paragraph: the acceptor records its intended
response in stable storage before it sends it. Implementations for learning leave that out first.

*Exposed by* a crash of an acceptor between its promise to a new leader and that leader's first Accept, with the old
leader still about.

*Caught by* the invariant that a node never answers in a lower ballot than before; by the linearizability checker if
both leaders had clients.
"""

from __future__ import annotations

from dataclasses import replace

from node.assembly import Assembly
from node.paxos.acceptor import Acceptor
from node.paxos.ballot import Ballot
from node.paxos.effects import Effects


class ForgottenPromises(Acceptor):
    """An acceptor that does not write promises down."""

    def promise(self, ballot: Ballot, effects: Effects) -> bool:
        """Promise, in memory."""
        del effects
        if ballot < self.promised:
            return False
        self.promised = ballot
        return True


def plant(healthy: Assembly) -> Assembly:
    """Break the memory of promises."""
    return replace(healthy, core=replace(healthy.core, acceptor=ForgottenPromises))
