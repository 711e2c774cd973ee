"""Orders, fans and cycles, each against a definition that is too slow to be wrong."""

from __future__ import annotations

import time
from itertools import permutations
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkers.history import Operation, Outcome
from checkers.transactions import extra
from checkers.transactions.checker import ListAppendTransactions, cycles
from checkers.transactions.consistency import CYCLE_KINDS, SUFFIXES
from checkers.transactions.cycles import Budget, Step, classify, find_cycles
from checkers.transactions.drawing import drawing
from checkers.transactions.extra import MissingExtraError
from checkers.transactions.graph import RW, VIA, WR, WW, Fans, edges_of, process_order, realtime_order, reduced_order
from checkers.transactions.inferred import Inferred
from checkers.transactions.lists import infer_lists
from checkers.transactions.transactions import NEVER, Versions, transactions
from checkers.verdict import Limits
from tests.checkers.transactions.test_planted import LISTS, history
from tests.examples import examples

UNBOUNDED = Limits(time_s=None)


@st.composite
def intervals(draw: st.DrawFn) -> list[tuple[int, int, int, bool]]:
    """Begin, end (or never), group, and whether it may come second; all moments differ."""
    count = draw(st.integers(1, 9))
    moments = draw(st.permutations(range(2 * count)))
    found = []
    for place in range(count):
        begun, over = sorted(moments[2 * place : 2 * place + 2])
        ends = draw(st.integers(0, 5)) > 0
        found.append((begun, over if ends else NEVER, draw(st.integers(0, 2)), draw(st.booleans())))
    return found


def closure(pairs: set[tuple[int, int]], count: int) -> set[tuple[int, int]]:
    reached = set(pairs)
    for middle in range(count):
        reached |= {(a, b) for a in range(count) for b in range(count) if {(a, middle), (middle, b)} <= reached}
    return reached


@given(found=intervals(), all_may=st.booleans())
def test_the_reduced_order_reaches_what_the_whole_order_holds(
    found: list[tuple[int, int, int, bool]], all_may: bool
) -> None:
    begun, over, group, later = (np.array(column) for column in zip(*found, strict=True))
    if all_may:
        later = np.ones(len(found), dtype=np.bool_)
    first, second = reduced_order(begun, over, group, None if all_may else later)
    got = set(zip(first.tolist(), second.tolist(), strict=True))
    numbers = range(len(found))
    whole = {(a, b) for a in numbers for b in numbers if over[a] < begun[b] and group[a] == group[b] and later[b]}
    assert got <= whole
    assert closure(got, len(found)) == whole
    needless = {(a, b) for a, b in whole if any({(a, m), (m, b)} <= whole for m in numbers)}
    assert got.isdisjoint(needless)


def test_real_time_takes_few_edges() -> None:
    count, width = 2_000, 10
    begun = np.arange(count, dtype=np.int64) * 10
    first, _ = reduced_order(begun, begun + 10 * width + 5, np.zeros(count, dtype=np.int64))
    assert len(first) <= count * (width + 1)


@given(
    sources=st.lists(st.integers(0, 7), max_size=6, unique=True),
    targets=st.lists(st.integers(0, 7), max_size=6, unique=True),
)
def test_a_fan_leads_from_each_to_each_other(sources: list[int], targets: list[int]) -> None:
    rows: list[int] = []
    fans = Fans(rows, 8)
    fans.spread([(node, RW, -1) for node in sources], [(node, 10 + node) for node in targets])
    edges = edges_of(rows)
    assert fans.nodes - 8 <= 2 * len(targets)
    assert len(edges) <= 2 * len(sources) + 4 * len(targets)
    pairs = set(zip(edges.source.tolist(), edges.target.tolist(), strict=True))
    helpers = {node: {b for a, b in pairs if a == node} for node in range(8, fans.nodes)}

    def led_to(node: int) -> set[int]:
        return {node} if node < 8 else {end for after in helpers[node] for end in led_to(after)}

    for source in sources:
        reached = {end for a, b in pairs if a == source for end in led_to(b)}
        assert reached == set(targets) - {source}
    assert all((kind == VIA) == (source >= 8) for source, kind in zip(edges.source, edges.kind, strict=True))


