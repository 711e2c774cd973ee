"""What the passes come to when it is known what fails: exactly the smallest there is, from any run of the swarm."""

from __future__ import annotations

from itertools import pairwise

import pytest

from harness.plan import MS
from harness.shrinking.candidate import Candidate, size, sort_key
from harness.shrinking.passes import PASSES, START, possible
from harness.shrinking.shrinker import Shrinker
from nemesis.faults import Kill, LinkFault, Partition, PowerOff
from tests.shrinking.oracles import SEED, Fails, Told, of_kind, operation, swarm

RUN = swarm()
LONG = swarm(time="60s", rate=50, nodes=7, concurrency=12)


def shrunk(start: Candidate, fails: Fails) -> Candidate:
    assert fails(start, SEED), "the start must fail"
    best = Shrinker(start, SEED, Told(fails)).shrink()
    assert best.finished
    assert fails(best.candidate, best.seed)
    return best.candidate


@pytest.mark.parametrize("start", [RUN, LONG])
def test_where_everything_fails_one_operation_is_left(start: Candidate) -> None:
    candidate = shrunk(start, lambda _candidate, _seed: True)
    (left,) = candidate.operations
    assert candidate == Candidate(nodes=1, clients=1, time=1, faults=(), operations=(operation(0, left.f),))


@pytest.mark.parametrize("start", [RUN, LONG])
def test_two_operations_that_belong_together(start: Candidate) -> None:
    written = [o for o in start.operations if o.f == "write"]
    first, second = written[3], written[len(written) // 2]

    def fails(candidate: Candidate, seed: int) -> bool:
        values = [o.value for o in candidate.operations]
        return first.value in values and second.value in values

    candidate = shrunk(start, fails)
    assert sorted(o.value or 0 for o in candidate.operations) == sorted((first.value or 0, second.value or 0))
    assert (candidate.nodes, candidate.clients, candidate.faults, len(candidate.keys)) == (1, 1, (), 1)
    assert [o.at for o in candidate.operations] == [0, 0]
    assert candidate.time == 1


def test_a_write_and_a_later_read_of_the_same_key_by_another_client() -> None:
    def fails(candidate: Candidate, seed: int) -> bool:
        return any(
            w.f == "write" and r.f == "read" and w.key == r.key and w.client != r.client and w.at < r.at
            for n, w in enumerate(candidate.operations)
            for r in candidate.operations[n + 1 :]
        )

    candidate = shrunk(RUN, fails)
    write, read = candidate.operations
    assert (write.f, write.key, write.value, write.at) == ("write", "x", 1, 0)
    assert (read.f, read.key, read.at) == ("read", "x", MS)
    assert sorted((write.client, read.client)) == [0, 1]
    assert (candidate.nodes, candidate.clients, candidate.time) == (1, 2, 2)


def test_an_operation_within_a_fault_among_enough_nodes() -> None:
    kinds = {type(placed.fault) for placed in LONG.faults}
    kind = next(k for k in (Partition, Kill, PowerOff) if k in kinds)

    def fails(candidate: Candidate, seed: int) -> bool:
        return candidate.nodes >= 3 and any(
            placed.at * MS < o.at < placed.until * MS and placed.until - placed.at >= 40
            for placed in of_kind(candidate, kind)
            for o in candidate.operations
        )

    candidate = shrunk(LONG, fails)
    ((placed,), (inside,)) = candidate.faults, candidate.operations
    assert (candidate.nodes, candidate.clients) == (3, 1)
    assert placed.until - placed.at == 40
    assert placed.order is None
    assert placed.at * MS < inside.at < placed.until * MS
    assert candidate.time == 40


def test_parameters_become_as_gentle_as_they_can() -> None:
    start = swarm(time="60s")
    links = of_kind(start, LinkFault)
    assert links

    def fails(candidate: Candidate, seed: int) -> bool:
        return any(isinstance(p.fault, LinkFault) and p.fault.delay_max_us >= 2_000 for p in candidate.faults)

    candidate = shrunk(start, fails)
    (placed,) = candidate.faults
    assert len(candidate.operations) == 1
    assert placed.fault == LinkFault("leader", delay_max_us=2_000)


def test_a_failure_of_few_seeds_is_found_again_with_another_one() -> None:
    def fails(candidate: Candidate, seed: int) -> bool:
        return candidate == RUN or (seed % 3 == 0 and len(candidate.operations) >= 2)

    best = Shrinker(RUN, SEED, Told(fails)).shrink()
    assert best.seed != SEED
    assert len(best.candidate.operations) == 2


def test_what_is_accepted_is_smaller_every_time_and_counted() -> None:
    accepted = [RUN]

    def fails(candidate: Candidate, seed: int) -> bool:
        if len(candidate.operations) >= 3 and candidate.nodes >= 2:
            accepted.append(candidate)
            return True
        return False

    told = Told(fails)
    best = Shrinker(RUN, SEED, told).shrink()
    assert all(sort_key(later) < sort_key(earlier) for earlier, later in pairwise(accepted))
    assert sum(count.accepted for count in best.counts.values()) == len(accepted) - 1
    assert sum(count.runs for count in best.counts.values()) == best.runs == len(told.asked)
    assert all(count.accepted <= count.tried <= count.runs for count in best.counts.values())


def test_the_same_again() -> None:
    def fails(candidate: Candidate, seed: int) -> bool:
        return sum(int(o.value or 0) for o in candidate.operations) % 7 == seed % 3 or candidate == RUN

    one, other = Told(fails), Told(fails)
    assert Shrinker(RUN, SEED, one).shrink() == Shrinker(RUN, SEED, other).shrink()
    assert one.asked == other.asked


@pytest.mark.parametrize("stop_after", [0, 1, 7, 60, 200])
def test_it_stops_when_it_is_told_to_with_the_best_so_far(stop_after: int) -> None:
    def fails(candidate: Candidate, seed: int) -> bool:
        return len(candidate.operations) >= 2

    best = Shrinker(RUN, SEED, Told(fails, stop_after)).shrink()
    assert not best.finished
    assert fails(best.candidate, best.seed)
    assert size(best.candidate) <= size(RUN)


@pytest.mark.parametrize("runs_max", [1, 5, 50])
def test_it_asks_for_no_more_runs_than_it_may(runs_max: int) -> None:
    told = Told(lambda candidate, seed: len(candidate.operations) >= 40)
    best = Shrinker(RUN, SEED, told, runs_max=runs_max).shrink()
    assert best.runs == len(told.asked) == runs_max
    assert not best.finished


@pytest.mark.parametrize("one", PASSES, ids=lambda one: one.name)
def test_no_pass_breaks_what_it_is_given_or_never_ends(one: object) -> None:
    small = Candidate(
        nodes=3,
        clients=2,
        time=100,
        faults=swarm(nodes=3).faults[:0],
        operations=(operation(1), operation(5, "cas", "y", 2, 1), operation(5, "read", "x", None, 1)),
        settings=(("window_max", 1),),
    )
    for start in (RUN, small, Candidate(nodes=1, clients=1, time=1, faults=(), operations=())):
        proposed = list(one.propose(start, START))  # type: ignore[attr-defined]
        assert len(proposed) < 20_000
        assert start not in [candidate for _, candidate in proposed if sort_key(candidate) < sort_key(start)]
        assert all(isinstance(possible(candidate), bool) for _, candidate in proposed)
