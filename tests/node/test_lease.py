"""Leases: whenever a leader holds one, enough grants are in force for nobody else to be elected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from node.paxos.config import MILLION, MS, Config, ConfigError
from node.paxos.lease import BEATS_REMEMBERED_MAX, Grant, Lease, lease_ns
from node.paxos.membership import founding

DRIFT_PPM = 10_000
LEASE_MS = 300


def config(nodes: int = 3, **more: int) -> Config:
    members = tuple(range(1, nodes + 1))
    settings: dict[str, Any] = {"lease_ms": LEASE_MS, "drift_ppm": DRIFT_PPM, **more}
    return Config(me=1, members=members, **settings)


def lease_of(it: Config) -> Lease:
    return Lease(it, founding(it))


@dataclass(frozen=True)
class Clock:
    """A clock of a rate, with an epoch of its own."""

    epoch: int
    ppm: int

    def at(self, true: int) -> int:
        return self.epoch + true * (MILLION + self.ppm) // MILLION


WITHIN = st.builds(Clock, st.integers(0, 10**12), st.integers(-DRIFT_PPM, DRIFT_PPM))
BEAT = st.tuples(st.integers(0, 400), st.integers(0, 500), st.integers(0, 500), st.booleans())
"""A beat: ms after the one before; its way there and back in ms; whether it is lost."""


def holds_without_grants(clocks: list[Clock], beats: list[list[tuple[int, int, int, bool]]], nodes: int) -> bool:
    """Play beats of a leader to its followers; say whether it ever holds a lease that too few grants back."""
    it = config(nodes)
    leader, lease = clocks[0], Lease(it, founding(it))
    grants = {peer: Grant(it, clocks[peer - 1].at(0) - 10**12) for peer in founding(it).others(1)}
    events: list[tuple[int, int, int, int]] = []  # true time, what (0 send, 1 heard, 2 acknowledged), peer, beat
    number = 0
    for peer, ways in zip(founding(it).others(1), beats, strict=False):
        sent = 0
        for wait, there, back, lost in ways:
            sent += wait * MS
            number += 1
            events.append((sent, 0, peer, number))
            if not lost:
                events.append((sent + there * MS, 1, peer, number))
                events.append((sent + (there + back) * MS, 2, peer, number))
    moments = sorted({time + step for time, *_ in events for step in (0, 250 * MS, LEASE_MS * MS - 1, LEASE_MS * MS)})
    for moment in moments:
        for time, what, peer, beat in sorted(e for e in events if e[0] == moment):
            if what == 0:
                lease.beats(beat, leader.at(time))
            elif what == 1:
                grants[peer].give(1, clocks[peer - 1].at(time))
            else:
                lease.beat_acknowledged(peer, beat)
        live = sum(grant.forbids(9, clocks[peer - 1].at(moment)) for peer, grant in grants.items())
        if lease.holds(leader.at(moment)) and live < founding(it).majority - 1:
            return True
    return False


@settings(max_examples=300)
@given(st.data(), st.sampled_from([2, 3, 5]))
def test_a_lease_is_over_before_its_grants_are(data: st.DataObject, nodes: int) -> None:
    clocks = data.draw(st.lists(WITHIN, min_size=nodes, max_size=nodes))
    beats = data.draw(st.lists(st.lists(BEAT, max_size=6), min_size=nodes - 1, max_size=nodes - 1))
    assert not holds_without_grants(clocks, beats, nodes)


def test_the_test_can_fail_a_clock_beyond_the_bound_breaks_it() -> None:
    slow = [Clock(0, -5 * DRIFT_PPM), Clock(0, 0), Clock(0, 0)]
    assert holds_without_grants(slow, [[(0, 0, 0, False)], []], 3)
    assert not holds_without_grants([Clock(0, 0)] * 3, [[(0, 0, 0, False)], []], 3)


def test_delays_of_acknowledgements_do_not_lengthen_it() -> None:
    lease = lease_of(config())
    lease.beats(1, 1_000 * MS)
    lease.beat_acknowledged(2, 1)
    assert lease.until == 1_000 * MS + lease_ns(config())
    lease.beat_acknowledged(3, 1)
    assert lease.until == 1_000 * MS + lease_ns(config())


def test_the_majority_counts_and_strangers_do_not() -> None:
    lease = lease_of(config(5))
    for beat, at in ((1, 0), (2, 50), (3, 100)):
        lease.beats(beat, at * MS)
    lease.beat_acknowledged(9, 3)
    lease.beat_acknowledged(1, 3)
    lease.beat_acknowledged(2, 3)
    assert not lease.holds(100 * MS)
    lease.beat_acknowledged(3, 1)
    assert lease.until == lease_ns(config())
    lease.beat_acknowledged(4, 2)
    assert lease.until == 50 * MS + lease_ns(config())
    lease.renew(3, 20 * MS)
    assert lease.until == 50 * MS + lease_ns(config())


def test_beats_of_long_ago_count_for_nothing() -> None:
    lease = lease_of(config(2))
    for beat in range(1, BEATS_REMEMBERED_MAX + 2):
        lease.beats(beat, beat * MS)
    lease.beat_acknowledged(2, 1)
    assert not lease.holds(0)
    lease.beat_acknowledged(2, 2)
    assert lease.until == 2 * MS + lease_ns(config())


def test_it_lapses_once() -> None:
    lease = lease_of(config(2))
    lease.renew(2, 0)
    assert not lease.lapses(lease_ns(config()) - 1)
    assert lease.lapses(lease_ns(config()))
    assert not lease.lapses(lease_ns(config()) + 1)
    lease.renew(2, 10 * MS)
    assert lease.holds(lease_ns(config()))


def test_alone_a_leader_needs_nobody_and_without_leases_nobody_holds_one() -> None:
    assert lease_of(config(1)).holds(5)
    none = lease_of(config(2, lease_ms=0))
    none.renew(2, 10 * MS)
    assert not none.holds(10 * MS)
    assert not Grant(config(2, lease_ms=0), 7).forbids(2, 7)


@given(st.integers(1, 400), st.integers(0, 500_000))
def test_a_lease_is_shorter_than_its_grant_by_both_clocks_drift(lease_ms: int, drift_ppm: int) -> None:
    lasts = lease_ns(config(lease_ms=lease_ms, drift_ppm=drift_ppm))
    assume(lasts > 0)
    slowest, fastest = MILLION - drift_ppm, MILLION + drift_ppm
    assert lasts * MILLION // slowest <= lease_ms * MS * MILLION // fastest


def test_after_a_restart_a_node_keeps_to_what_it_may_have_granted() -> None:
    grant = Grant(config(), 1_000 * MS)
    assert all(grant.forbids(candidate, 1_000 * MS) for candidate in (1, 2, 3))
    assert not grant.forbids(2, (1_000 + LEASE_MS) * MS)


def test_the_holder_itself_may_ask_to_lead_anew() -> None:
    grant = Grant(config(), 0)
    grant.give(2, 500 * MS)
    assert not grant.forbids(2, 600 * MS)
    assert grant.forbids(3, 600 * MS)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"lease_ms": 401}, "lease_ms=401 must not be over election_timeout_ms=400"),
        ({"drift_ppm": MILLION}, "drift_ppm=1000000 must be below"),
        ({"lease_ms": -1}, "lease_ms=-1 must be at least 0"),
    ],
)
def test_leases_that_make_no_sense_are_refused(given: dict[str, int], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        config(**given)
