"""Text scenarios: what nodes say and write, step by step, in files that a person can read.

A scenario is a text file in ``scenarios/``. A line that starts with ``> `` is a command; the lines after it are what it
must print, compared exactly; empty lines and lines that start with ``#`` are comment. ``ANTIPAXOS_REWRITE=1 pytest
tests/node/test_scenarios.py`` writes what is printed now into the files: then read the difference, line by line.

    > cluster 3 retry_ms=20         a new cluster, all nodes started; without leases unless lease_ms=… is said, and with
                                    fixed time-outs unless detector=…
    > cluster 3 joiners=1           the same, and n4, which is no member yet
    > suspect n1                    move time to n1's next alarm and wake it: it asks the others about the leader
    > campaign n1                   once all grants are over, n1 has lost the leader, a majority says so too, and it
                                    takes a ballot: all that at one moment
    > transfer n1 n2                a client asks n1 to hand its leadership over to n2
    > add n1 n4 / remove n1 n2      a client asks n1 to change the members
    > leave n1                      n1 is asked to stop, and hands over to whom it likes
    > time 50                       move time on, in ms
    > tick n1                       wake n1
    > fsync n1 2                    make n1's first two waiting records durable (without number: all)
    > deliver n1->n2 Accept 3       hand over the first letter on that link whose text starts so
    > deliver n1->*                 hand over the first letter of each link from n1
    > copy n1->n2 Accept 3          the same, but the letter stays (a duplicate)
    > drop *->n3                    lose all letters that match
    > inject n3->n1@1 Accepted 1.1 2    a letter that nobody sent, of an incarnation (1 if not said)
    > settle n1 n2                  fsync and deliver among these (without names: all) until nothing is left; prints
                                    only what is decided and answered
    > lead n1                       let n1 campaign and settle, silently
    > propose n1 a b                a client writes a, then b, at n1
    > open n1 c / write n1 c x 7 / cas n1 c x 7 8 / retry n1 c / read n2 c x     client c, with a session
    > crash n1 / poweroff n1 / wipe n1 / stop n1 / restart n1
    > ahead n1                      n1 computes the results of the next slot that it has proposed
    > save n1 1                     one step of writing n1's snapshot (without number: all)
    > partition n1 n2 | n3 / heal
    > log n1 / disk n1 / status / letters / counters n1 noops_filled

Letters that nobody delivers stay where they are: late, reordered and lost messages are all a matter of order.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from functools import partial
from pathlib import Path

from node import kv, wire
from node.assembly import Assembly
from node.machine import OpenEntry, decode_entry, encode_entry
from node.paxos.ballot import Ballot
from node.paxos.effects import HandOver, Receive
from node.paxos.membership import Change
from node.paxos.messages import (
    Accept,
    Accepted,
    Chosen,
    Fetch,
    Heartbeat,
    HeartbeatAck,
    LifeNoted,
    Lives,
    Message,
    OldLife,
    Prepare,
    PreVote,
    PreVoteReply,
    Promise,
    ReadIndex,
    ReadIndexReply,
    Recover,
    Refused,
    Resign,
    SnapshotPart,
    Truncated,
    Value,
    Welcome,
)
from node.paxos.records import AcceptedRecord, ChosenUpto, Learned, Noted, Promised, Record, Started
from node.storage.journal import inspect
from tests.node.cluster import MS, Cluster, Letter

PROPOSERS = 1_000
"""Requests of ``propose`` come from clients with numbers from here on."""


class Script:
    """A scenario being carried out."""

    def __init__(self, assembly: Assembly | None = None) -> None:
        self.assembly = assembly
        self.cluster = Cluster(1)
        self.printed: list[str] = []
        self.quiet = False
        self.sessions: dict[str, tuple[int, int]] = {}
        self.asked: dict[tuple[int, int], str] = {}
        self.last: dict[str, wire.Request] = {}
        self.requests = 0
        self.roles: dict[int, str] = {}
        self.commands: dict[str, Callable[..., None]] = {
            name.removeprefix("do_"): getattr(self, name) for name in dir(self) if name.startswith("do_")
        }

    def run(self, line: str) -> list[str]:
        """Carry out one command and return what it prints."""
        self.printed = []
        name, *arguments = shlex.split(line)
        self.commands[name](*arguments)
        return self.printed

    def say(self, text: str) -> None:
        """Print a line."""
        self.printed.append(text)

    # -- the cluster --------------------------------------------------------------------------------------------------

    def do_cluster(self, size: str, *settings: str) -> None:
        pairs = (setting.split("=") for setting in settings)
        given = {"lease_ms": 0, "detector": "fixed"} | {key: setting_of(value) for key, value in pairs}
        joiners = int(str(given.pop("joiners", 0)))
        self.cluster = Cluster(int(size), settings=given, assembly=self.assembly, joiners=joiners)
        self.cluster.carry = self.on_letter
        self.cluster.replied = self.on_reply
        for node in self.cluster.members:
            self.cluster.start(node)
            self.roles[node] = self.role(node)

    def do_time(self, ms: str) -> None:
        self.cluster.now += int(float(ms) * MS)

    def do_tick(self, node: str) -> None:
        self.watched(number(node), lambda: self.cluster.tick(number(node)))

    def do_suspect(self, node: str) -> None:
        self.cluster.now = max(self.cluster.now, self.cluster.nodes[number(node)].wake_at)
        self.do_tick(node)

    def do_campaign(self, node: str) -> None:
        printed, quiet = self.printed, self.quiet
        self.printed, self.quiet = [], True
        it = self.cluster.nodes[number(node)]
        others = [other.replica for other in self.cluster.nodes.values() if other.replica is not None]
        self.cluster.now = max(self.cluster.now, *(other.paxos.grant.until for other in others))
        self.do_tick(node)  # whatever it makes of the time that has passed
        it.running.paxos.election.ask_at_once(self.cluster.now)
        self.do_tick(node)
        asking = it.running.paxos.succession.asking
        assert asking is not None
        self.cluster.letters = [letter for letter in self.cluster.letters if not isinstance(letter.message, PreVote)]
        self.printed, self.quiet = printed, quiet
        paxos = it.running.paxos
        for peer in paxos.peers[: paxos.membership.majority - 1]:
            yes = PreVoteReply(asking.question, True, Ballot(0, 0), 0, 0)
            said = Receive(peer, it.running.paxos.rejoining.incarnations.get(peer, 0), yes)
            self.watched(number(node), partial(self.cluster.step, number(node), said))

    def do_lead(self, node: str, *among: str) -> None:
        printed = self.printed
        self.printed = []
        self.quiet = True
        self.do_campaign(node)
        self.do_settle(*among)
        self.quiet = False
        self.printed = [*printed, *(line for line in self.printed if "leads" in line)]

    def do_fsync(self, node: str, count: str | None = None) -> None:
        it = self.cluster.nodes[number(node)]
        if not self.quiet and not it.waiting:
            self.say("nothing to sync")
        self.watched(number(node), lambda: self.cluster.fsync(number(node), int(count) if count else None))

    def do_ahead(self, node: str) -> None:
        replica = self.cluster.nodes[number(node)].running
        slot = replica.speculation.next if replica.speculation is not None else 0
        ran = self.cluster.run_ahead(number(node))
        self.say(f"n{number(node)} has run slot {slot} ahead" if ran else "nothing to run ahead")

    def do_save(self, node: str, steps: str | None = None) -> None:
        saving = self.cluster.nodes[number(node)].saving
        if saving is None:
            self.say("nothing to save")
        for _ in range(int(steps) if steps else 1_000):
            busy = False

            def save() -> None:
                nonlocal busy
                busy = self.cluster.save(number(node))

            self.watched(number(node), save)
            if not busy:
                break

    def do_settle(self, *nodes: str) -> None:
        among = {number(node) for node in nodes} or set(self.cluster.members)
        before, self.quiet = self.quiet, True
        for _ in range(1_000):
            busy = False
            for node in sorted(among):
                it = self.cluster.nodes[node]
                if it.replica is not None and it.waiting:
                    self.do_fsync(f"n{node}")
                    busy = True
            letters = [letter for letter in self.cluster.letters if {letter.sender, letter.to} <= among]
            for letter in letters:
                self.cluster.letters.remove(letter)
                self.hand_over(letter)
            if not letters and not busy:
                break
        else:
            raise AssertionError("does not settle")
        self.quiet = before

    def do_crash(self, node: str) -> None:
        self.cluster.crash(number(node))

    def do_poweroff(self, node: str) -> None:
        self.cluster.lose_power(number(node))

    def do_stop(self, node: str) -> None:
        self.cluster.stop(number(node))

    def do_wipe(self, node: str) -> None:
        self.cluster.wipe(number(node))

    def do_restart(self, node: str) -> None:
        self.cluster.start(number(node))
        self.roles[number(node)] = self.role(number(node))
        paxos = self.cluster.nodes[number(node)].running.paxos
        self.say(f"{node} has promised {paxos.ballot}, knows {paxos.log.chosen_upto} chosen of {paxos.log.last}")

    def do_partition(self, *words: str) -> None:
        groups = " ".join(words).split("|")
        self.cluster.partition(*({number(node) for node in group.split()} for group in groups))

    def do_heal(self) -> None:
        self.cluster.heal()

    # -- letters ------------------------------------------------------------------------------------------------------

    def on_letter(self, letter: Letter) -> None:
        self.cluster.letters.append(letter)
        if not self.quiet:
            self.say(f"  {letter_text(letter)}")

    def matching(self, link: str, words: tuple[str, ...]) -> list[Letter]:
        """Return the letters on their way that a command means; there must be one."""
        sender, _, to = link.partition("->")
        prefix = " ".join(words)
        found = [
            letter
            for letter in self.cluster.letters
            if sender in ("*", f"n{letter.sender}")
            and to in ("*", f"n{letter.to}")
            and message_text(letter.message).startswith(prefix)
        ]
        assert found, f"no letter {link} {prefix!r} among {[letter_text(letter) for letter in self.cluster.letters]}"
        return found

    def do_deliver(self, link: str, *words: str) -> None:
        links = set()
        for letter in self.matching(link, words):
            if (letter.sender, letter.to) not in links:
                links.add((letter.sender, letter.to))
                self.cluster.letters.remove(letter)
                self.hand_over(letter)

    def do_copy(self, link: str, *words: str) -> None:
        self.hand_over(self.matching(link, words)[0])

    def do_drop(self, link: str, *words: str) -> None:
        for letter in self.matching(link, words):
            self.cluster.letters.remove(letter)

    def do_letters(self) -> None:
        for letter in self.cluster.letters:
            self.say(letter_text(letter))

    def do_inject(self, link: str, *words: str) -> None:
        link, _, incarnation = link.partition("@")
        sender, _, to = link.partition("->")
        self.hand_over(Letter(number(sender), int(incarnation or 1), number(to), message_of(*words)))

    def hand_over(self, letter: Letter) -> None:
        """Deliver a letter and say what its receiver decides."""
        delivered = False

        def deliver() -> None:
            nonlocal delivered
            delivered = self.cluster.deliver(letter)

        self.watched(letter.to, deliver)
        if not delivered and not self.quiet:
            self.say("lost")

    # -- clients ------------------------------------------------------------------------------------------------------

    def do_propose(self, node: str, *values: str) -> None:
        for value in values:
            command = wire.Command(self.requests, 1, kv.Write("x", value))  # of a session that was never opened
            self.ask(number(node), PROPOSERS + self.requests, value, command)

    def do_open(self, node: str, client: str) -> None:
        self.ask(number(node), ord(client), client, wire.OpenSession())

    def do_write(self, node: str, client: str, key: str, value: str) -> None:
        self.ask(number(node), ord(client), client, self.command(client, kv.Write(key, value)))

    def do_cas(self, node: str, client: str, key: str, expected: str, new: str) -> None:
        self.ask(number(node), ord(client), client, self.command(client, kv.Cas(key, expected, new)))

    def do_read(self, node: str, client: str, key: str) -> None:
        self.ask(number(node), ord(client), client, wire.Query(kv.Read(key)))

    def do_transfer(self, node: str, to: str) -> None:
        self.ask(number(node), ord("t"), "transfer", wire.Transfer(number(to)))

    def do_add(self, node: str, added: str) -> None:
        self.ask(number(node), ord("m"), f"adding {added}", wire.ChangeMembers(True, number(added)))

    def do_remove(self, node: str, removed: str) -> None:
        self.ask(number(node), ord("m"), f"removing {removed}", wire.ChangeMembers(False, number(removed)))

    def do_leave(self, node: str) -> None:
        self.watched(number(node), lambda: self.cluster.step(number(node), HandOver(None)))

    def do_retry(self, node: str, client: str) -> None:
        self.ask(number(node), ord(client), client, self.last[client].body)

    def command(self, client: str, operation: kv.Operation) -> wire.Command:
        session, sequence = self.sessions[client]
        self.sessions[client] = (session, sequence + 1)
        return wire.Command(session, sequence + 1, operation)

    def ask(self, node: int, client: int, name: str, body: wire.Body) -> None:
        """Send a request to a node."""
        self.requests += 1
        request = wire.Request(self.requests, body)
        self.asked[client, self.requests] = name
        self.last[name] = request
        self.watched(node, lambda: self.cluster.request(node, client, request))

    def on_reply(self, node: int, client: int, reply: wire.Reply) -> None:
        name = self.asked[client, reply.number]
        match reply.answer:
            case wire.Refusal(reason=wire.Reason.SESSION_EXPIRED) if client >= PROPOSERS:
                self.say(f"n{node}: {name} is chosen")
            case wire.Refusal():
                hint = f", ask n{reply.answer.leader}" if reply.answer.leader is not None else ""
                self.say(f"n{node}: {name} is refused: {reply.answer.reason}{hint}")
            case wire.Done():
                if isinstance(self.last[name].body, wire.OpenSession):
                    self.sessions[name] = (reply.answer.result.value, 0)
                    self.say(f"n{node}: {name} has a session")
                    return
                result = reply.answer.result
                if isinstance(self.last[name].body, wire.ChangeMembers):
                    self.say(f"n{node}: {name} is done, members {', '.join(f'n{row[0]}' for row in result.value)}")
                    return
                self.say(f"n{node}: {name} gets {'ok' if result.ok else 'failed'} {result.value}")

    # -- looking ------------------------------------------------------------------------------------------------------

    def do_log(self, node: str) -> None:
        log = self.cluster.nodes[number(node)].running.paxos.log
        if log.truncated_upto:
            self.say(f"1-{log.truncated_upto} truncated")
        for slot in range(log.truncated_upto + 1, log.last + 1):
            entry = log.get(slot)
            if entry is None:
                self.say(f"{slot} empty")
            else:
                self.say(f"{slot} {entry.ballot} {'chosen' if entry.chosen else 'accepted'} {value_text(entry.value)}")

    def do_disk(self, node: str) -> None:
        found = inspect(self.cluster.nodes[number(node)].disk)
        if found.snapshot is not None:
            self.say(f"Snapshot {found.snapshot.slot}, ballot {found.snapshot.ballot}")
        if found.first > 1:
            base = found.base
            self.say(f"Base {base.promised}, incarnation {base.incarnation}, last slot {base.last_slot}")
        for record in found.records:
            self.say(record_text(record))

    def do_status(self, *nodes: str) -> None:
        for node in [number(node) for node in nodes] or self.cluster.members:
            replica = self.cluster.nodes[node].replica
            if replica is None:
                self.say(f"n{node} down")
                continue
            status = replica.status()
            leader = "nobody" if status.leader is None else f"n{status.leader}"
            self.say(
                f"n{node} {status.role} promised {status.ballot[0]}.{status.ballot[1]}, leader {leader}, "
                f"chosen {status.chosen_upto}, applied {status.applied_upto}"
            )

    def do_counters(self, node: str, *names: str) -> None:
        for name in names:
            self.say(f"{name} {getattr(self.cluster.nodes[number(node)].counters, name)}")

    # -- helpers ------------------------------------------------------------------------------------------------------

    def watched(self, node: int, action: Callable[[], object]) -> None:
        """Do something to a node and say what it wants written and what it has become."""
        it = self.cluster.nodes[node]
        before = len(it.waiting)
        saved = it.saving
        letters = len(self.printed)
        action()
        if it.replica is None:
            return
        if not self.quiet:
            writes = [f"  n{node} writes {record_text(record)}" for record in it.waiting[before:]]
            self.printed[letters:letters] = writes
            if it.saving is not None and it.saving is not saved:
                assert it.replica._saving is not None
                self.say(f"  n{node} begins to save a snapshot of slot {it.replica._saving.slot}")
        role = self.role(node)
        if role != self.roles[node]:
            self.roles[node] = role
            self.say(f"n{node} {role}")

    def role(self, node: int) -> str:
        """Say what a node is doing."""
        paxos = self.cluster.nodes[node].running.paxos
        if paxos.leader is not None:
            return f"leads in {paxos.leader.ballot}"
        if paxos.candidate is not None:
            return f"campaigns in {paxos.candidate.ballot}"
        return f"follows n{paxos.leader_hint}" if paxos.leader_hint is not None else "follows nobody"


def setting_of(text: str) -> int | str:
    """Return a setting's value."""
    return int(text) if text.isdecimal() else text


