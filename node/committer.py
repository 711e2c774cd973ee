"""Group commit: a thread that makes records durable while the loop goes on.

While one sync is under way the next batch gathers; then all of it goes to the disk with one write and one sync. The
thread owns the journal: nothing else touches it between ``start`` and ``stop``. A simulator has no threads: it never
starts it, and calls ``take`` and ``commit`` when its virtual disk is ready.

A snapshot is written by the same thread, a step between two commits: so it is in nobody's way for longer than a step
takes, one thread owns the disk, and everything happens in the same order here as in the simulator.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator

from node.paxos.records import Record
from node.paxos.snapshot import Snapshot
from node.storage.journal import Journal
from node.wire import WalUse


class Committer:
    """The write-ahead log's thread.

    ``durable`` is called (in the thread) with the number of the last durable record after each commit, ``saved`` after
    each snapshot with how many segments of the log went for it, ``failed`` with the error of the first commit that
    fails; nothing is committed after that.
    """

    def __init__(
        self,
        journal: Journal,
        durable: Callable[[int], None],
        failed: Callable[[BaseException], None],
        saved: Callable[[int], None],
    ) -> None:
        self._journal = journal
        self._durable = durable
        self._failed = failed
        self._saved = saved
        self._saving: Generator[None, None, int] | None = None
        self._commit_first = False
        self.durable_upto = journal.remembered.records
        self.use = WalUse()
        """What the thread has done so far; written by it alone, read by anybody."""
        self._waiting: list[Record] = []
        self._stopping = False
        self._clock: Callable[[], int] = lambda: 0
        self._wake = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="wal", daemon=True)

    def start(self, clock: Callable[[], int]) -> None:
        """Start the thread; ``clock`` (ns) tells it how long its commits take."""
        self._clock = clock
        self._thread.start()

    def submit(self, records: list[Record]) -> None:
        """Hand records over, in order; returns at once."""
        with self._wake:
            self._waiting.extend(records)
            self._wake.notify()

    def save(self, snapshot: Snapshot) -> None:
        """Hand a snapshot over, to be written behind the records that wait; one at a time. Returns at once."""
        with self._wake:
            self._saving = self._journal.save(snapshot)
            self._commit_first = True
            self._wake.notify()

    def give_up_saving(self) -> None:
        """Leave a snapshot unfinished: what is there of it goes at the next start."""
        self._saving = None

    def stop(self) -> None:
        """Commit what is waiting, end the thread, close the journal. A snapshot stays unfinished."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        self._thread.join()
        self._journal.close()

    def take(self) -> list[Record]:
        """Take everything that waits: the next batch."""
        batch, self._waiting = self._waiting, []
        self._commit_first = False
        return batch

    @property
    def segments_recycled(self) -> int:
        """How many segments of the log were begun in the file of another one."""
        return self._journal.segments_recycled

    @property
    def saves_next(self) -> bool:
        """True if a step of the snapshot comes before the next commit: they take turns."""
        return self._saving is not None and not (self._commit_first and self._waiting)

    def save_on(self) -> bool:
        """Take the next step of the snapshot; True if a sync was begun that must end before the one after."""
        assert self._saving is not None
        self._commit_first = True
        try:
            next(self._saving)
        except StopIteration as done:
            self._saving = None
            self._saved(done.value)
            return False
        except BaseException as error:  # noqa: BLE001 - whatever it is, the node must not go on
            self._saving = None
            self._failed(error)
            return False
        return True

    def commit(self, batch: list[Record]) -> bool:
        """Make a batch durable and say so; False if that failed and nothing more may be committed."""
        try:
            upto = self._journal.commit(batch)
        except BaseException as error:  # noqa: BLE001 - whatever it is, the node must not go on
            self._failed(error)
            return False
        self.durable_upto = max(self.durable_upto, upto)
        self._durable(upto)
        return True

    def _run(self) -> None:
        while True:
            with self._wake:
                while not self._waiting and not self._stopping and self._saving is None:
                    self._wake.wait()
                stopping = self._stopping
                batch = self.take()
            begun = self._clock()
            if batch:
                if not self.commit(batch):
                    return
                self.use.busy_ns += self._clock() - begun
                self.use.commits += 1
                self.use.records += len(batch)
            elif stopping:
                return
            if self._saving is not None and not stopping:
                self.save_on()
