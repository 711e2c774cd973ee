"""The numbers of the core: sizes and times, all with their unit in the name, all bounded."""

from __future__ import annotations

from typing import Literal

import msgspec

MS = 1_000_000
"""Nanoseconds in a millisecond: the core counts time in integer nanoseconds."""
MILLION = 1_000_000
SNAPSHOT_PART_BYTES_MAX = 16 * 1024 * 1024
DetectorName = Literal["fixed", "phi", "phi-exponential", "nfd-e"]
DETECTORS: tuple[str, ...] = ("fixed", "phi", "phi-exponential", "nfd-e")
THRESHOLDS = ("phi_threshold", "phi_exponential_threshold")
THRESHOLD_RANGE = (0.5, 1_000.0)
MAY_BE_ZERO = (
    *("lease_ms", "drift_ppm", "amnesia_safe", "joins", "phi_pause_ms", "election_lag_slots_max"),
    *("snapshot_tail_slots", "speculative"),
)


class ConfigError(ValueError):
    """A configuration that cannot work; the message names the field."""


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Configuration of one node's core.

    ``me`` and ``members`` are node ids (positive integers): the members that the cluster begins with, and ``me`` too if
    it ``joins`` a cluster that is there already, and waits to be added (``node.paxos.membership``). Times are
    milliseconds of the node's monotonic clock. ``lease_ms`` is how long a follower grants its leader a lease (0 for no
    leases), ``drift_ppm`` by how much the rate of any node's monotonic clock may be off, in parts per million.
    ``amnesia_safe`` is 1 if a node that was not stopped cleanly must ask the others before it votes
    (``node.paxos.recovery``).

    ``detector`` is what suspects the leader (``node.paxos.detector``), over the last ``detector_window`` samples:
    ``phi_threshold``, ``phi_deviation_min_ms`` and ``phi_pause_ms`` are of ``phi``, ``phi_exponential_threshold`` of
    ``phi-exponential``, ``nfd_alpha_ms`` of ``nfd-e``; ``election_timeout_ms`` bounds them all. A node whose log lags
    behind another's by more than ``election_lag_slots_max`` should not lead while others could.
    ``transfer_timeout_ms``: how long a leader that was asked to hand over waits for its successor to be ready.

    A snapshot is taken when ``snapshot_slots`` slots were applied since the last one, or ``snapshot_log_bytes`` bytes
    of commands and at least as many as the last snapshot has. Of the slots that it covers the last
    ``snapshot_tail_slots`` stay in memory, for followers that lag a little. ``snapshot_part_bytes`` is how much of a
    snapshot goes in one message.

    ``speculative`` is 1 if a leader computes results before they are chosen (``node.speculation``).
    """

    me: int
    members: tuple[int, ...]
    heartbeat_ms: int = 50
    election_timeout_ms: int = 400
    election_spread_ms: int = 400
    election_backoff_max: int = 8
    election_lag_slots_max: int = 256
    detector: DetectorName = "phi"
    detector_window: int = 200
    phi_threshold: float = 8.0
    phi_deviation_min_ms: int = 10
    phi_pause_ms: int = 100
    phi_exponential_threshold: float = 2.0
    nfd_alpha_ms: int = 150
    transfer_timeout_ms: int = 500
    retry_ms: int = 150
    read_timeout_ms: int = 2_000
    lease_ms: int = 300
    drift_ppm: int = 1_000
    amnesia_safe: int = 0
    joins: int = 0
    batch_commands_max: int = 128
    batch_bytes_max: int = 256 * 1024
    window_max: int = 4
    queue_commands_max: int = 4_096
    queue_bytes_max: int = 32 * 1024 * 1024
    reads_max: int = 4_096
    backlog_records_max: int = 1_024
    backlog_bytes_max: int = 64 * 1024 * 1024
    deferred_max: int = 4_096
    promise_part_bytes: int = 1024 * 1024
    fetch_bytes_max: int = 1024 * 1024
    snapshot_slots: int = 50_000
    snapshot_log_bytes: int = 64 * 1024 * 1024
    snapshot_tail_slots: int = 1_000
    snapshot_part_bytes: int = 256 * 1024
    speculative: int = 0

    def __post_init__(self) -> None:
        self._check_members()
        self._check_ranges()
        self._check_together()

    def _check_members(self) -> None:
        if self.me not in self.members:
            raise ConfigError(f"me={self.me} is not among members={list(self.members)}")
        if len(set(self.members)) != len(self.members):
            raise ConfigError(f"members={list(self.members)} names a node twice")
        if min(self.members) < 1:
            raise ConfigError(f"members={list(self.members)}: node ids start at 1")
        if not self.founders:
            raise ConfigError(f"joins=1, but members={list(self.members)} names nobody else to join")
        if self.amnesia_safe and len(self.members) < 3:
            raise ConfigError(
                f"amnesia_safe=1 needs three members or more, not {len(self.members)}: "
                "without one of them, the others must be a majority"
            )

    def _check_ranges(self) -> None:
        if self.detector not in DETECTORS:
            raise ConfigError(f"detector={self.detector} is none of {', '.join(DETECTORS)}")
        for name in self.__struct_fields__:
            least = 0 if name in MAY_BE_ZERO else 1
            if name not in ("me", "members", "detector", *THRESHOLDS) and getattr(self, name) < least:
                raise ConfigError(f"{name}={getattr(self, name)} must be at least {least}")
        low, high = THRESHOLD_RANGE
        for name in THRESHOLDS:
            if not low <= getattr(self, name) <= high:
                raise ConfigError(f"{name}={getattr(self, name)} is not {low:g} to {high:g}")
        if self.snapshot_part_bytes > SNAPSHOT_PART_BYTES_MAX:
            raise ConfigError(f"snapshot_part_bytes={self.snapshot_part_bytes} is over {SNAPSHOT_PART_BYTES_MAX}")
        for name in ("amnesia_safe", "joins", "speculative"):
            if getattr(self, name) > 1:
                raise ConfigError(f"{name}={getattr(self, name)} must be 0 or 1")
        if self.drift_ppm >= MILLION:
            raise ConfigError(f"drift_ppm={self.drift_ppm} must be below {MILLION}: a clock may not stand still")

    def _check_together(self) -> None:
        if self.lease_ms > self.election_timeout_ms:
            raise ConfigError(
                f"lease_ms={self.lease_ms} must not be over election_timeout_ms={self.election_timeout_ms}: "
                "a leader that is gone would be waited for longer than that"
            )
        for name in ("backlog_records_max", "deferred_max"):
            if getattr(self, name) < 2 * len(self.members):
                raise ConfigError(
                    f"{name}={getattr(self, name)} must be at least twice the members, {2 * len(self.members)}: "
                    "a word to each of them must fit, or some never hear it"
                )
        if self.heartbeat_ms * 2 > self.election_timeout_ms:
            raise ConfigError(
                f"election_timeout_ms={self.election_timeout_ms} must be at least twice "
                f"heartbeat_ms={self.heartbeat_ms}: one lost heartbeat must not start an election"
            )

    @property
    def founders(self) -> tuple[int, ...]:
        """The members that the cluster begins with: this node is one of them unless it joins."""
        return tuple(node for node in self.members if not self.joins or node != self.me)
