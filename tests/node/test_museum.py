"""What planted bugs are made with: the count of misdeeds, and shims over a disk that change nothing by themselves."""

from __future__ import annotations

import pytest

from node.assembly import Assembly, assemble, bug_names
from node.museum import ANNOUNCEMENT, Exhibit, Misdeeds
from node.storage.shims import FileShim, ShimmedDisk
from tests.node.memory_disk import MemoryDisk


@pytest.mark.parametrize("name", bug_names())
def test_a_planted_bug_replaces_a_part_and_has_an_exhibit(name: str) -> None:
    module = __import__(f"node.bugs.{name.replace('-', '_')}", fromlist=["EXHIBIT"])
    assert isinstance(module.EXHIBIT, Exhibit)
    assert assemble(name) != Assembly()


def test_misdeeds_are_counted_and_the_first_one_is_announced() -> None:
    said: list[str] = []
    misdeeds = Misdeeds()
    misdeeds.announce = said.append
    misdeeds.happened()
    misdeeds.happened()
    assert (misdeeds.count, said) == (2, [ANNOUNCEMENT])
    misdeeds.forget()
    misdeeds.happened()
    assert (misdeeds.count, len(said)) == (1, 2)


def test_a_shim_passes_everything_on() -> None:
    below = MemoryDisk()
    disk = ShimmedDisk(below)
    file = disk.open("a", create=True)
    assert isinstance(file, FileShim)
    file.write(0, b"hello")
    file.truncate(4)
    file.sync()
    disk.sync_names()
    file.close()
    assert disk.names() == below.names() == ["a"]
    again = disk.open("a")
    assert (again.size(), again.read(1, 2)) == (4, b"el")
    disk.remove("a")
    assert below.names() == []
    with pytest.raises(FileNotFoundError):
        disk.open("a")
