"""What is wrong with a register, told: each contradiction as an anomaly with its sentence.

The general search and the zones find the same contradictions by different ways; here they are told in the same words.
"""

from __future__ import annotations

from collections.abc import Hashable

from checkers.history import Operation
from checkers.sentences import began, ended, name, show, who
from checkers.verdict import Anomaly, proved_by


def produced(operation: Operation) -> tuple[Hashable] | None:
    """The value an operation would leave behind."""
    if operation.f == "write":
        return (operation.argument,)
    if operation.f == "cas":
        return (operation.argument[1],)
    return None


def never_written(late: Operation, value: Hashable) -> Anomaly:
    """It saw a value that nobody wrote."""
    return proved_by("never-written", f"{name(late)} saw {show(value)}, which was never written", late)


def aborted_read(late: Operation, failed: Operation) -> Anomaly:
    """It saw what was not written in the end."""
    sentence = f"{name(late)} saw the value of an operation that failed: {name(failed)}"
    return proved_by("aborted-read", sentence, late, failed)


def future_read(late: Operation, producer: Operation, value: Hashable) -> Anomaly:
    """It was over before what it saw was written."""
    sentence = f"{name(late)} saw {show(value)} before it was written: {name(producer)} began at {began(producer)}"
    return proved_by("future-read", sentence, late, producer)


def replaced_twice(first: Operation, second: Operation, value: Hashable) -> Anomaly:
    """Both found a value that was there once, and put another in its place."""
    once = f"{show(value)}, which was there only once"
    sentence = f"two operations replaced the same {once}: {name(first)}, and {name(second)}"
    return proved_by("lost-update", sentence, first, second)


def circular(first: Operation, second: Operation) -> Anomaly:
    """Swaps that each found what another of them was to bring first."""
    sentence = (
        f"{name(first)} and {name(second)} are in a circle of swaps, each of which found what the one before it brought"
    )
    return proved_by("cas-order", sentence, first, second)


def out_of_chain(early: Operation, late: Operation) -> Anomaly:
    """A chain of swaps says that what ``late`` met came before what ``early`` met, and time says otherwise."""
    verb = "brought" if produced(late) is not None else "saw"
    sentence = (
        f"{name(late)} {verb} a value after swaps had replaced it: {name(early)} met a later one of their chain and was"
        f" over before the {late.f} began (at {began(late)})"
    )
    return proved_by("cas-order", sentence, early, late)


def overwritten(
    early: Operation | None, between: Operation, proof: Operation | None, late: Operation, value: Hashable
) -> Anomaly:
    """A value that was met again after another had come in between.

    ``early`` (None: the start) met the value, ``between`` began after that, ``proof`` (None: the start) met the same as
    ``between`` and was over before ``late`` began, which met the value again.
    """
    kind = {"read": "stale-read", "cas": "lost-update"}.get(late.f, "nonlinearizable")
    plain = early is None or _met(early, value) in ("brought it", "saw it")
    alone = proof is not None and proof.invoke_index == between.invoke_index
    if plain and alone and produced(late) != (value,):
        return proved_by(kind, _stale(early, between, late, value), early, between, late)
    verb = "brought" if produced(late) == (value,) else "saw"
    start = f"{show(value)} was the initial value" if early is None else f"{name(early)} {_met(early, value)}"
    sentence = f"{name(late)} {verb} {show(value)} after it had been replaced: {start}"
    sentence += f", {name(between)} began after that (at {began(between)})"
    if alone:
        sentence += " and was over"
    elif proof is not None:
        sentence += f", and {name(proof)} was over"
    sentence += f" before the {late.f} began (at {began(late)})"
    return proved_by(kind, sentence, early, between, proof, late)


def _stale(early: Operation | None, between: Operation, late: Operation, value: Hashable) -> str:
    """Tell the plain case: what met another value began after this one had been met, and was over before it was seen
    again."""
    before = f"{show(value)} was the initial value"
    if early is not None:
        verb = "returned" if produced(early) == (value,) else "seen it"
        before = f"it began after {who(early)} had {verb} at {ended(early)}"
    after = f"{who(between)} had returned at {ended(between)}"
    return f"{who(late)} from {began(late)} to {ended(late)} is stale: {after}, and {before}"


def failed_though_there(early: Operation | None, swap: Operation, late: Operation, value: Hashable) -> Anomaly:
    """A swap that did not find what was there all along: ``early`` (None: the start) and ``late`` met the value."""
    start = f"{show(value)} was the initial value" if early is None else f"{name(early)} had {_met(early, value)}"
    sentence = (
        f"{name(swap)} failed although {show(value)} was there all along: {start}, and {name(late)}, which began after"
        f" the cas was over (at {began(late)}), {_met(late, value)}"
    )
    return proved_by("failed-cas", sentence, early, swap, late)


def _met(operation: Operation, value: Hashable) -> str:
    """Say how an operation met a value, or one that swaps tie to it."""
    if produced(operation) == (value,):
        return "brought it"
    if operation.f == "read" and operation.result != value:
        return "saw one that swaps tie to it"
    if operation.f == "write":
        return "brought one that swaps tie to it"
    return "saw it" if operation.f == "read" or operation.argument[0] == value else "brought one that swaps tie to it"
