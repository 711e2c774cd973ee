"""Counterexamples in a terminal, as they stand there."""

from __future__ import annotations

import pytest

from checkers.counterexamples import counterexample
from checkers.linearizable import Linearizable
from checkers.models import CasRegister, Model, Mutex, Queue
from checkers.verdict import Limits
from harness.benching.histories import Shape
from harness.benching.histories import history as made
from harness.drawing import ASCII, BOXES, WIDTH_MIN, Glyphs, drawn, glyphs_for
from tests.checkers.literal import Bar, history, read, write

UNBOUNDED = Limits(time_s=None)


def picture(model: Model, *bars: Bar, width: int = 80, glyphs: Glyphs = BOXES) -> str:
    drawn_from = history(*bars)
    anomaly = Linearizable(model).check(drawn_from, UNBOUNDED).anomalies[0]
    lines = drawn(counterexample(drawn_from, model, anomaly, UNBOUNDED), width, glyphs)
    return "\n".join(line.rstrip() for line in lines[1:])


STALE = (write(0, 1, 2, 7, key="x"), write(0, 3, 6, 9, key="x"), read(1, 4, 5, 9, key="x"), read(2, 7, 8, 7, key="x"))


def test_a_stale_read() -> None:
    assert (
        picture(CasRegister(None), *STALE)
        == """\
  after 1 operation, in the state 7 (whatever the state was before, nothing else helps)

  process 0  ├──────────────write 9──────────────┤
  process 1              ┣━━read 9━━━┫
  process 2                                                  ┣━━read 7━━━┫✘
             0.300 s                                                   0.800 s

  the longest order that the object allows:
    1. write of x = 9 by process 0 → 9
    2. read of x = 9 by process 1 → 9
    ✘  read of x = 7 by process 2: it saw 7, and the register holds 9"""
    )


def test_two_that_hold_a_lock_in_ascii() -> None:
    bars = (Bar(0, 1, 3, "acquire"), Bar(1, 2, 4, "acquire"))
    assert (
        picture(Mutex(), *bars, glyphs=ASCII)
        == """\
  from the beginning, in the state free (whatever the state was before, nothing else helps)

  process 0  [========acquire========]
  process 1              [========acquire========]X
             0.100 s                                  0.400 s

  the longest order that the object allows:
    1. acquire by process 0 -> held
    X  acquire by process 1: the lock is held"""
    )


def test_a_queue_out_of_order() -> None:
    bars = (Bar(0, 1, 2, "enqueue", 1), Bar(0, 3, 4, "enqueue", 2), Bar(1, 5, 6, "dequeue", None, 2))
    assert (
        picture(Queue(), *bars)
        == """\
  from the beginning, in the state []

  process 0  ┣━enqueue 1━┫           ┣━enqueue 2━┫
  process 1                                                  ┣━dequeue 2━┫✘
             0.100 s                                                   0.600 s

  the longest order that the object allows:
    1. enqueue 1 by process 0 → [1]
    2. enqueue 2 by process 0 → [1, 2]
    ✘  dequeue 2 by process 1: it took out 2, and 1 is next"""
    )


@pytest.mark.parametrize("width", [40, 80, 200])
def test_it_fits_the_terminal(width: int) -> None:
    drawn_from, model = made(Shape(operations=2_000, clients=30, info_ppm=20_000, stale=True)), CasRegister(0)
    anomaly = Linearizable(model).check(drawn_from, UNBOUNDED).anomalies[0]
    told = counterexample(drawn_from, model, anomaly, UNBOUNDED)
    bars = [line for line in drawn(told, width) if line.startswith("  process")]
    assert bars
    assert all(len(line) <= max(width, WIDTH_MIN) for line in bars)


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [("utf-8", BOXES), ("ascii", ASCII), ("latin-1", ASCII), (None, ASCII), ("klingon", ASCII)],
)
def test_what_a_terminal_can_show(encoding: str | None, expected: Glyphs) -> None:
    assert glyphs_for(encoding) is expected
