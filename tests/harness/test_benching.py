"""The benchmark's own parts: its clients speak the protocols they claim to, and its figures are what they say."""

from __future__ import annotations

import asyncio
import json
import math
import struct
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from harness.benching import raw
from harness.benching.bench import ETCD, NODE, PIPELINE, Figure, Report, Swept, critical
from harness.benching.lanes import EtcdLane, LaneError, Meter, OurLane
from harness.benching.load import Order, percentile_ms
from harness.benching.rivals import _shares
from harness.benching.screen import markdown, tables
from harness.cli import app
from node import wire
from node.kv import Result, Write
from node.paxos.counters import Counters

SESSION = 1 << 20


class Transport:
    """What a lane writes, kept."""

    def __init__(self) -> None:
        self.written = b""

    def write(self, data: bytes) -> None:
        self.written += data

    def abort(self) -> None:
        pass

    def take(self) -> bytes:
        taken, self.written = self.written, b""
        return taken


def in_a_loop(main: Any) -> None:
    asyncio.run(main())


def lane_on(kind: type[OurLane | EtcdLane], depth: int) -> tuple[Any, Transport, Meter]:
    meter, transport = Meter(), Transport()
    meter.counting = True
    lane = kind(7, depth, "v" * 64, meter)
    lane.connection_made(transport)  # type: ignore[arg-type]
    return lane, transport, meter


def requests(data: bytes) -> list[wire.Request]:
    return [wire.decode_request(frame) for frame in wire.FrameReader(1 << 20).feed(data)]


def test_a_lane_of_ours_opens_a_session_and_keeps_as_many_writes_under_way() -> None:
    async def main() -> None:
        lane, transport, meter = lane_on(OurLane, 3)
        hello, opening = wire.FrameReader(1 << 20).feed(transport.take())
        assert wire.decode_hello(hello) == wire.ClientHello(wire.PROTOCOL, wire.CLUSTER)
        assert wire.decode_request(opening).body == wire.OpenSession()
        lane.data_received(wire.encode(wire.Reply(1, wire.Done(Result(True, SESSION)))))
        assert lane.ready.done()
        lane.begin()
        sent = requests(transport.take())
        sequences = []
        for request in sent:
            assert isinstance(request.body, wire.Command)
            assert (request.body.session, request.body.operation) == (SESSION, Write("k7", "v" * 64))
            assert request.body.sequence == request.number
            sequences.append(request.body.sequence)
        assert len(sequences) == 3
        replies = b"".join(wire.encode(wire.Reply(number, wire.Done(Result(True)))) for number in sequences)
        lane.data_received(replies[:-2])
        assert len(requests(transport.take())) == len(meter.latencies) == 2
        lane.data_received(replies[-2:])
        (last,) = requests(transport.take())
        assert last.number == sequences[-1] + 3
        lane.data_received(wire.encode(wire.Reply(4, wire.Refusal(wire.Reason.OVERLOADED))))
        assert "overloaded" in lane.failed

    in_a_loop(main)


