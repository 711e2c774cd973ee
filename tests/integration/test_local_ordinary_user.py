"""The same cluster without any privilege: run by an ordinary user for real, not by root pretending."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.local_support import require_namespaces
from tests.integration.ordinary_user import environment, ordinary_folder, run_as_ordinary

pytestmark = pytest.mark.integration

ORDINARY = """
import asyncio, json, os, sys
from pathlib import Path
from harness.cluster.base import ClusterError
from harness.cluster.local.cluster import LocalCluster
from nemesis.delays import Delay
from nemesis.ground import Link, Loss, Ration, Weather
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
    cluster = LocalCluster(3, "auto", directory, capture=directory)
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
        address = cluster.addresses["n2"]
        await cluster.set_weather({Link("n1", "n2"): Weather((Delay(40_000_000, 40_000_000),))})
        late_us = int(await nodes["n1"](f"ping {address.host} {address.port} 5"))
        await cluster.set_weather({Link("n1", "n2"): Weather(losses=(Loss(1_000_000),))})
        await nodes["n1"](f"fire {address.host} {address.port} 20 0.001")
        lost = (await cluster.link_counters())[Link("n1", "n2")].lost
        broken = await cluster.reset_connections(frozenset({"n2"}))
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
    seen = {"dropped": dropped, "mechanisms": mechanisms, "late_us": late_us, "lost": lost, "broken": broken}
    print(json.dumps({**seen, "told": cluster.told()}))

asyncio.run(main(Path(sys.argv[1])))
"""


def test_an_ordinary_user_gets_the_same_cluster() -> None:
    require_namespaces("userns")
    with ordinary_folder("ordinary") as folder:
        found = run_as_ordinary(ORDINARY, folder)
        assert found["dropped"] > 0
        assert found["mechanisms"][0] == "user namespace + network namespaces"
        assert found["late_us"] >= 40_000
        assert found["lost"] >= 20
        assert found["broken"] == 2  # from n1, and the test's own
        assert (folder / "links.pcap").stat().st_size > (folder / "links-lost.pcap").stat().st_size > 24
        assert found["told"][0].startswith("capture: ")


DISKS = """
import asyncio, json, os, signal, sys
from pathlib import Path
from harness.cluster.base import Launch
from harness.cluster.local import ledger, leftovers
from harness.cluster.local.cluster import LocalCluster
from nemesis.undo import Arrival

PROGRAM = "import os, time; f = os.open('f', os.O_RDWR | os.O_CREAT); os.fsync(os.open('.', 0)); os.write(f, b'lost')"

async def main(directory, mode, how):
    cluster = LocalCluster(2, mode, directory / "cluster", disks={n: directory / n for n in ("n1", "n2")})
    await cluster.setup()
    launch = Launch((sys.executable, "-S", "-c", PROGRAM + "; time.sleep(60)"), directory / "n1", directory / "log", {})
    await cluster.spawn("n1", launch)
    while not (directory / "n1" / "f").exists() or (directory / "n1" / "f").read_bytes() != b"lost":
        await asyncio.sleep(0.01)
    await cluster.power_off("n1", Arrival.DROP)
    assert (await cluster.disk_counters("n1")).taken_back_bytes == 4
    mechanism = {ability.name: ability for ability in cluster.abilities}["disk"].mechanism
    book = ledger.read(directory / "cluster")
    if how == "teardown":
        await cluster.teardown()
    else:
        os.kill(book.warden.pid, signal.SIGKILL)
        if how == "forgotten":
            await cluster.teardown()
        while ledger.living(book):
            await asyncio.sleep(0.01)
        leftovers.find(directory / "cluster")
    left = [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(directory) in line]
    print(json.dumps({"mechanism": mechanism, "left": left, "files": sorted(os.listdir(directory / "cluster"))}))
    assert (directory / "n1" / "f").read_bytes() == b""

asyncio.run(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3]))
"""


@pytest.mark.parametrize("mode", ["userns", "loopback"])
@pytest.mark.parametrize("how", ["teardown", "forgotten", "cleaned"])
def test_an_ordinary_users_disks_forget_and_nothing_is_left_of_them(mode: str, how: str) -> None:
    require_namespaces("userns")
    with ordinary_folder(f"disks-{mode}-{how}") as folder:
        found = run_as_ordinary(DISKS, folder, mode, how)
    assert "undo journal" in found["mechanism"]
    assert (found["left"], found["files"]) == ([], ["warden.log"])


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
        abilities = {ability.name: ability for ability in cluster.abilities}
    finally:
        await cluster.teardown()
    print(json.dumps({"links": abilities["links"].mechanism, "frames": abilities["frames"].missing}))

asyncio.run(main(Path(sys.argv[1])))
"""


def test_where_namespaces_are_forbidden_auto_falls_back_and_says_what_to_do(tmp_path: Path) -> None:
    require_namespaces("userns")  # needed to take them away
    done = subprocess.run(
        (sys.executable, "-P", "-c", FORBIDDEN, str(tmp_path)),
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["links"].startswith("a TCP proxy per directed link")
    assert "nothing can be lost, doubled or overtaken by proxies: root: cannot create a network" in found["frames"]
    assert "userns: cannot create a user namespace" in found["frames"]
    assert "sysctl -w user.max_user_namespaces" in found["frames"]
