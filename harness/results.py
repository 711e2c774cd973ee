"""What a run came to: the one structure behind the screen, ``results.json``, ``--json`` and the report.

Verdicts and exit codes are the same thing said twice, so they are kept in one place.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from harness.cluster.base import Ability
from harness.exposure import Exposure
from nemesis.record import FaultRecord


class RunVerdict(StrEnum):
    """The verdict of a whole run."""

    VALID = "valid"
    VIOLATION = "violation"
    UNKNOWN = "unknown"
    FAULTS_NOT_MET = "faults-not-met"
    HARNESS_FAILURE = "harness-failure"


EXIT_CODES = {
    RunVerdict.VALID: 0,
    RunVerdict.VIOLATION: 1,
    RunVerdict.UNKNOWN: 3,
    RunVerdict.FAULTS_NOT_MET: 4,
    RunVerdict.HARNESS_FAILURE: 5,
}
"""Exit status of each verdict; 2 is for usage errors, which are no verdicts."""

EXIT_USAGE = 2
EXIT_INTERRUPTED = 130
"""Exit status of whatever was ended by Ctrl-C or SIGTERM, as shells have it."""


class OperationCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Clients' operations by outcome."""

    ok: int = 0
    fail: int = 0
    info: int = 0


class Anomaly(msgspec.Struct, frozen=True, kw_only=True):
    """One violated promise, in a sentence; ``operations`` are the indices (in the history) of the few involved.

    ``window`` is from when to when it happened, in ns since the run's start, where that is known; ``during`` the faults
    that were active then.
    """

    kind: str
    sentence: str
    key: str | None = None
    operations: tuple[int, ...] = ()
    window: tuple[int, int] | None = None
    during: tuple[str, ...] = ()


class CheckerResult(msgspec.Struct, frozen=True, kw_only=True):
    """What one checker said: ``verdict`` is valid, invalid or unknown; ``notes`` are worth knowing, no anomalies."""

    name: str
    verdict: str
    sentence: str
    anomalies: tuple[Anomaly, ...] = ()
    statistics: dict[str, int] = {}
    notes: tuple[Anomaly, ...] = ()


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """Latency of operations that returned ok, in milliseconds; zero if there were none."""

    p50_ms: float = 0.0
    p95_ms: float = 0.0
    p99_ms: float = 0.0
    max_ms: float = 0.0


class Unavailability(msgspec.Struct, frozen=True, kw_only=True):
    """The longest time without any operation returning ok, and when it began (seconds since the run's start)."""

    longest_ms: float = 0.0
    began_s: float = 0.0


class NodeSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A node at the end of the run; ``counters`` are its rare events (None if it did not answer)."""

    node: str
    role: str = "unknown"
    incarnation: int = 0
    applied_upto: int = 0
    digest: str = ""
    counters: dict[str, int] | None = None


class Served(msgspec.Struct, frozen=True, kw_only=True):
    """By which means a kind of fault is carried out, or why not; ``beyond_model`` as in ``FaultRecord``."""

    kind: str
    mechanism: str
    missing: str = ""
    beyond_model: str = ""


class RunResult(msgspec.Struct, frozen=True, kw_only=True):
    """A finished run. Times of faults are ns since the run's start; ``started_at`` is UTC, ISO 8601.

    ``rare_events`` are those that happened, over all nodes in all their lives; of real processes, what each life had
    counted when it was asked last. ``coverage`` is what the run was exposed to; ``required`` what was to have
    happened, and ``unmet`` what of it did not, with a sentence for each. ``mechanisms`` are the abilities of the
    place, ``served`` says what carries each kind of fault out. A violation under faults beyond the model is
    ``expected``: a correct node may show it.
    """

    verdict: RunVerdict
    sentence: str
    seed: int
    scenario: str
    workload: str
    place: str
    nodes: tuple[str, ...]
    plan_sha256: str
    history_sha256: str
    trace_sha256: str = ""
    operations: OperationCounts
    faults: tuple[FaultRecord, ...]
    checkers: tuple[CheckerResult, ...]
    latency: Latency
    unavailability: Unavailability
    node_summaries: tuple[NodeSummary, ...] = ()
    rare_events: dict[str, int] = {}
    mechanisms: tuple[Ability, ...] = ()
    served: tuple[Served, ...] = ()
    coverage: tuple[Exposure, ...] = ()
    required: tuple[str, ...] = ()
    unmet: dict[str, str] = {}
    expected: bool = False
    started_at: str = ""
    duration_s: float = 0.0
    first_operation_s: float = 0.0
    set_up_ns: int = 0
    store: str = ""
    replay: str = ""
    version: str = ""
    notes: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """The exit status that says the same."""
        return EXIT_CODES[self.verdict]
