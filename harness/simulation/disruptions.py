"""Whether a healthy leader was deposed by a node that was alone in having lost it.

Nothing that clients could prove is broken by that: the cluster elects again and serves on. But a node that comes back
from isolation, or hears nobody and is heard, must not do it (``node.paxos.preelection``), and one that does will do it
again and again. So it is judged by itself, and a run in which it happened goes on to its end.

What may be held against a node is this. It takes a ballot at a time when a leader leads that has led for an election
time-out and longer, and a majority follows it: this leader, and others that run, have promised its ballot, do not
suspect it, and have not truly said that they have lost it (nor asked whether others have, nor been started) for that
long, *nor since this node began to ask*. The node itself is not among them. Then no majority can have told it that the
leader is lost, whatever the links were like: a majority of yes to its question and that majority would have a member in
common, and the asker's own yes is no other's. The majority has to be one of the members whom the asker asked, too. So a
node that waits for such an answer is never blamed, and no race between an answer and a heartbeat can change that.

Ballots that need no such question are not judged: of a node that was told by its leader to succeed it; of a leader, or
of one that follows up a ballot of those kinds (after a change of the members, or when another's new life is noted).

Blame is for the ballot, and there is a disruption when it deposes: that leader stops leading as it is told of that
ballot, and until then a majority has followed it, or has promised this ballot.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from harness.results import Anomaly, CheckerResult, RunResult
from nemesis.ground import Run
from node.paxos.ballot import Ballot
from node.paxos.config import MS
from node.paxos.effects import Receive, Send
from node.paxos.messages import Accept, Heartbeat, Prepare, PreVote, Refused, Resign

if TYPE_CHECKING:
    from harness.simulation.loop import VirtualLoop
    from harness.simulation.node import SimulatedNode
    from harness.simulation.trace import Trace
    from node.paxos.effects import Deferred
    from node.replica import ReplicaEvent

NAME = "disruption"
KIND = "a healthy leader is deposed"
_TIME = re.compile(r"at (\d+)\.(\d{6}) s ")
TOLD_MAX = 10
"""So many disruptions are told of; what comes then is counted."""


class Led(NamedTuple):
    """A leadership under way: in which ballot, and since when (ns of true time)."""

    node: SimulatedNode
    ballot: Ballot
    since: int


class Blamed(NamedTuple):
    """A ballot that nobody wanted: whose, when it was taken, over which leader's, and who followed that one."""

    node: SimulatedNode
    at: int
    over: Ballot
    followers: tuple[str, ...]


@dataclass(slots=True)
class Asker:
    """What one node has done to find out whether its leader is lost; times are ns of true time."""

    doubted_at: int = 0
    """When it last said, asked or had to assume that its leader is lost."""
    question: int = 0
    asked_at: int = 0
    asked: frozenset[int] = frozenset()
    """Who the members were when it asked that question."""
    needs_no_question: bool = False