def operations_of(spans: list[tuple[int, int, int]]) -> list[Operation]:
    return [
        Operation(process, "txn", None, (), (), Outcome.OK, begun, begun, over, over) for process, begun, over in spans
    ]


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[Operation], list[tuple[int, int, int]]]:
    count = draw(st.integers(2, 5))
    moments = draw(st.permutations(range(2 * count)))
    spans = sorted(
        (min(moments[2 * n], moments[2 * n + 1]), max(moments[2 * n], moments[2 * n + 1])) for n in range(count)
    )
    sessions: list[int] = []  # the end of each process's last transaction
    found = []
    for begun, over in spans:
        process = next((number for number, end in enumerate(sessions) if end < begun), len(sessions))
        sessions[process : process + 1] = [over]
        found.append((process, begun, over))
    nodes = st.integers(0, count - 1)
    edge = st.tuples(nodes, nodes, st.sampled_from([WW, WR, RW])).filter(lambda one: one[0] != one[1])
    return operations_of(found), draw(st.lists(edge, max_size=8, unique=True))


def all_names(operations: list[Operation], edges: list[tuple[int, int, int]]) -> set[str]:
    """Every name of a simple cycle among the edges, the orders included in full."""
    taken = transactions(operations)
    steps = {(a, b): [Step(a, b, kind, 0, -1, -1) for x, y, kind in edges if (x, y) == (a, b)] for a, b, _ in edges}
    process, realtime = process_order(taken), realtime_order(taken)
    for order in (process, realtime):
        pairs = set(zip(order.source.tolist(), order.target.tolist(), strict=True))
        for a, b in closure(pairs, len(taken)):
            kind, level = int(order.kind[0]), int(order.level[0])
            steps.setdefault((a, b), []).append(Step(a, b, kind, level, -1, -1))
    names: set[str] = set()
    for size in range(2, len(taken) + 1):
        for nodes in permutations(range(len(taken)), size):
            ways: list[list[Step]] = [[]]
            for a, b in zip(nodes, [*nodes[1:], nodes[0]], strict=True):
                ways = [[*way, step] for way in ways for step in steps.get((a, b), [])]
            names |= {name for way in ways if (name := classify(way)) is not None}
    return names


@examples(300)
@given(graph=graphs())
def test_a_kind_of_cycle_is_found_where_there_is_one(graph: tuple[list[Operation], list[tuple[int, int, int]]]) -> None:
    operations, edges = graph
    rows = [number for a, b, kind in edges for number in (a, b, kind, 0, -1, -1)]
    taken = transactions(operations)
    inferred = Inferred(taken, edges_of(rows), len(taken), Versions((), (), ()), (), ())
    found = find_cycles(inferred, Budget(time.monotonic, None, None))
    names = {cycle.name for cycle in found.cycles}
    there = all_names(operations, edges)
    assert names <= there
    assert not found.doubted
    for suffix in SUFFIXES:  # the worst of each order at least, and whether there is any
        worst = next((kind + suffix for kind in CYCLE_KINDS if kind + suffix in there), None)
        assert worst is None or worst in names or _plainer(worst, names)
    assert bool(names) == bool(there)


def _plainer(name: str, names: set[str]) -> bool:
    """Whether a cycle was found that implies the one named: of its kind, or a worse one, with no more of an order."""
    kind = name.removesuffix("-process").removesuffix("-realtime")
    suffixes = SUFFIXES[: next(n for n, suffix in enumerate(SUFFIXES) if name == kind + suffix) + 1]
    return any(worse + suffix in names for worse in CYCLE_KINDS[: CYCLE_KINDS.index(kind) + 1] for suffix in suffixes)


@pytest.mark.parametrize("name", ["G0", "G-single-realtime", "G-nonadjacent-process"])
def test_a_cycle_is_drawn_with_all_its_transactions(name: str) -> None:
    stories = cycles(infer_lists, history(LISTS[name], lists=True).operations(), UNBOUNDED)
    story = next(one for one in stories if one.name == name)
    picture = ElementTree.fromstring(drawing(story))
    texts = [element.text or "" for element in picture.iter() if element.tag.endswith("text")]
    assert all(f"T{n + 1}" in texts for n in range(len(story.operations)))
    for relation in story.relations:
        assert relation.kind in texts
    assert drawing(story) == drawing(story)


def test_without_the_extra_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(extra, "import_module", missing)
    found = history(LISTS["G0"], lists=True)
    with pytest.raises(
        MissingExtraError, match=r"scipy, which is not installed: pip install 'antipaxos\[transactions\]'"
    ):
        ListAppendTransactions().check(found, UNBOUNDED)
