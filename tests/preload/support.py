"""What tests of the clock library share: the library, a page, C programs, and many waits watched at once."""

from __future__ import annotations

import functools
import os
import selectors
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pytest

from nemesis.preload import library
from nemesis.preload.page import PAGE_VARIABLE, ClockPage

HERE = Path(__file__).parent
READY_LIMIT_S = 60.0


@functools.cache
def compiler() -> str:
    """Return the C compiler, or skip the test."""
    found = shutil.which("cc") or shutil.which("gcc")
    if found is None:
        pytest.skip(f"no C compiler on this machine: {library.REMEDY}")
    return found


def compiled(folder: Path, *options: str, source: Path = HERE / "waits.c") -> Path:
    """Return a C program, built with these options."""
    program = folder / f"{source.stem}{''.join(options)}"
    command = (compiler(), "-O2", "-pthread", *options, "-o", str(program), str(source), "-lrt")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0 and "-static" in options:
        pytest.skip(f"this machine's compiler links nothing statically: {done.stderr.splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    return program


@functools.cache
def the_library() -> Path:
    """Return the library, or skip the test with what is missing."""
    try:
        return library.find(Path("/nonexistent")).path
    except library.NoLibraryError as error:
        pytest.skip(str(error))


def environment(page: ClockPage | None) -> dict[str, str]:
    """Return the environment of a program with the library, and with this page."""
    bent = {PAGE_VARIABLE: str(page.path)} if page is not None else {}
    return {**os.environ, "LD_PRELOAD": str(the_library()), **bent}


@contextmanager
def page_in(folder: Path, epoch_ns: int = 0) -> Iterator[ClockPage]:
    """Be a page for the block."""
    page = ClockPage(folder / "page", epoch_ns)
    try:
        yield page
    finally:
        page.close()


def python(*waits: str) -> list[tuple[str, ...]]:
    """Return the command lines of Python's waits, without how long."""
    return [(sys.executable, str(HERE / "puppet.py"), wait) for wait in waits]


@dataclass(frozen=True)
class Waited:
    """A wait that has ended: after how many seconds of true time, and of the program's own."""

    name: str
    true_s: float
    own_s: float


@dataclass(frozen=True)
class Act:
    """Something to be done so long (seconds) after all waits began."""

    at_s: float
    do: Callable[[], None]


class Waits:
    """Several programs, each in one wait; all begin at once."""

    def __init__(self, commands: Sequence[tuple[str, ...]], seconds: float, page: ClockPage | None) -> None:
        self._stack = ExitStack()
        self._selector = self._stack.enter_context(selectors.DefaultSelector())
        self._running: dict[str, subprocess.Popen[str]] = {}
        for command in commands:
            self._start(command, seconds, page)

    def _start(self, command: tuple[str, ...], seconds: float, page: ClockPage | None) -> None:
        process = subprocess.Popen(
            (*command, str(round(seconds * 1_000))),
            env=environment(page),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._stack.enter_context(process)
        self._stack.callback(process.kill)
        self._running[command[-1]] = process

    def __enter__(self) -> Waits:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def watch(self, acts: Sequence[Act], limit_s: float) -> dict[str, Waited]:
        """Begin all waits, act at the given times, and return those that have ended within the limit."""
        for name, process in self._running.items():
            assert _out(process).readline() == "ready\n", name
            self._selector.register(_out(process), selectors.EVENT_READ, name)
        for process in self._running.values():
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        began, ended, due = time.monotonic(), dict[str, Waited](), sorted(acts, key=lambda act: act.at_s)
        while self._selector.get_map() and (passed := time.monotonic() - began) < limit_s:
            while due and due[0].at_s <= passed:
                due.pop(0).do()
            for key, _ in self._selector.select(min((due[0].at_s if due else limit_s) - passed, 0.05)):
                said = _out(self._running[key.data]).readline().strip()
                self._selector.unregister(key.fileobj)
                assert said.isdecimal(), f"{key.data}: {said!r}"
                ended[key.data] = Waited(key.data, time.monotonic() - began, int(said) / 1e9)
        return ended


def _out(process: subprocess.Popen[str]) -> IO[str]:
    assert process.stdout is not None
    return process.stdout