class Disruptions:
    """What has been seen so far of one cluster."""

    def __init__(self, loop: VirtualLoop, trace: Trace, nodes: int) -> None:
        self._loop = loop
        self._trace = trace
        self._askers = [Asker() for _ in range(nodes + 1)]
        self._nodes: dict[int, SimulatedNode] = {}
        self._led: dict[int, Led] = {}
        self._blamed: dict[Ballot, Blamed] = {}
        self.count = 0
        self.told: list[str] = []

    # -- what nodes do ------------------------------------------------------------------------------------------------

    def booted(self, node: SimulatedNode) -> None:
        """A process begins: it knows of no leader, and has asked nothing."""
        now = self._loop.now_ns
        self._nodes[node.number] = node
        self._askers[node.number] = Asker(doubted_at=now, asked_at=now)
        self._led.pop(node.number, None)

    def says_yes(self, node: SimulatedNode, to: int) -> None:
        """A node says that the leader is lost; what counts is whether it has lost it, or waits for whoever asks."""
        assert node.replica is not None
        election = node.replica.paxos.election
        if election.suspects(node.clock.read(self._loop.now_ns)) or election.waits_for == to:
            self._askers[node.number].doubted_at = self._loop.now_ns

    def asks(self, node: SimulatedNode, message: PreVote) -> None:
        """A node asks the others; a question that is repeated was asked before."""
        asker = self._askers[node.number]
        asker.doubted_at = self._loop.now_ns
        if message.question == asker.question:
            return
        assert node.replica is not None
        asker.question, asker.asked_at = message.question, self._loop.now_ns
        asker.asked = node.replica.paxos.voters
        asker.needs_no_question = False

    def takes_ballot(
        self, node: SimulatedNode, event: ReplicaEvent, ballot: Ballot, sends: Sequence[Send | Deferred]
    ) -> None:
        """A node takes a ballot of its own: blame it if that leaves a healthy leader behind."""
        asker = self._askers[node.number]
        for send in sends:
            if type(send.message) is PreVote:
                self.asks(node, send.message)
        told_to = type(event) is Receive and type(event.message) is Resign
        if told_to or node.number in self._led:
            asker.needs_no_question = True
        if asker.needs_no_question:
            return
        for led in self._led.values():
            followers = self._followers(led, node, asker)
            if led.ballot < ballot and self._is_healthy(led, node, asker, followers):
                names = tuple(follower.name for follower in followers)
                self._blamed[ballot] = Blamed(node, self._loop.now_ns, led.ballot, names)
                return

    def leads(self, node: SimulatedNode, ballot: Ballot) -> None:
        """A node leads now, in this ballot."""
        self._led[node.number] = Led(node, ballot, self._loop.now_ns)

    def leads_no_more(self, node: SimulatedNode, event: ReplicaEvent) -> None:
        """A node has stopped leading in this step: find out whether it was told of a ballot that is to blame."""
        led = self._led.pop(node.number, None)
        ballot = _told_of(event)
        blamed = self._blamed.get(ballot) if ballot is not None else None
        if led is None or ballot is None or blamed is None or blamed.over != led.ballot:
            return
        if self._followed_until(led, blamed, ballot):
            self._found(led, blamed, ballot)

    # -- who follows --------------------------------------------------------------------------------------------------

    def _followers(self, led: Led, candidate: SimulatedNode, asker: Asker) -> list[SimulatedNode]:
        """Return who follows a leader, and has for long, but for the candidate."""
        return [
            node
            for node in self._nodes.values()
            if node not in (led.node, candidate)
            and self._askers[node.number].doubted_at < min(asker.asked_at, self._loop.now_ns - _patience(led))
            and self._follows(node, led)
        ]

    def _follows(self, node: SimulatedNode, led: Led) -> bool:
        if node.replica is None or node.state.run is not Run.RUNNING:
            return False
        paxos = node.replica.paxos
        follows = paxos.leader_hint == led.node.number and paxos.acceptor.promised == led.ballot
        return follows and not paxos.election.suspects(node.clock.read(self._loop.now_ns))

    def _is_healthy(self, led: Led, candidate: SimulatedNode, asker: Asker, followers: Sequence[SimulatedNode]) -> bool:
        """Say whether a leader leads, has for long, and has a majority that follows it without the candidate."""
        now, leading = self._loop.now_ns, led.node
        if leading.replica is None or leading.state.run is not Run.RUNNING or candidate.replica is None:
            return False
        leader, asking = leading.replica.paxos.leader, candidate.replica.paxos.candidate
        if leader is None or asking is None or leader.ballot != led.ballot or leader.handover is not None:
            return False
        if led.since > now - _patience(led) or not leader.has_quorum(leading.clock.read(now), _patience(led)):
            return False
        with_it = {leading.number, *(follower.number for follower in followers)}
        return all(_majority_of(with_it, members) for members in (leader.voters, asking.voters, asker.asked))

    def _followed_until(self, led: Led, blamed: Blamed, ballot: Ballot) -> bool:
        """Say whether a majority has followed a leader until it was deposed."""
        assert led.node.replica is not None
        long_ago = self._loop.now_ns - _patience(led)
        with_it = {led.node.number}
        for node in self._nodes.values():
            if node in (led.node, blamed.node) or node.replica is None:
                continue
            promised = node.replica.paxos.acceptor.promised
            steady = self._askers[node.number].doubted_at < long_ago and self._follows(node, led)
            if promised == ballot or steady:
                with_it.add(node.number)
        return _majority_of(with_it, led.node.replica.paxos.voters)

    # -- what is found ------------------------------------------------------------------------------------------------

    def _found(self, led: Led, blamed: Blamed, ballot: Ballot) -> None:
        self.count += 1
        if len(self.told) >= TOLD_MAX:
            return
        now = self._loop.now_ns
        sentence = (
            f"at {now / 1e9:.6f} s (event {self._trace.events}): {blamed.node.name} deposes {led.node.name}, the "
            f"leader in ballot {led.ballot} since {led.since / 1e9:.6f} s, by ballot {ballot}, which it took at "
            f"{blamed.at / 1e9:.6f} s when no majority had lost that leader: {', '.join(blamed.followers)} followed it"
        )
        self.told.append(sentence)
        self._trace.happens(NAME, blamed.node.name, KIND, sentence)

    def result(self) -> CheckerResult:
        """Return what it comes to."""
        anomalies = tuple(Anomaly(kind=KIND, sentence=sentence) for sentence in self.told)
        if not anomalies:
            sentence = "No leader that a majority followed was deposed by a node that had lost it alone."
            return CheckerResult(name=NAME, verdict="valid", sentence=sentence)
        more = f" (the first of {self.count})" if self.count > 1 else ""
        return CheckerResult(
            name=NAME,
            verdict="invalid",
            sentence=f"{self.told[0]}{more}.",
            anomalies=anomalies,
            statistics={"disruptions": self.count},
        )


def disrupted_at(result: RunResult) -> tuple[int, ...]:
    """Return when a healthy leader was deposed first in a run (ns on the world's clock); nothing if none was."""
    told = [anomaly.sentence for checker in result.checkers if checker.name == NAME for anomaly in checker.anomalies]
    found = _TIME.match(told[0]) if told else None
    return (int(found[1]) * 10**9 + int(found[2]) * 1_000,) if found else ()


def _told_of(event: ReplicaEvent) -> Ballot | None:
    """Return the ballot by which a message may depose whoever hears it."""
    if type(event) is not Receive:
        return None
    message = event.message
    if isinstance(message, Refused):
        return message.promised
    return message.ballot if isinstance(message, (Prepare, Accept, Heartbeat, Resign)) else None


def _patience(led: Led) -> int:
    """Return the election time-out (ns) of a leader's node."""
    assert led.node.config is not None
    return led.node.config.core.election_timeout_ms * MS


def _majority_of(nodes: set[int], members: frozenset[int]) -> bool:
    return len(nodes & members) >= len(members) // 2 + 1
