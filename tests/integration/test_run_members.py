"""A run on real processes whose members change while it goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.harness.controller import antipaxos
from tests.integration.local_support import require_namespaces

pytestmark = pytest.mark.integration

SCENARIO = """
name = "members"
seed = 1
nodes = 5
time = "9s"
rate = 100
faults = []

[[schedule]]
at = "1s"
until = "8s"
fault = { type = "membership", target = "n4+n5" }

[[schedule]]
at = "2s"
until = "4s"
fault = { type = "membership", target = "leader" }

[[schedule]]
at = "2500ms"
until = "3500ms"
fault = { type = "partition", shape = "one" }

[[schedule]]
at = "5s"
until = "7s"
fault = { type = "membership", mode = "replace", target = "n1" }

[[schedule]]
at = "5500ms"
until = "6500ms"
fault = { type = "kill", target = "one" }
"""


def test_members_are_removed_and_replaced_and_nothing_is_lost(tmp_path: Path) -> None:
    require_namespaces("userns")
    (tmp_path / "members.toml").write_text(SCENARIO)
    done = antipaxos(tmp_path, "run", tmp_path / "members.toml", "--json")
    assert (done.status, done.json["verdict"]) == (0, "valid"), done.json["sentence"]
    changes = [fault for fault in done.json["faults"] if fault["kind"] == "membership"]
    assert [fault["status"] for fault in changes] == ["installed"] * 3
    assert all(fault["healed"] for fault in changes)
    spares, _, replaced = changes
    assert "n4: removed; members n1, n2, n3, n5 (change 1)" in spares["evidence"]
    assert spares["evidence"][-1].startswith("n5: a member again; members n1, n2, n3, n4, n5 (change ")
    assert replaced["what"].endswith(" in place of n1") or " in place of n1 (leader: n1)" in replaced["what"]
    assert len({node["digest"] for node in done.json["node_summaries"]}) == 1
