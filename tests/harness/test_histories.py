"""The histories of ``antipaxos bench checkers`` are the documented ones, and what is said of them holds."""

from __future__ import annotations

import hashlib
import json
from itertools import islice
from pathlib import Path

import pytest

from checkers.formats import load_history
from checkers.linearizable import Linearizable
from checkers.models import CasRegister
from checkers.verdict import Limits, Verdict
from harness.benching.histories import Shape, history, splitmix64, write

UNBOUNDED = Limits(time_s=None)


def test_the_numbers_are_splitmix64() -> None:
    expected = [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    assert list(islice(splitmix64(1234567), 5)) == expected


@pytest.mark.parametrize(
    ("shape", "sha256"),
    [
        (Shape(operations=1_000, clients=10), "761a23fc"),
        (Shape(operations=1_000, clients=10, cas=True, info_ppm=10_000), "b2d7e63e"),
        (Shape(operations=10_000, clients=10, stale=True), "163f2035"),
    ],
    ids=["register", "cas-info", "stale"],
)
def test_another_program_by_the_same_description_made_the_same(shape: Shape, sha256: str) -> None:
    lines = []
    for event in history(shape).events:
        fields = {"index": event.index, "process": event.process, "type": event.type.value, "f": event.f}
        lines.append(json.dumps({**fields, "value": event.value}) + "\n")
    assert hashlib.sha256("".join(lines).encode()).hexdigest().startswith(sha256)


@pytest.mark.parametrize("keys", [1, 7])
@pytest.mark.parametrize("cas", [False, True])
@pytest.mark.parametrize("stale", [False, True])
def test_only_a_falsified_history_is_not_linearizable(keys: int, cas: bool, stale: bool, tmp_path: Path) -> None:
    shape = Shape(operations=3_000, clients=20, keys=keys, cas=cas, info_ppm=10_000, stale=stale)
    found = Linearizable(CasRegister(0)).check(history(shape), UNBOUNDED)
    assert found.verdict is (Verdict.INVALID if stale else Verdict.VALID)
    assert found.statistics["keys_by_zones"] == found.statistics["keys"] == keys
    write(shape, tmp_path / "history.jsonl")
    assert load_history(tmp_path / "history.jsonl").history == history(shape)
