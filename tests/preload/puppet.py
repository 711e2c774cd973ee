"""One wait of a Python program, by name; it says the same as ``waits.c``.

python puppet.py <name> <milliseconds>
"""

from __future__ import annotations

import asyncio
import os
import queue
import select
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable


def event(seconds: float) -> None:
    assert not threading.Event().wait(seconds)


def get(seconds: float) -> None:
    try:
        queue.Queue[int]().get(timeout=seconds)
    except queue.Empty:
        return
    raise AssertionError


def condition(seconds: float) -> None:
    waited = threading.Condition()
    with waited:
        assert not waited.wait(seconds)


def lock(seconds: float) -> None:
    held = threading.Lock()
    held.acquire()
    assert not held.acquire(timeout=seconds)


def join(seconds: float) -> None:
    thread = threading.Thread(target=time.sleep, args=(1_000,), daemon=True)
    thread.start()
    thread.join(seconds)
    assert thread.is_alive()


def busy_threads(seconds: float) -> None:
    """Sleep while another thread wants the interpreter all the time: the GIL is handed over by a timed wait."""
    over = threading.Event()

    def spin() -> None:
        while not over.is_set():
            sum(range(100))

    threading.Thread(target=spin, daemon=True).start()
    time.sleep(seconds)
    over.set()


def with_select(seconds: float) -> None:
    here, _there = socket.socketpair()
    assert select.select([here], [], [], seconds) == ([], [], [])


def with_poll(seconds: float) -> None:
    here, _there = socket.socketpair()
    poll = select.poll()
    poll.register(here, select.POLLIN)
    assert poll.poll(seconds * 1_000) == []


def with_selector(seconds: float) -> None:
    here, _there = socket.socketpair()
    with selectors.DefaultSelector() as selector:
        selector.register(here, selectors.EVENT_READ)
        assert selector.select(seconds) == []


def receive(seconds: float) -> None:
    here, _there = socket.socketpair()
    here.settimeout(seconds)
    try:
        here.recv(1)
    except TimeoutError:
        return
    raise AssertionError


def wait_for_child(seconds: float) -> None:
    child = subprocess.Popen(("sleep", "1000"))
    try:
        child.wait(seconds)
    except subprocess.TimeoutExpired:
        return
    finally:
        child.kill()
        child.wait()
    raise AssertionError


def in_child(seconds: float) -> None:
    """Sleep in a program that this one executes: the library is inherited."""
    subprocess.run((sys.executable, "-S", "-c", f"import time; time.sleep({seconds})"), check=True)


def in_fork(seconds: float) -> None:
    pid = os.fork()
    if pid == 0:
        time.sleep(seconds)
        os._exit(0)
    os.waitpid(pid, 0)


def by_timer(seconds: float) -> None:
    signal.signal(signal.SIGALRM, lambda number, frame: None)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    signal.pause()


def on_asyncio(seconds: float) -> None:
    asyncio.run(asyncio.sleep(seconds))


def on_uvloop(seconds: float) -> None:
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(asyncio.sleep(seconds))


def with_timeout(seconds: float) -> None:
    async def wait() -> None:
        async with asyncio.timeout(seconds):
            await asyncio.Event().wait()

    try:
        asyncio.run(wait())
    except TimeoutError:
        return
    raise AssertionError


WAITS: dict[str, Callable[[float], None]] = {
    "time.sleep": time.sleep,
    "event": event,
    "queue": get,
    "condition": condition,
    "lock": lock,
    "join": join,
    "busy-threads": busy_threads,
    "select": with_select,
    "poll": with_poll,
    "selector": with_selector,
    "socket": receive,
    "child": wait_for_child,
    "in-child": in_child,
    "in-fork": in_fork,
    "setitimer": by_timer,
    "asyncio": on_asyncio,
    "uvloop": on_uvloop,
    "asyncio.timeout": with_timeout,
}


def main(name: str, milliseconds: str) -> None:
    if name == "uvloop":
        import uvloop  # noqa: F401 - before the wait begins
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    before = time.monotonic_ns()
    WAITS[name](int(milliseconds) / 1_000)
    sys.stdout.write(f"{time.monotonic_ns() - before}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
