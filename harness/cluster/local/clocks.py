"""The clocks of a local cluster's nodes: each a control page that the node's processes have mapped.

The controller writes the pages itself, so a bend is there with the next call of the program and costs no message. A
page belongs to the machine, not to the process: a node that is started again finds its clocks as they were.

Two things are kept apart. The *epoch*, by which a node's monotonic clock is ahead of this machine's, comes from a time
namespace where there are any and works for every program; else the library adds it, if it is loaded. *Bends* need the
library in the very process: what has no hold of it is known from its file (``nemesis.preload.program``), or shows by
its page, where each process that has the library notes what it reads.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.cluster.base import Ability, ClusterError, Launch
from harness.cluster.local import pids
from harness.seeds import SeedTree
from nemesis.ground import ClockBend, ClockReading
from nemesis.preload import library
from nemesis.preload.library import Library, NoLibraryError
from nemesis.preload.page import PAGE_VARIABLE, ClockPage
from nemesis.preload.program import why_unreachable

FOLDER = "clocks"
EPOCH_MAX_NS = 10**15
"""The epochs of the nodes' monotonic clocks are up to so far apart: eleven days."""
PRELOAD_VARIABLE = "LD_PRELOAD"
NOTE_LIMIT_S = 2.0
"""How long after a node's start its loader may take to load the library."""
NOTE_INTERVAL_S = 0.001


def _image(pid: int) -> str:
    """Return the file that a process runs, "" if that cannot be seen."""
    try:
        return str(Path(f"/proc/{pid}/exe").readlink())
    except OSError:
        return ""


def _has_mapped(pid: int, path: Path) -> bool:
    """Say whether a process has the page mapped now: a program that executed another one may have noted and gone."""
    try:
        return str(path) in Path(f"/proc/{pid}/maps").read_text(errors="replace")
    except PermissionError:
        return True  # not ours to look at; it has noted something
    except OSError:
        return False


@dataclass(slots=True)
class _Process:
    """A node's running process; ``out_of_reach`` says why the library has no hold of it.

    ``loaded`` is whether it has the library, None as long as nobody knows; that is so for the program in ``image``, as
    a process may execute another one (a shell that starts the node).
    """

    pid: int
    out_of_reach: str
    loaded: bool | None
    image: str = ""

    def look_again(self) -> None:
        """Forget what was known of another program than the one that runs now."""
        image = _image(self.pid)
        if image and image != self.image:
            if self.image:
                self.out_of_reach, self.loaded = "", None
            self.image = image


