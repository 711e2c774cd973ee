"""What is the matter with this machine: attempts, and what a real place ``local`` says of itself.

Which faults work is not concluded from the attempts: a cluster is set up, asked for its abilities and torn down again,
so that this and a run can never disagree.
"""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
import tempfile
from pathlib import Path

import msgspec

from harness.cluster.base import Ability
from harness.cluster.local import cgroups, pids
from harness.cluster.local.cluster import LocalCluster
from harness.doctor.attempts import ATTEMPTS
from harness.doctor.trial import Found, try_all
from harness.mechanisms import served
from harness.results import EXIT_CODES, RunVerdict, Served
from harness.scenario import LocalMode, Scenario
from harness.systems.base import DATA
from nemesis.faults import KINDS

LIMIT_S = 15.0
PLACE = "place local"


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """What works on this machine. ``default_job`` says whether ``antipaxos run`` does, with all of its faults.

    ``faults`` says of each kind what a run on the place ``local`` would say of it.
    """

    machine: str
    user: str
    default_job: bool
    faults: tuple[Served, ...]
    found: tuple[Found, ...]
    purposes: dict[str, str]

    @property
    def exit_code(self) -> int:
        """0 if the default job works, 4 if not: then it could not meet its faults."""
        return EXIT_CODES[RunVerdict.VALID if self.default_job else RunVerdict.FAULTS_NOT_MET]


def diagnose(mode: LocalMode = "auto", limit_s: float = LIMIT_S) -> Diagnosis:
    """Try everything; takes a second or two, and ``limit_s`` at most for the attempts that hang."""
    folder = Path(tempfile.mkdtemp(prefix="antipaxos-doctor-"))
    try:
        attempts = {name: attempt for name, (attempt, _) in ATTEMPTS.items()}
        found = try_all({PLACE: lambda folder: _abilities(folder, mode), **attempts}, folder, limit_s)
        place = found.pop(PLACE)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        _remove_cgroups()
    faults = _served(place)
    working = {served.kind for served in faults if not served.missing}
    return Diagnosis(
        machine=f"{platform.system()} {platform.release()}, Python {platform.python_version()}, "
        f"{os.cpu_count() or 0} processors",
        user="root" if os.geteuid() == 0 else f"user {os.geteuid()}",
        default_job=set(Scenario().faults) <= working,
        faults=faults,
        found=tuple(found.values()),
        purposes={name: purpose for name, (_, purpose) in ATTEMPTS.items()},
    )


def _abilities(folder: Path, mode: LocalMode) -> str:
    """Set a place up with all that any fault needs, ask it, tear it down; return its abilities as JSON."""

    async def ask() -> tuple[Ability, ...]:
        cluster = LocalCluster(1, mode, folder, disks={"n1": folder / DATA}, bends_clocks=True)
        await cluster.setup()
        try:
            return cluster.abilities
        finally:
            await cluster.teardown()

    return msgspec.json.encode(asyncio.run(ask())).decode()


def _served(place: Found) -> tuple[Served, ...]:
    """Return what the place can do, or why it can do nothing."""
    abilities = msgspec.json.decode(place.how, type=tuple[Ability, ...]) if place.works else ()
    missing = {ability.name: ability.missing for ability in abilities}
    return served([fault() for fault in KINDS.values()], abilities, lambda need: place.why or missing.get(need, ""))


def _remove_cgroups() -> None:
    """Remove what an attempt that was ended half-way may have left."""
    me = pids.identify(os.getpid())
    if me is not None:
        cgroups.remove(me)
