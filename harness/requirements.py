"""What must have happened in a run for its silence to mean anything: a small language, parsed strictly.

    partition                    at least one fault of that kind was seen to happen
    kill>=3                      at least so many were
    partition.leader             at least one that hit the leader (of a partition: one of its links was cut)
    seconds(partition)>=5        so long under at least one of them
    ok(kill)>=100                so many operations that returned ok were under way meanwhile; also fail(…), info(…)
    noops_filled>=1              a rare event of the nodes, so often (``antipaxos coverage`` has their names)

A kind may be a package (``clock``), or ``faults`` for all kinds; ``.leader`` goes with each. ``>=`` and ``>`` are all
the comparisons there are: a requirement says what is to have happened, never what is not. Where no number is given,
once is enough; seconds and operations want a number.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.exposure import ANY, Evidence
from nemesis.faults import KINDS
from nemesis.packages import PACKAGES
from nemesis.record import FaultRecord, FaultStatus
from node.paxos.counters import Counters

MEASURES = ("seconds", "ok", "fail", "info")
EVENTS = Counters.__struct_fields__
SUBJECTS = (*KINDS, *PACKAGES, ANY)
LEADER = "leader"
_FORM = re.compile(
    r"(?:(?P<measure>[a-z]+)\(\s*(?P<measured>[^()]*?)\s*\)|(?P<plain>[^()<>=\s]+))"
    r"\s*(?:(?P<comparison>[<>=!]+)\s*(?P<number>[^<>=!\s]\S*))?"
)
_NUMBER = re.compile(r"\d{1,12}(\.\d{1,6})?")


class RequirementError(ValueError):
    """A requirement that means nothing; the message says why, and suggests."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """One requirement. ``measure`` is what is counted: ``faults``, one of ``MEASURES``, or ``event``."""

    text: str
    measure: str
    subject: str
    leader: bool
    number: float
    more: bool

    @property
    def plain(self) -> bool:
        """True for the kind alone: one is enough, whomever it hit."""
        return self.measure == "faults" and not self.leader and self.number == 1 and not self.more

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of faults that can meet it; none for events and for any fault."""
        if self.measure == "event" or self.subject == ANY:
            return ()
        return PACKAGES.get(self.subject, (self.subject,))

    def met(self, amount: float) -> bool:
        """Say whether so much is enough."""
        return amount > self.number if self.more else amount >= self.number


def parse(text: str) -> Requirement:
    """Read one requirement. Raises RequirementError."""
    form = _FORM.fullmatch(text.strip())
    if form is None:
        raise RequirementError(f"{text!r} is no requirement; such are: kill, kill>=3, kill.leader, seconds(kill)>=5")
    number, more = _comparison(text, form["comparison"], form["number"])
    if form["measure"] is not None:
        if form["measure"] not in MEASURES:
            raise RequirementError(f"{text!r}: {_unknown('measure', form['measure'], MEASURES)}")
        if number is None:
            raise RequirementError(f"{text!r} wants a number: {form['measure']}({form['measured']})>=1")
        subject, leader = _subject(text, form["measured"], SUBJECTS)
        return Requirement(text.strip(), form["measure"], subject, leader, number, more)
    subject, leader = _subject(text, form["plain"], (*SUBJECTS, *EVENTS))
    measure = "event" if subject in EVENTS else "faults"
    if measure == "event" and leader:
        raise RequirementError(f"{text!r}: {subject} is a rare event, and hits nobody")
    return Requirement(text.strip(), measure, subject, leader, 1 if number is None else number, more)


def parse_all(texts: Iterable[str]) -> tuple[Requirement, ...]:
    """Read requirements, each once. Raises RequirementError."""
    return tuple({requirement.text: requirement for requirement in map(parse, texts)}.values())


def unmet(requirements: Iterable[Requirement], evidence: Evidence) -> dict[str, str]:
    """Return, for each requirement that was not met, a sentence that says what is missing."""
    missing: dict[str, str] = {}
    for requirement in requirements:
        amount = _amount(requirement, evidence)
        if not requirement.met(amount):
            missing[requirement.text] = _told(requirement, amount, evidence)
    return missing


def _amount(requirement: Requirement, evidence: Evidence) -> float:
    if requirement.measure == "event":
        return evidence.rare_events.get(requirement.subject, 0)
    if requirement.measure == "faults":
        return len(_installed(evidence.of(requirement.subject, requirement.leader)))
    exposure = evidence.exposure(requirement.subject, requirement.leader)
    amounts = {"seconds": exposure.seconds, "ok": exposure.ok, "fail": exposure.fail, "info": exposure.info}
    return amounts[requirement.measure]


def _told(requirement: Requirement, amount: float, evidence: Evidence) -> str:
    if requirement.plain:
        what = "fault" if requirement.subject == ANY else requirement.subject
        return f"no {what} is shown to have happened ({_why(evidence.of(requirement.subject))})"
    if requirement.measure != "faults":
        return f"{requirement.text} was required, and it was {amount:g}"
    what = "which hit a leader " if requirement.leader else ""
    why = f" ({_why(evidence.of(requirement.subject))})" if not amount and not requirement.leader else ""
    return f"{requirement.text} was required, and {amount:g} {what}are shown to have happened{why}"


def _why(records: Sequence[FaultRecord]) -> str:
    return next((record.evidence[-1] for record in records if record.evidence), "none was planned in so short a run")


def _installed(records: Iterable[FaultRecord]) -> list[FaultRecord]:
    return [record for record in records if record.status is FaultStatus.INSTALLED]


def _comparison(text: str, comparison: str | None, number: str | None) -> tuple[float | None, bool]:
    if comparison is None:
        return None, False
    if comparison not in (">=", ">"):
        raise RequirementError(f"{text!r}: {comparison} is no comparison here; there are: >=, >")
    if number is None or not _NUMBER.fullmatch(number):
        raise RequirementError(f"{text!r}: {number!r} is no number")
    return float(number), comparison == ">"


def _subject(text: str, written: str, known: Sequence[str]) -> tuple[str, bool]:
    subject, point, qualifier = written.partition(".")
    if subject not in known:
        raise RequirementError(f"{text!r}: {_unknown('fault or rare event', subject, known)}")
    if point and qualifier != LEADER:
        raise RequirementError(f"{text!r}: {_unknown('qualifier', qualifier, (LEADER,))}")
    return subject, bool(point)


def _unknown(what: str, given: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(given, known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(sorted(known))}"
    return f"unknown {what} {given!r}; {hint}"