class LocalClocks:
    """The clocks of one cluster's nodes. ``bent``: whether they can be bent, at the cost of a library in each node."""

    def __init__(self, nodes: tuple[str, ...], directory: Path, tree: SeedTree, *, bent: bool) -> None:
        draws = tree.stream("local/epochs")
        self._epochs = {node: draws.between(1, EPOCH_MAX_NS) for node in nodes}
        self._directory = directory
        self.bent = bent
        self._namespaces = False
        self._one_epoch = ""
        self._library: Library | None = None
        self._missing = "" if bent else library.outlook()
        self._wall_over_true = time.time_ns() - time.monotonic_ns()
        self._pages: dict[str, ClockPage] = {}
        self._processes: dict[str, _Process] = {}

    def prepare(self) -> None:
        """Find or build the library; without one the cluster works all the same. Blocks while it is built."""
        try:
            self._library = library.find(self._directory)
        except NoLibraryError as error:
            self._missing = str(error)

    def open(self, one_epoch: str) -> None:
        """Make the pages; ``one_epoch`` says why there are no time namespaces ("" if there are). Raises OSError."""
        self._namespaces, self._one_epoch = not one_epoch, one_epoch
        if self._library is None:
            return
        folder = self._directory / FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        for node, epoch_ns in self._epochs.items():
            path = folder / node
            path.unlink(missing_ok=True)  # of an earlier cluster in this folder
            self._pages[node] = ClockPage(path, epoch_ns, self.namespace_ns(node))

    @property
    def abilities(self) -> tuple[Ability, ...]:
        """What can be done to clocks here, and by which means."""
        epochs = Ability("epochs", True, "time namespaces")
        if not self._namespaces:
            by_library, reason = bool(self._pages), f"nodes have one monotonic epoch: {self._one_epoch}"
            epochs = Ability(
                "epochs", by_library, "preload library" if by_library else "none", "" if by_library else reason
            )
        if self._missing:
            return Ability("clocks", False, "none", self._missing), epochs
        if self._library is None:
            return Ability("clocks", True, "preload library, not loaded: nothing here bends clocks"), epochs
        return Ability("clocks", True, f"preload library ({self._library.origin})"), epochs

    def namespace_ns(self, node: str) -> int:
        """Return by how much a time namespace shifts the node's clocks from boot."""
        return self._epochs.get(node, 0) if self._namespaces else 0

    def environment(self, node: str, given: Mapping[str, str]) -> dict[str, str]:
        """Return what the node's environment has to have in addition; other libraries stay, behind ours."""
        page = self._pages.get(node)
        if self._library is None or page is None:
            return {}
        others = given.get(PRELOAD_VARIABLE, "")
        preload = f"{self._library.path}:{others}" if others else str(self._library.path)
        return {PRELOAD_VARIABLE: preload, PAGE_VARIABLE: str(page.path)}

    def started(self, node: str, pid: int, launch: Launch, search_path: str) -> None:
        """Take note of a node's new process."""
        path = launch.environment.get("PATH", search_path)
        reason = why_unreachable(launch.argv, path, launch.directory) if self._pages else ""
        self._processes[node] = _Process(pid, reason, False if reason else None)

    def lacking(self, node: str) -> str:
        """Return why this node's clocks cannot be bent, or "" if they can."""
        process = self._processes.get(node)
        return self._missing or (process.out_of_reach if process is not None else "")

    def bend(self, node: str, bend: ClockBend) -> None:
        """Let the node's clocks run so from now on."""
        self._page(node).bend(bend)

    def jump(self, node: str, by: int) -> None:
        """Let the node's monotonic clock jump forward by some ns."""
        self._page(node).jump(by)

    def reset(self, node: str) -> None:
        """Set the node's wall clock right, but for what is done to it now."""
        self._page(node).reset()

    async def read(self, node: str) -> ClockReading:
        """Read the node's clocks as its process sees them: by its page if it has the library, else the machine's.

        What processes have read themselves is from their notes in the page; of what has no library nothing is known.

        Where there is no process, what the page says is what the next one will see.
        """
        page = self._pages.get(node)
        process = self._processes.get(node)
        if page is not None and (process is None or await self._has_library(page, process)):
            return page.read()
        true = time.monotonic_ns()
        wall_over_true = page.wall_over_true if page is not None else self._wall_over_true
        return ClockReading(true + self.namespace_ns(node), true, true + wall_over_true, seen=None)

    def doubts(self) -> tuple[str, ...]:
        """Say where a process has read something else than its page had said, and who has not read it at all."""
        return tuple(f"{node}: {doubt}" for node, page in self._pages.items() for doubt in page.doubts())

    def close(self) -> None:
        """Let go of the pages; their files stay with the run. Closing twice is harmless."""
        for page in self._pages.values():
            page.close()
        self._pages.clear()

    async def _has_library(self, page: ClockPage, process: _Process) -> bool:
        """Say whether a process has the library; one that has just begun is given a little time to load it.

        One that is gone, or was stopped before that, is given the benefit of the doubt.
        """
        deadline = time.monotonic() + NOTE_LIMIT_S
        process.look_again()
        while process.loaded is None:
            process.look_again()
            if page.note_of(process.pid) is not None and _has_mapped(process.pid, page.path):
                process.loaded = True
            elif pids.identify(process.pid) is None or pids.is_stopped(process.pid):
                return True
            elif time.monotonic() > deadline:
                process.loaded = False
                process.out_of_reach = f"process {process.pid} runs without the clock library (it was not handed on)"
            else:
                await asyncio.sleep(NOTE_INTERVAL_S)
        return process.loaded

    def _page(self, node: str) -> ClockPage:
        page = self._pages.get(node)
        if page is None:
            raise ClusterError(
                f"the clocks of {node} cannot be bent: {self._missing or 'nodes run without the library'}"
            )
        return page
