"""The workers: processes that are fed one seed at a time, watched, and replaced when they end or hang.

Processes and pipes, no threads and no shared memory: a worker may be killed, run out of memory, crash in C or hang in
a loop, and all that is lost is the seed it was given, which comes back as ``Lost`` with how it ended. Workers are in
a process group of their own, so that Ctrl-C on the terminal reaches the controller only, which ends them by their ids.

A worker is replaced after ``SEEDS_PER_WORKER`` seeds even if nothing is wrong with it: whatever leaks (caches,
fragmented arenas, cycles that nobody breaks) then stays within a few hundred runs, and memory is flat over millions.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

import harness
from harness.exploration.findings import SeedReport

SEEDS_PER_WORKER = 300
ABORT_GRACE_S = 2.0
"""How long a hanging worker has to write down where it hangs (SIGABRT, faulthandler) before SIGKILL."""
END_GRACE_S = 2.0
READ_BYTES = 1 << 16
STDERR = "stderr"
STDERR_TAIL_BYTES = 4_000


@dataclass(frozen=True, slots=True)
class Lost:
    """A seed whose worker ended or hung: ``kind`` is how, ``why`` a sentence, ``stderr`` what it said last."""

    seed: int
    kind: str
    why: str
    directory: Path
    stderr: str


@dataclass(slots=True, eq=False)
class _Worker:
    process: subprocess.Popen[bytes]
    directory: Path
    seed: int | None = None
    given_at: float = 0.0
    seeds: int = 0
    buffer: bytearray = field(default_factory=bytearray)

    @property
    def output(self) -> int:
        assert self.process.stdout is not None
        return self.process.stdout.fileno()


class Pool:
    """Up to ``jobs`` workers; a context manager that ends all it started."""

    def __init__(
        self,
        command: Sequence[str],
        job_for: Callable[[Path], bytes],
        jobs: int,
        work: Path,
        limit_s: float,
        clock: Callable[[], float],
        order_for: Callable[[int], bytes] = b"%d\n".__mod__,
        seeds_per_worker: int = SEEDS_PER_WORKER,
    ) -> None:
        """``job_for`` gives the first line for a worker with a directory, each has one below ``work``.

        ``order_for`` gives the line that orders a seed: the seed itself, unless runs are told apart by other numbers.

        ``clock`` gives seconds; ``limit_s`` is how many of them one seed may take.
        """
        self._command = tuple(command)
        self._job_for = job_for
        self._jobs = jobs
        self._work = work
        self._limit_s = limit_s
        self._clock = clock
        self._order_for = order_for
        self._seeds_per_worker = seeds_per_worker
        self._workers: list[_Worker] = []
        self._started = 0
        self._selector = selectors.DefaultSelector()

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End all workers."""
        for worker in self._workers:
            worker.process.kill()
        while self._workers:
            self._end(self._workers[0])
        self._selector.close()

    @property
    def free(self) -> bool:
        """True if a seed can be given away."""
        return len(self._workers) < self._jobs or any(worker.seed is None for worker in self._workers)

    @property
    def pids(self) -> list[int]:
        """The workers' process ids."""
        return [worker.process.pid for worker in self._workers]

    @property
    def seeds(self) -> list[int]:
        """The seeds that are being carried out."""
        return [worker.seed for worker in self._workers if worker.seed is not None]

    def give(self, seed: int) -> None:
        """Give a seed to a free worker."""
        worker = next((worker for worker in self._workers if worker.seed is None), None) or self._start()
        worker.seed, worker.given_at = seed, self._clock()
        worker.seeds += 1
        self._tell(worker, self._order_for(seed))

    def wait(self, timeout_s: float) -> list[SeedReport | Lost]:
        """Wait for answers, at most so long; whatever is answered, or lost, meanwhile is returned."""
        ready = self._selector.select(max(0.0, min(timeout_s, self._until_limit())))
        answers: list[SeedReport | Lost | None] = [self._read(key.data) for key, _ in ready]
        now = self._clock()
        for worker in list(self._workers):
            if worker.seed is not None and now - worker.given_at >= self._limit_s:
                answers.append(self._hung(worker))
        return [answer for answer in answers if answer is not None]

    # -- one worker ---------------------------------------------------------------------------------------------------

    def _start(self) -> _Worker:
        self._started += 1
        directory = self._work / f"worker-{self._started}"
        directory.mkdir()
        with (directory / STDERR).open("wb") as stderr:
            process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env=_environment(),
                process_group=0,
            )
        worker = _Worker(process, directory)
        self._workers.append(worker)
        self._selector.register(worker.output, selectors.EVENT_READ, worker)
        self._tell(worker, self._job_for(directory) + b"\n")
        return worker

    def _tell(self, worker: _Worker, line: bytes) -> None:
        assert worker.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it is dead: the end of its output, which comes next, tells how
            worker.process.stdin.write(line)
            worker.process.stdin.flush()

    def _read(self, worker: _Worker) -> SeedReport | Lost | None:
        data = os.read(worker.output, READ_BYTES)
        if not data:
            return self._ended(worker)
        worker.buffer += data
        line, newline, rest = worker.buffer.partition(b"\n")
        if not newline:
            return None
        worker.buffer = rest
        try:
            report = msgspec.json.decode(line, type=SeedReport)
        except msgspec.DecodeError as error:
            return self._lose(worker, "answered what is no report", f"{error}: {bytes(line[:80])!r}")
        if report.seed != worker.seed or rest:
            return self._lose(worker, "answered for another seed", f"for {report.seed}")
        worker.seed = None
        if report.spent or worker.seeds >= self._seeds_per_worker:
            self._end(worker)
        return report

    def _ended(self, worker: _Worker) -> Lost | None:
        """The worker closed its output: it is dead, or as good as."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            worker.process.wait(END_GRACE_S)
        status = worker.process.poll()
        return self._lose(worker, "closed its output" if status is None else ending(status), "")

    def _hung(self, worker: _Worker) -> Lost | None:
        """End a worker that is over its limit; SIGABRT first, so that it says where it hangs."""
        worker.process.send_signal(signal.SIGABRT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            worker.process.wait(ABORT_GRACE_S)
        return self._lose(worker, "did not end within the limit of a seed", f"{self._limit_s:g} s")

    def _lose(self, worker: _Worker, kind: str, detail: str) -> Lost | None:
        seed, pid = worker.seed, worker.process.pid
        self._end(worker)
        if seed is None:  # it had nothing to do: nothing is lost
            return None
        stderr = _tail(worker.directory / STDERR)
        last = stderr.strip().splitlines()[-1:] if "status" in kind else []
        why = f"the worker (process {pid}) {kind}" + "".join(f": {part}" for part in (detail, *last) if part)
        return Lost(seed, f"the worker {kind}", why, worker.directory, stderr)

    def _end(self, worker: _Worker) -> None:
        """End a worker's process, whatever it does, and forget it. Between seeds it holds nothing worth a farewell."""
        self._selector.unregister(worker.output)
        worker.process.kill()
        worker.process.wait()
        for pipe in (worker.process.stdin, worker.process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        self._workers.remove(worker)

    def _until_limit(self) -> float:
        now = self._clock()
        left = [worker.given_at + self._limit_s - now for worker in self._workers if worker.seed is not None]
        return min(left, default=self._limit_s)


def _environment() -> dict[str, str]:
    """Return the environment of a worker, which is to import this very harness."""
    root = str(Path(harness.__file__).parents[1])
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))}


def ending(status: int) -> str:
    """Say how a process ended."""
    if status >= 0:
        return f"ended with status {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    return f"was killed by {name}"


def _tail(path: Path) -> str:
    data = path.read_bytes() if path.exists() else b""
    return data[-STDERR_TAIL_BYTES:].decode(errors="replace")