def h2(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + struct.pack(">I", stream) + payload


def test_a_lane_of_etcd_counts_a_put_when_its_stream_has_ended_after_data() -> None:
    async def main() -> None:
        lane, transport, meter = lane_on(EtcdLane, 2)
        assert transport.take().startswith(EtcdLane.PREFACE)
        lane.begin()
        transport.take()
        lane.data_received(h2(4, 0, 0) + h2(6, 0, 0, b"12345678"))
        assert transport.take() == h2(4, 1, 0) + h2(6, 1, 0, b"12345678"), "settings and pings are acknowledged"
        answer = h2(1, 4, 1, b"\x88") + h2(0, 0, 1, b"put") + h2(1, 5, 1, b"\x88")
        lane.data_received(answer[:-3])
        assert len(meter.latencies) == 0
        lane.data_received(answer[-3:])
        assert len(meter.latencies) == 1
        assert h2(0, 1, 5)[3:9] in transport.take(), "the next Put is on the next stream"
        assert lane.failed is None
        lane.data_received(h2(1, 5, 3, b"\x88"))
        assert lane.failed == "a Put was refused"

    in_a_loop(main)


def test_a_connection_that_ends_is_a_failure_unless_it_was_to_end() -> None:
    async def main() -> None:
        lane, _, _ = lane_on(OurLane, 1)
        lane.connection_lost(None)
        with pytest.raises(LaneError, match="the connection ended"):
            await lane.ready
        other, _, _ = lane_on(OurLane, 1)
        other.close()
        other.connection_lost(None)
        assert other.failed is None
        other.ready.cancel()

    in_a_loop(main)


def test_percentiles_are_within_a_class_of_the_truth() -> None:
    classes = {int(math.log(us) / math.log(1.01)): 1 for us in range(100, 10_000, 500)}
    assert percentile_ms(classes, 0.5) == pytest.approx(4.6, rel=0.02)
    assert percentile_ms({}, 0.5) == 0.0


@pytest.mark.parametrize(("lanes", "processes"), [(1, 4), (5, 2), (256, 3)])
def test_shares_are_all_lanes_once(lanes: int, processes: int) -> None:
    order = Order(kind=NODE, host="h", port=1, first=0, lanes=lanes, depth=1, value_bytes=1, warm_s=1.0, count_s=1.0)
    parts = list(_shares(order, processes))
    numbers = [part.first + number for part in parts for number in range(part.lanes)]
    assert numbers == list(range(lanes))
    assert len(parts) == min(lanes, processes)


def status(node: int, busy_ms: int, commits: int) -> wire.Status:
    use = wire.WalUse(commits=commits, records=commits, busy_ns=busy_ms * 1_000_000)
    return wire.Status(node, 1, "follower", 1, (1, 1), 0, 0, "", 0, Counters(), use)


def test_the_critical_log_is_the_slowest_that_a_majority_needs() -> None:
    before = {node: status(node, 100, 10) for node in (1, 2, 3)}
    after = {1: status(1, 300, 110), 2: status(2, 900, 110), 3: status(3, 1_000, 60)}
    assert critical(before, after, 1.0) == pytest.approx((8.0, 0.8))
    five = {node: status(node, 0, 0) for node in range(1, 6)}
    busy = {node: status(node, 100 * node, 10) for node in range(1, 6)}
    assert critical(five, busy, 1.0) == pytest.approx((30.0, 0.3))


def test_the_raw_rate_is_measured_both_ways_and_nothing_is_left(tmp_path: Path) -> None:
    rate = raw.measure(tmp_path, 100, 2, 0.1)
    assert rate.appended > 0
    assert rate.zeroed > 0
    assert list(tmp_path.iterdir()) == []


def report() -> Report:
    def figure(system: str, load: tuple[int, int], *rates: float) -> Figure:
        return Figure(
            system=system, nodes=3, load=load, rates=rates, p50_ms=1, p99_ms=2, p999_ms=3, load_average=(1.0, 2.0)
        )

    swept = Swept(
        sync_us=1_000, load=(8, 32), rates=(50.0,), sync_ms=2, busy=(0.9,), device_bound=100.0, closed_bound=200.0
    )
    return Report(
        machine="a machine",
        seconds=1,
        repetitions=3,
        raw=(),
        figures=(
            figure(NODE, (1, 1), 1_000, 1_300, 1_250),
            figure(NODE, PIPELINE, 10_000, 90_000, 120_000),
            figure(ETCD, (1, 1), 500, 500, 600),
        ),
        sweep=(swept,),
        missing=("PySyncObj, 3 nodes: it is not there",),
        disturbed=(),
        load_average=(1.0, 2.0),
        etcd_version="3.4.23",
    )


def test_the_tables_say_the_median_the_ratio_the_target_and_the_noise() -> None:
    _, writes, sweep = tables(report())
    ours, piped, _ = writes.rows
    assert ours[2:5] == ("1 client", "1,250", "1,000–1,300")
    assert ours[8:10] == ("2.50", "1,200 met")
    assert piped[3] == "~90,000", "what lies so far apart is marked"
    assert piped[9] == "100,000 not met"
    assert sweep.rows == [("1 ms", "8 × 32", "50", "2.00 ms", "50%", "25%", "90%", "85% met")]
    text = markdown(report())
    assert "| our node | 3 | 1 client | 1,250 |" in text
    assert "Not measured: PySyncObj, 3 nodes: it is not there." in text
    assert "too noisy for 1 of 3 figures" in text


@pytest.mark.parametrize(
    "words",
    [("--clients", "0"), ("--clients", "1,x"), ("--nodes", "99"), ("--systems", "raft"), ("--folder", "/nowhere")],
)
def test_wrong_words_are_a_usage_error(words: tuple[str, ...]) -> None:
    result = CliRunner().invoke(app, ["bench", "node", *words])
    assert result.exit_code == 2


@pytest.mark.integration
def test_a_short_benchmark_of_our_nodes_measures_something(tmp_path: Path) -> None:
    words = ["--seconds", "0.5", "--repetitions", "1", "--nodes", "3", "--clients", "1,8", "--systems", "node"]
    page = tmp_path / "page.md"
    result = CliRunner().invoke(app, ["bench", "node", *words, "--no-sweep", "--json", "--markdown", str(page)])
    assert result.exit_code == 0, result.output
    measured = msgspec.convert(json.loads(result.stdout.splitlines()[-1]), Report)
    assert {figure.load for figure in measured.figures} == {(1, 1), (8, 1), PIPELINE}
    assert all(figure.rate > 0 and figure.p50_ms > 0 for figure in measured.figures)
    assert "our node" in page.read_text(encoding="utf-8")