def number(node: str) -> int:
    """Return the number of ``n1``."""
    return int(node.removeprefix("n"))


def ballot_of(text: str) -> Ballot:
    """Return the ballot that is written ``1.2``."""
    round_, _, node = text.partition(".")
    return Ballot(int(round_), int(node))


def message_of(kind: str, *words: str) -> Message:
    """Return the message of an ``inject``."""
    if kind == "PreVote":
        return PreVote(question_of(words[0]), int(words[1]), int(words[2]) if len(words) > 2 else 1)
    if kind == "PreVoteReply":
        return PreVoteReply(question_of(words[0]), words[1] == "yes", ballot_of(words[2]), int(words[3]), 0)
    ballot = ballot_of(words[0])
    match kind:
        case "Resign":
            return Resign(ballot, None if words[1] == "anybody" else number(words[1]))
        case "Prepare":
            return Prepare(ballot, int(words[1]))
        case "Promise":
            return Promise(ballot, int(words[1]), 0, 0, 1, 0, ())
        case "Accepted":
            return Accepted(ballot, int(words[1]))
        case "HeartbeatAck":
            return HeartbeatAck(ballot, int(words[1]))
        case "Heartbeat":
            return Heartbeat(ballot, int(words[1]), int(words[2]))
        case "Accept":
            entry = encode_entry(wire.Command(0, 1, kv.Write("x", words[2])))
            return Accept(ballot, int(words[1]), (entry,), 0)
        case _:
            raise AssertionError(f"cannot inject {kind}")


