"""The warden's control socket, spoken to directly: whatever comes over it is answered, and harms nobody."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from harness.cluster.local import channel, pids
from harness.cluster.local.messages import Answer, Ask, Close, Done, Look, Open, Opened, Refused
from tests.integration.local_support import REPOSITORY

pytestmark = pytest.mark.integration


def raw_warden(directory: Path) -> contextlib.AbstractContextManager[RawWarden]:
    return contextlib.closing(RawWarden(directory))


class RawWarden:
    """A warden whose messages are written by hand."""

    def __init__(self, directory: Path) -> None:
        self.socket, theirs = channel.pair()
        self.socket.settimeout(10)
        with theirs, (directory / "warden.log").open("ab") as log:
            self.process = subprocess.Popen(
                (sys.executable, "-P", "-m", "harness.cluster.local.warden", str(theirs.fileno())),
                env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
                stderr=log,
                pass_fds=(theirs.fileno(),),
            )

    def say(self, data: bytes) -> Answer:
        self.socket.send(data)
        packet = channel.receive(self.socket)
        assert packet is not None
        return channel.decode_answer(packet.data)

    def open(self, directory: Path) -> None:
        me = pids.identify(os.getpid())
        assert me is not None
        opened = self.say(channel.encode(Ask(1, Open("loopback", ("n1",), str(directory), me))))
        assert opened.number == 1
        assert isinstance(opened.reply, Opened)

    def close(self) -> None:
        self.socket.close()
        self.process.wait(10)


def refusal(answer: Answer) -> str:
    assert isinstance(answer.reply, Refused)
    return answer.reply.reason


@pytest.mark.parametrize(
    ("data", "number", "reason"),
    [
        (b"\xc1 no message at all", 0, "malformed request"),
        (b"x" * 70_000, 0, "longer than 65536 bytes"),
        (msgspec.msgpack.encode({"number": 7, "request": {"type": "Explode"}}), 7, "Invalid value 'Explode'"),
        (msgspec.msgpack.encode({"number": 7, "request": {"type": "Kill"}}), 7, "missing required field `node`"),
        (msgspec.msgpack.encode({"number": 7, "request": {"type": "Close", "now": 1}}), 7, "unknown field `now`"),
        (msgspec.msgpack.encode({"number": "x", "request": {"type": "Close"}}), 0, "Expected `int`, got `str`"),
        (channel.encode(Ask(7, Open("auto", ("n1",), "/", pids.Identity(1, 1)))), 7, "is open already"),
        (channel.encode(Ask(7, Look("n2"))), 7, "no node 'n2' here"),
    ],
)
def test_a_bad_request_is_answered_and_harms_nobody(data: bytes, number: int, reason: str, tmp_path: Path) -> None:
    with raw_warden(tmp_path) as warden:
        warden.open(tmp_path)
        answer = warden.say(data)
        assert answer.number == number
        assert reason in refusal(answer)
        assert warden.say(channel.encode(Ask(8, Close()))) == Answer(8, Done())
        assert warden.process.wait(10) == 0


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\xc1", "malformed request"),
        (channel.encode(Ask(1, Close())), "the first request has to be Open, not Close"),
        (channel.encode(Ask(1, Open("auto", (), "/", pids.Identity(1, 1)))), "has 1 to 64 nodes"),
        (channel.encode(Ask(1, Open("auto", ("n1", "n1"), "/", pids.Identity(1, 1)))), "of different names"),
    ],
)
def test_a_bad_first_request_is_answered(data: bytes, reason: str, tmp_path: Path) -> None:
    with raw_warden(tmp_path) as warden:
        assert reason in refusal(warden.say(data))
        assert warden.process.wait(10) == 1


def test_a_warden_without_a_controller_ends(tmp_path: Path) -> None:
    with raw_warden(tmp_path) as warden:
        warden.open(tmp_path)
        warden.socket.close()
        assert warden.process.wait(10) == 0
    assert not (tmp_path / "warden.json").exists()
