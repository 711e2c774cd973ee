"""One line that says how far something long has got: redrawn on a terminal, else printed now and then.

Plain lines come rarer the longer it takes, so that a night's log is no book. Nothing here reads a clock.
"""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

PLAIN_EVERY_S = 5.0
PLAIN_EVERY_PART = 0.1
"""Of the time that has passed; but at least once in ``PLAIN_EVERY_S_MAX``."""
PLAIN_EVERY_S_MAX = 60.0


class StatusLine:
    """A context manager; the line is there as long as its block lasts."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None
        self._next_plain_s = PLAIN_EVERY_S

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, elapsed_s: float, line: str, before: str = "", *, news: bool = False) -> None:
        """Show the line as it is now; on a terminal with what comes ``before`` it. News is printed at any time."""
        if self._live is not None:
            self._live.update(Text(before + line, no_wrap=True, overflow="ellipsis"), refresh=True)
        elif news or elapsed_s >= self._next_plain_s:
            self._next_plain_s = elapsed_s + min(max(PLAIN_EVERY_S, PLAIN_EVERY_PART * elapsed_s), PLAIN_EVERY_S_MAX)
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)