def value_text(value: Value) -> str:
    """Return a slot's value in words."""
    return " ".join(entry_text(command) for command in value) or "no-op"


def entry_text(command: bytes) -> str:
    """Return one command in words."""
    entry = decode_entry(command)
    if isinstance(entry, OpenEntry):
        return "open"
    if isinstance(entry, Change):
        return str(entry)
    match entry.operation:
        case kv.Write():
            return str(entry.operation.value)
        case kv.Cas():
            return f"{entry.operation.expected}->{entry.operation.new}"
        case _:
            return str(entry.operation)


def letter_text(letter: Letter) -> str:
    """Return a letter in words."""
    return f"n{letter.sender}->n{letter.to} {message_text(letter.message)}"


def message_text(message: Message) -> str:
    """Return a message in words."""
    match message:
        case Prepare():
            return f"Prepare {message.ballot} from {message.from_slot}{lives_text(message.lives)}"
        case Promise():
            reported = ", ".join(
                f"{r.slot}={r.ballot} {'chosen ' if r.chosen else ''}{value_text(r.value)}" for r in message.reported
            )
            part = f" part {message.part + 1}/{message.parts}" if message.parts > 1 else ""
            truncated = f", truncated up to {message.truncated_upto}" if message.truncated_upto else ""
            lives = lives_text(message.lives)
            return f"Promise {message.ballot} from {message.from_slot}{truncated}{part}: {reported or 'nothing'}{lives}"
        case Accept():
            return f"Accept {message.ballot} {message.slot}={value_text(message.value)}, chosen {message.chosen_upto}"
        case Accepted():
            return f"Accepted {message.ballot} {message.slot}"
        case Refused():
            return f"Refused {message.ballot}, promised {message.promised}"
        case Heartbeat():
            return f"Heartbeat {message.ballot} #{message.beat}, chosen {message.chosen_upto}"
        case HeartbeatAck():
            return f"HeartbeatAck {message.ballot} #{message.beat}"
        case ReadIndex():
            return "ReadIndex"
        case ReadIndexReply():
            return f"ReadIndexReply {message.ballot} {message.index}"
        case Fetch() | SnapshotPart():
            return transfer_text(message)
        case Truncated():
            return f"Truncated {message.ballot} up to {message.upto}"
        case Chosen():
            entries = ", ".join(f"{slot}={ballot} {value_text(value)}" for slot, ballot, value in message.entries)
            return f"Chosen {entries}; up to {message.chosen_upto}"
        case PreVote() | PreVoteReply() | Resign():
            return election_text(message)
        case _:
            return recovery_text(message)


