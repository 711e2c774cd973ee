"""The table of rare events: for each counter of the node what it counts, and where it is reached.

Where it can be done it is a simulated scenario, a file in ``scenarios`` beside this module. What no scenario can bring
about (strangers on a real socket, a client that never reads, what only a forged message does) is reached by a test,
which is named, and which asserts the counter by its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from node.paxos.counters import Counters


@dataclass(frozen=True, slots=True)
class RareEvent:
    """A counter of ``node.paxos.counters``: what it ``counts``, and the ``scenario`` or else the ``test`` for it."""

    counter: str
    counts: str
    scenario: str = ""
    test: str = ""


ALONE, SERVER = "tests/integration/test_node_alone.py", "tests/integration/test_node_server.py"

EVENTS = (
    RareEvent("elections_started", "ballots taken, to lead in them", "leaders-lost"),
    RareEvent("elections_won", "leaderships begun, with the promises of a majority", "leaders-lost"),
    RareEvent("suspicions", "times a node lost its leader and began to ask the others", "leaders-lost"),
    RareEvent("suspicions_withdrawn", "times it heard a leader after all, before it took a ballot", "late-messages"),
    RareEvent("own_pauses", "steps that came so late that the node itself had not been running", "leaders-lost"),
    RareEvent("pre_elections_won", "questions before an election that a majority answered with yes", "leaders-lost"),
    RareEvent("pre_elections_refused", "such questions of others that were answered with no", "leaders-lost"),
    RareEvent("pre_election_answers_dropped", "answers to a question that is not being asked any more", "leaders-lost"),
    RareEvent("stepped_down", "leaderships ended, for whatever reason", "leaders-lost"),
    RareEvent("resignations_heard", "times the leader that was followed said that it leads no more", "leaders-lost"),
    RareEvent("transfers_begun", "hand-overs that a leader began", "handovers"),
    RareEvent("transfers_given_up", "hand-overs whose successor was not ready in time", "handovers"),
    RareEvent(
        "transfers_done",
        "hand-overs after which the successor was heard to lead (a leader that stops does not live to hear it)",
        test="tests/node/test_schedules.py::test_random_schedules",
    ),
    RareEvent("quorum_lost", "leaders that resigned because they had heard no majority for too long", "leaders-lost"),
    RareEvent("promises_refused", "Prepares refused, because a higher ballot was promised", "late-messages"),
    RareEvent("accepts_refused", "Accepts refused, because a higher ballot was promised", "late-messages"),
    RareEvent("accepts_outdated", "Accepts for a slot that was chosen and truncated here long since", "snapshots"),
    RareEvent("heartbeats_refused", "heartbeats refused, because a higher ballot was promised", "late-messages"),
    RareEvent("slots_replayed", "slots whose accepted value a new leader proposed again in its ballot", "gaps"),
    RareEvent("noops_filled", "gaps that a new leader closed with a no-op: no promise reported anything there", "gaps"),
    RareEvent("accepts_resent", "Accepts sent again, because too few had acknowledged them in time", "leaders-lost"),
    RareEvent("fetches_sent", "times a node that lagged asked another for what was chosen", "leaders-lost"),
    RareEvent("slots_learned", "slots whose chosen value came from another node", "leaders-lost"),
    RareEvent("snapshots_taken", "snapshots of this node's own state", "snapshots"),
    RareEvent("snapshot_parts_sent", "parts of a snapshot sent to a node that lagged behind the log", "snapshots"),
    RareEvent("snapshot_downloads_resumed", "parts of a snapshot asked for again", "snapshots"),
    RareEvent("snapshots_installed", "snapshots of other nodes taken in place of state and log", "snapshots"),
    RareEvent(
        "snapshots_refused",
        "snapshots not taken: too large, or of another node and damaged",
        test="tests/node/test_snapshots.py::test_a_snapshot_that_is_none_is_refused_and_counted",
    ),
    RareEvent("slots_truncated", "slots of the log dropped, because a snapshot stands for them", "snapshots"),
    RareEvent("elections_caught_up", "leaderships that had to catch up with a truncated log first", "snapshots"),
    RareEvent("segments_removed", "files of the log that a snapshot made unnecessary", "snapshots"),
    RareEvent("segments_recycled", "files of the log begun in one that was no longer needed", "snapshots"),
    RareEvent("old_incarnations_dropped", "messages of an earlier life of their sender", "late-messages"),
    RareEvent("read_rounds", "rounds of heartbeats begun to confirm reads", "leaders-lost"),
    RareEvent("reads_under_lease", "reads answered by the leader alone, under its lease", "leaders-lost"),
    RareEvent("leases_expired", "leases that ended while their holder still led", "leaders-lost"),
    RareEvent("promises_withheld", "Prepares left without an answer, because a lease forbade one", "late-messages"),
    RareEvent("reads_expired", "reads that waited too long for the leader's word", "late-messages"),
    RareEvent("recoveries_begun", "unclean starts of nodes that know that they may have forgotten", "amnesia"),
    RareEvent("recoveries_ended", "times such a node could vote again", "amnesia"),
    RareEvent("lives_noted", "starts of other nodes that were written down", "amnesia"),
    RareEvent("recoveries_led", "leaders that campaigned anew so that a recovering node can vote", "amnesia"),
    RareEvent("reincarnations", "starts that had forgotten even their own number, and took a new one", "amnesia"),
    RareEvent("answers_withheld", "votes that a recovering node did not cast", "amnesia"),
    RareEvent("proposals_refused", "commands refused: the node did not lead, or had no room", "leaders-lost"),
    RareEvent("commands_overloaded", "commands refused because too many waited", "overload"),
    RareEvent("reads_overloaded", "reads refused because too many waited", "overload"),
    RareEvent("pipelines_overloaded", "requests refused because their connection had too many under way", "overload"),
    RareEvent(
        "clients_turned_away",
        "clients refused because too many were served",
        test="tests/simulation/test_overload.py::test_one_client_more_than_are_served_is_turned_away",
    ),
    RareEvent(
        "clients_too_slow",
        "clients cut off because they did not read their replies",
        test=f"{ALONE}::test_a_client_that_never_reads_is_not_read_from_and_one_that_floods_as_well_is_cut_off",
    ),
    RareEvent(
        "clients_paused",
        "times a client was not read from, until it read its replies",
        test=f"{ALONE}::test_a_client_that_never_reads_is_not_read_from_and_one_that_floods_as_well_is_cut_off",
    ),
    RareEvent("messages_held_back", "messages left without an answer, because the disk had too much to do", "overload"),
    RareEvent("answers_shed", "answers dropped, because too many waited for the disk", "overload"),
    RareEvent("backlogs_stuck", "leaders that resigned because their disk did not move", "overload"),
    RareEvent("retries_deduplicated", "commands that came again and were not applied again", "leaders-lost"),
    RareEvent(
        "sessions_evicted",
        "sessions forgotten, because there were too many",
        test="tests/simulation/test_overload.py::test_a_session_more_than_are_kept_ends_the_least_recently_used",
    ),
    RareEvent("members_changed", "changes of the members that a node has followed", "members"),
    RareEvent("changes_proposed", "changes of the members that a leader proposed", "members"),
    RareEvent("changes_found", "changes that a new leader found open, and had to lead up to first", "members"),
    RareEvent("leaderships_renewed", "ballots that a leader took because the members had changed", "members"),
    RareEvent("slots_run_ahead", "slots whose results a leader computed before they were chosen", "speculation"),
    RareEvent("slots_released", "such slots that were chosen: their results went out", "speculation"),
    RareEvent("slots_rolled_back", "such slots whose results were thrown away, with the ballot", "speculation"),
    RareEvent("torn_tails_cut", "logs whose last record was torn and was cut off at the start", "power-cuts"),
    RareEvent(
        "frames_refused",
        "connections cut off because they spoke no sense, or not in time (a cut may have swallowed their hello)",
        test=f"{SERVER}::test_a_stranger_is_cut_off_with_one_line_and_the_node_lives_on",
    ),
    RareEvent(
        "messages_shed",
        "messages dropped because their peer was not there, or did not read",
        test=f"{SERVER}::test_survives_kills_of_each_node_and_counts_each_operation_once",
    ),
)

SIMULATED = tuple(event.counter for event in EVENTS if event.scenario)


def unreached(met: Mapping[str, int]) -> list[str]:
    """Return the rare events that a simulated run can meet and ``met`` has not."""
    return [counter for counter in SIMULATED if not met.get(counter)]


def unlisted() -> list[str]:
    """Return the node's counters that have no line here, and the lines whose counter the node does not have."""
    listed = {event.counter for event in EVENTS}
    return sorted(listed ^ set(Counters.__struct_fields__))
