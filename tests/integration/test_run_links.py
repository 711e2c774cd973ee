"""Runs on real nodes whose links are bad: the same scenario file as in simulation, with its evidence."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.cluster.local.capture import DELIVERED, LOST
from tests.harness.controller import antipaxos
from tests.integration.local_support import REPOSITORY, require_namespaces

pytestmark = pytest.mark.integration

SCENARIO = REPOSITORY / "examples" / "bad-links.toml"
DONE = ("delayed", "lost", "throttled", "doubled", "clogged", "connections broken")
STREAMS = """
time = "8s"
nodes = 3
rate = 100
faults = []
[[schedule]]
at = "1s"
until = "3s"
fault = { type = "link", delay_min_us = 5000, delay_max_us = 40000, rate_kbit_per_s = 4000 }
[[schedule]]
at = "3s"
until = "5s"
fault = { type = "link-clog", target = "leader" }
[[schedule]]
at = "5s"
until = "6s"
fault = { type = "reset", target = "all" }
"""


@pytest.mark.parametrize("place", ["simulated", "local"])
def test_one_file_breaks_links_in_both_places(place: str, tmp_path: Path) -> None:
    if place == "local":
        require_namespaces("userns")
    words = ["--pcap"] if place == "local" else []
    done = antipaxos(tmp_path, "run", SCENARIO, "--place", place, *words, "--json")
    assert done.status == 0, done.err
    assert done.json["verdict"] == "valid"
    faults = done.json["faults"]
    assert [fault["status"] for fault in faults] == ["installed"] * len(DONE)
    for fault, done_to in zip(faults, DONE, strict=True):
        assert any(done_to in sentence for sentence in fault["evidence"]), (done_to, fault["evidence"])
    if place == "local":
        (note,) = [note for note in done.json["notes"] if note.startswith("capture: ")]
        folder = Path(done.json["store"])
        assert str(folder / DELIVERED) in note
        assert f"note: {note}" in done.err
        assert str(folder / DELIVERED) in (folder / "report.html").read_text()
        assert (folder / DELIVERED).stat().st_size > (folder / LOST).stat().st_size > 24


def test_proxies_do_what_streams_allow(tmp_path: Path) -> None:
    scenario = tmp_path / "streams.toml"
    scenario.write_text(STREAMS)
    done = antipaxos(tmp_path, "run", scenario, "--mode", "loopback", "--seed", "1", "--json")
    assert done.status == 0, done.err
    assert [fault["status"] for fault in done.json["faults"]] == ["installed"] * 3
    late, clogged, _ = ("; ".join(fault["evidence"]) for fault in done.json["faults"])
    assert "chunks on the disturbed links" in late and "throttled" in late
    assert "clogged" in clogged


def test_a_simulated_run_has_no_frames_to_capture(tmp_path: Path) -> None:
    done = antipaxos(tmp_path, "run", SCENARIO, "--place", "simulated", "--pcap")
    assert done.status == 2
    assert "--pcap: only a run on local has frames" in done.err