def election_text(message: PreVote | PreVoteReply | Resign) -> str:
    """Return a message of what goes before an election in words."""
    match message:
        case PreVote():
            return f"PreVote #{question_text(message.question)}, chosen {message.chosen_upto}"
        case PreVoteReply():
            answer = "yes" if message.yes else "no"
            bound = f", bound for {message.bound_ns / MS:g} ms" if message.bound_ns else ""
            return f"PreVoteReply #{question_text(message.question)} {answer}, promised {message.promised}{bound}"
        case Resign():
            return f"Resign {message.ballot} to {f'n{message.successor}' if message.successor else 'anybody'}"


def recovery_text(message: Message) -> str:
    """Return a message of a recovery in words."""
    match message:
        case Recover():
            whole = ", has forgotten nothing" if message.whole else ""
            return f"Recover{whole}{', all are blank' if message.all_blank else ''}"
        case LifeNoted():
            return f"LifeNoted{', is blank too' if message.blank else ''}"
        case OldLife():
            return f"OldLife {message.incarnation}"
        case Welcome():
            return f"Welcome {message.ballot} up to {message.upto}{lives_text(message.lives)}"
        case _:
            raise AssertionError(f"no words for {message}")


def lives_text(lives: Lives) -> str:
    """Return the lives that a message tells of in words."""
    return "".join(f", n{node} in life {incarnation}" for node, incarnation, _ in lives)


