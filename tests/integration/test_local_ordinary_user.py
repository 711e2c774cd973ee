"""The same cluster without any privilege: run by an ordinary user for real, not by root pretending."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.local_support import REPOSITORY, require_namespaces

pytestmark = pytest.mark.integration

ORDINARY_PYTHON = Path("/usr/bin/python3.11")
NOBODY = 65534

ORDINARY = """
import asyncio, json, os, sys
from pathlib import Path
from harness.cluster.base import ClusterError
from harness.cluster.local.cluster import LocalCluster
from nemesis.ground import Link, Ration
from tests.integration.local_support import connect, hears, start_all

async def main(directory):
    assert os.geteuid() != 0
    try:
        await LocalCluster(1, "root", directory).setup()
    except ClusterError as error:
        assert "mode root does not work here" in str(error)
        assert "use mode userns" in str(error)
    else:
        raise AssertionError("mode root worked without root")
    cluster = LocalCluster(3, "auto", directory)
    await cluster.setup()
    try:
        nodes = await start_all(cluster, directory)
        await connect(cluster, nodes, "n1", "n2", "a")
        await nodes["n1"]("say a hello")
        await hears(nodes, "n2", "a", "hello")
        await cluster.cut(frozenset({Link("n1", "n2"), Link("n2", "n1")}))
        await nodes["n1"]("say a again")
        await asyncio.sleep(0.5)
        assert await nodes["n2"]("heard a") == "heard hello"
        dropped = (await cluster.link_counters())[Link("n1", "n2")].dropped
        await cluster.cut(frozenset())
        await hears(nodes, "n2", "a", "helloagain")
        await cluster.set_ration("n3", Ration(times=4, descriptor_room=0))
        rationed = await cluster.resources("n3")
        assert "with 3 competitors" in rationed.starved, rationed
        assert rationed.descriptors_free == 0
        await cluster.set_ration("n3", Ration())
        fed = await cluster.resources("n3")
        assert (fed.starved, fed.descriptors_free) == ("", None), fed
        await cluster.kill("n2")
        mechanisms = [ability.mechanism for ability in cluster.abilities]
    finally:
        await cluster.teardown()
    print(json.dumps({"dropped": dropped, "mechanisms": mechanisms}))

asyncio.run(main(Path(sys.argv[1])))
"""


def test_an_ordinary_user_gets_the_same_cluster(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become an ordinary user; and whoever is one already runs all tests as one")
    if not ORDINARY_PYTHON.exists() or sys.version_info[:2] != (3, 11):
        pytest.skip(f"{ORDINARY_PYTHON} is missing, or not of the version that the packages are installed for")
    require_namespaces("userns")
    directory = Path("/tmp") / f"antipaxos-ordinary-{os.getpid()}"  # pytest's own folder is closed to others
    directory.mkdir()
    os.chown(directory, NOBODY, NOBODY)
    try:
        done = subprocess.run(
            (ORDINARY_PYTHON, "-P", "-c", ORDINARY, str(directory)),
            env={"PYTHONPATH": ":".join([str(REPOSITORY), *packages()]), "PYTHONDONTWRITEBYTECODE": "1"},
            cwd="/",
            user=NOBODY,
            group=NOBODY,
            extra_groups=(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        assert found["dropped"] > 0
        assert found["mechanisms"][0] == "user namespace + network namespaces"
    finally:
        shutil.rmtree(directory)


FORBIDDEN = """
import asyncio, json, sys
from pathlib import Path
from harness.cluster.local import kernel
from harness.cluster.local.cluster import LocalCluster
from tests.integration.local_support import connect, hears, start_all

# A user namespace has limits of its own: with none left, this is a machine where namespaces are forbidden.
kernel.new_user_namespace()
for limit in ("max_user_namespaces", "max_net_namespaces"):
    Path("/proc/sys/user", limit).write_text("0")

async def main(directory):
    cluster = LocalCluster(3, "auto", directory)
    await cluster.setup()
    try:
        nodes = await start_all(cluster, directory)
        await connect(cluster, nodes, "n1", "n2", "a")
        await nodes["n1"]("say a hello")
        await hears(nodes, "n2", "a", "hello")
        links = {ability.name: ability for ability in cluster.abilities}["links"]
    finally:
        await cluster.teardown()
    print(json.dumps({"works": links.works, "missing": links.missing}))

asyncio.run(main(Path(sys.argv[1])))
"""


def test_where_namespaces_are_forbidden_auto_falls_back_and_says_what_to_do(tmp_path: Path) -> None:
    require_namespaces("userns")  # needed to take them away
    done = subprocess.run(
        (sys.executable, "-P", "-c", FORBIDDEN, str(tmp_path)),
        env={"PYTHONPATH": ":".join([str(REPOSITORY), *packages()])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert not found["works"]
    assert "no link can be cut: root: cannot create a network namespace" in found["missing"]
    assert "userns: cannot create a user namespace" in found["missing"]
    assert "sysctl -w user.max_user_namespaces" in found["missing"]


def packages() -> list[str]:
    return [entry for entry in sys.path if entry.endswith("site-packages")]
