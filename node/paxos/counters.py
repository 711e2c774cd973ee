"""Counters of rare events: what a campaign must have reached before its silence means anything."""

from __future__ import annotations

import msgspec


class Counters(msgspec.Struct):
    """How often each rare event has happened on this node since it started."""

    elections_started: int = 0
    elections_won: int = 0
    suspicions: int = 0
    suspicions_withdrawn: int = 0
    own_pauses: int = 0
    pre_elections_won: int = 0
    pre_elections_refused: int = 0
    pre_election_answers_dropped: int = 0
    stepped_down: int = 0
    resignations_heard: int = 0
    transfers_begun: int = 0
    transfers_given_up: int = 0
    transfers_done: int = 0
    quorum_lost: int = 0
    promises_refused: int = 0
    accepts_refused: int = 0
    accepts_outdated: int = 0
    heartbeats_refused: int = 0
    slots_replayed: int = 0
    noops_filled: int = 0
    accepts_resent: int = 0
    fetches_sent: int = 0
    slots_learned: int = 0
    snapshots_taken: int = 0
    snapshot_parts_sent: int = 0
    snapshot_downloads_resumed: int = 0
    snapshots_installed: int = 0
    snapshots_refused: int = 0
    slots_truncated: int = 0
    elections_caught_up: int = 0
    segments_removed: int = 0
    segments_recycled: int = 0
    old_incarnations_dropped: int = 0
    read_rounds: int = 0
    reads_under_lease: int = 0
    leases_expired: int = 0
    promises_withheld: int = 0
    reads_expired: int = 0
    recoveries_begun: int = 0
    recoveries_ended: int = 0
    lives_noted: int = 0
    recoveries_led: int = 0
    reincarnations: int = 0
    answers_withheld: int = 0
    proposals_refused: int = 0
    commands_overloaded: int = 0
    reads_overloaded: int = 0
    pipelines_overloaded: int = 0
    clients_turned_away: int = 0
    clients_too_slow: int = 0
    clients_paused: int = 0
    messages_held_back: int = 0
    answers_shed: int = 0
    backlogs_stuck: int = 0
    retries_deduplicated: int = 0
    sessions_evicted: int = 0
    members_changed: int = 0
    changes_proposed: int = 0
    changes_found: int = 0
    leaderships_renewed: int = 0
    slots_run_ahead: int = 0
    slots_released: int = 0
    slots_rolled_back: int = 0
    torn_tails_cut: int = 0
    frames_refused: int = 0
    messages_shed: int = 0
