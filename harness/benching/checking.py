"""How the checkers scale, beside Porcupine: the same generated histories, as files, through both, one after the other.

Each judgement has a process of its own, so that peak memory is its own, and a bound on time. Porcupine is not asked
again for a longer history of a kind that it did not finish: its cost only grows.
"""

from __future__ import annotations

import os
import platform
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from harness.benching import porcupine
from harness.benching.histories import Shape, write

KINDS: Final = ("register", "cas", "key-value")
KEYS: Final = 100
INFO_PPM: Final = 10_000
_GRACE_S: Final = 60.0


class Taken(msgspec.Struct, frozen=True):
    """What a judgement took: seconds of reading and of judging, and its process's peak memory."""

    parse_s: float
    check_s: float
    verdict: str
    peak_mb: int


class Row(msgspec.Struct, frozen=True):
    """One history, and what it took; None if Porcupine was not asked, or did not come back."""

    kind: str
    clients: int
    operations: int
    stale: bool
    ours: Taken
    porcupine: Taken | None
    porcupine_note: str = ""

    @property
    def ratio(self) -> float | None:
        """How many times as fast we are, reading left out; None if there is nothing to compare."""
        if self.porcupine is None or self.porcupine.verdict == "unknown":
            return None
        return self.porcupine.check_s / self.ours.check_s


class CheckingReport(msgspec.Struct, frozen=True):
    """All rows, where it was and who was not there."""

    machine: str
    load_average: float
    limit_s: float
    memory_mb: int
    seed: int
    rows: tuple[Row, ...]
    without_porcupine: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be measured. ``memory_mb`` bounds Porcupine's address space; ``keep`` is where the histories stay."""

    sizes: Sequence[int] = (1_000, 10_000, 100_000, 1_000_000)
    clients: Sequence[int] = (5, 20, 50)
    kinds: Sequence[str] = KINDS
    limit_s: float = 60.0
    memory_mb: int = 8_192
    seed: int = 1
    keep: Path | None = None


def measure(wanted: Wanted, say: Callable[[str], None]) -> CheckingReport:
    """Measure all. Raises OSError."""
    with tempfile.TemporaryDirectory(prefix="antipaxos-bench-") as name:
        folder = Path(name)
        driver, why = None, ""
        try:
            say("building Porcupine")
            driver = porcupine.build(folder)
        except porcupine.PorcupineError as error:
            why = str(error)
        rows = tuple(_rows(wanted, folder, driver, say))
    machine = f"{platform.platform()}, Python {platform.python_version()}, {os.cpu_count()} processors"
    return CheckingReport(machine, os.getloadavg()[0], wanted.limit_s, wanted.memory_mb, wanted.seed, rows, why)


def _rows(wanted: Wanted, folder: Path, driver: Path | None, say: Callable[[str], None]) -> Iterator[Row]:
    for kind in wanted.kinds:
        for clients in wanted.clients:
            for stale in (False, True):
                given_up = ""
                for operations in sorted(wanted.sizes):
                    say(f"{kind}, {clients} clients, {operations} operations{', one stale read' if stale else ''}")
                    name = f"{kind}-c{clients}-n{operations}{'-stale' if stale else ''}-s{wanted.seed}.jsonl"
                    file = folder / "history.jsonl" if wanted.keep is None else wanted.keep / name
                    write(_shape(wanted, kind, clients, operations, stale=stale), file)
                    theirs, note = None, given_up
                    if driver is not None and not given_up:
                        theirs, note = _porcupine(driver, file, wanted)
                        given_up = note and f"not asked: {note} before"
                    yield Row(kind, clients, operations, stale, _ours(file, wanted), theirs, note)


def _shape(wanted: Wanted, kind: str, clients: int, operations: int, *, stale: bool) -> Shape:
    return Shape(
        operations=operations,
        clients=clients,
        keys=KEYS if kind == "key-value" else 1,
        cas=kind == "cas",
        info_ppm=INFO_PPM,
        stale=stale,
        seed=wanted.seed,
    )


def _ours(file: Path, wanted: Wanted) -> Taken:
    words = (sys.executable, "-m", "harness.benching.checking_worker", str(file), str(wanted.limit_s))
    done = subprocess.run(words, capture_output=True, check=True, timeout=wanted.limit_s + _GRACE_S)
    return msgspec.json.decode(done.stdout, type=Taken)


def _porcupine(driver: Path, file: Path, wanted: Wanted) -> tuple[Taken | None, str]:
    """Return what it took, and why it is not to be asked again."""
    bytes_max = wanted.memory_mb * 1024**2
    try:
        done = subprocess.run(
            (str(driver), str(file), str(wanted.limit_s)),
            capture_output=True,
            check=False,
            timeout=wanted.limit_s + _GRACE_S,
            preexec_fn=partial(resource.setrlimit, resource.RLIMIT_AS, (bytes_max, bytes_max)),
        )
    except subprocess.TimeoutExpired:
        return None, f"not done in {wanted.limit_s:g} s"
    if done.returncode:
        return None, "out of memory" if b"memory" in done.stderr else f"ended with {done.returncode}"
    taken = msgspec.json.decode(done.stdout, type=Taken)
    return taken, f"not done in {wanted.limit_s:g} s" if taken.verdict == "unknown" else ""