def question_text(question: int) -> str:
    """Return a question's number as life.number."""
    return f"{question >> 40}.{question & (1 << 40) - 1}"


def question_of(text: str) -> int:
    """Return the question's number of ``1.2``."""
    life, _, number_ = text.removeprefix("#").partition(".")
    return (int(life) << 40) + int(number_)


def transfer_text(message: Fetch | SnapshotPart) -> str:
    """Return a question for the log, or a part of a snapshot, in words."""
    if isinstance(message, SnapshotPart):
        end = message.offset + len(message.data)
        return f"SnapshotPart {message.slot}, ballot {message.ballot}: {message.offset} to {end} of {message.size}"
    if message.snapshot_slot:
        return f"Fetch from {message.from_slot}, snapshot {message.snapshot_slot} at {message.offset}"
    return f"Fetch from {message.from_slot}"


def record_text(record: Record) -> str:
    """Return a record in words."""
    match record:
        case Started():
            return f"Started {record.incarnation}"
        case Promised():
            return f"Promised {record.ballot}"
        case AcceptedRecord():
            return f"Accepted {record.ballot} {record.slot}={value_text(record.value)}, chosen {record.chosen_upto}"
        case Learned():
            return f"Learned {record.ballot} {record.slot}={value_text(record.value)}"
        case ChosenUpto():
            return f"ChosenUpto {record.slot}"
        case Noted():
            return f"Noted n{record.node} in life {record.incarnation}"


def play(text: str, assembly: Assembly | None = None) -> str:
    """Carry out a scenario and return it with what was printed."""
    script = Script(assembly)
    lines: list[str] = []
    for line in text.splitlines():
        if line.startswith("> "):
            lines.append(line)
            try:
                lines.extend(script.run(line[2:]))
            except Exception as error:
                raise AssertionError(f"{line}\n{error}") from error
        elif not line or line.startswith("#"):
            lines.append(line)
    return "\n".join(lines) + "\n"


def scenarios() -> list[Path]:
    """Return all scenario files."""
    return sorted((Path(__file__).parent / "scenarios").glob("*.txt"))
