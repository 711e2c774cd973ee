"""A volume without FUSE in front of it: what lies in the folder is what the model says, whatever is done and lost."""

from __future__ import annotations

import contextlib
import errno
import os
import random
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nemesis.fuse import mount
from nemesis.fuse.volume import Volume
from nemesis.inode import Directory
from nemesis.troubled import TroubledDisk, never
from nemesis.undo import Arrival

PATHS = ("/a", "/b", "/d", "/d/a", "/d/e", "/d/e/b")


def lying_there(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def modelled(volume: Volume) -> dict[str, bytes]:
    return {path: inode.content.read(0, inode.content.size()) for path, inode in volume.disk.folder.walk()}


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def write(volume: Volume, path: str, data: bytes) -> None:
    """Write to the end of a file and close it."""
    try:
        handle = volume.create(path, 0o644)
    except FileExistsError:
        handle = volume.open(path, os.O_RDWR)
    volume.write(handle, volume.stat(path, handle).st_size, data)
    volume.release(handle)


def sync(volume: Volume, path: str) -> None:
    is_folder = isinstance(volume._find(path), Directory)
    handle = volume.open_folder(path) if is_folder else volume.open(path, os.O_RDWR)
    volume.sync(handle)
    volume.release(handle)


kinds = ("write", "write", "sync", "sync", "mkdir", "remove", "rmdir", "rename", "rename", "link", "hide", "power")
steps = st.lists(
    st.tuples(
        st.sampled_from(kinds), st.sampled_from(PATHS), st.sampled_from((*PATHS, "/")), st.sampled_from(tuple(Arrival))
    ),
    max_size=40,
)


def do(volume: Volume, kind: str, path: str, other: str, arrival: Arrival, number: int) -> None:
    match kind:
        case "write":
            write(volume, path, bytes([number + 1]) * 700)
        case "sync":
            sync(volume, other)
        case "mkdir":
            volume.make_folder(path, 0o755)
        case "remove":
            volume.remove(path)
        case "rmdir":
            volume.remove_folder(path)
        case "rename":
            volume.rename(path, other)
        case "link":
            volume.link(path, other)
        case "hide":
            volume.hide(path, f"/.fuse_hidden{number}")
            volume.rename(other, path)
            volume.remove(f"/.fuse_hidden{number}")
        case _:
            volume.lose_power(arrival, random.Random(number).randrange)


@settings(deadline=None)
@given(steps)
def test_what_lies_in_the_folder_is_what_the_model_says(steps: list[tuple[str, str, str, Arrival]]) -> None:
    before = descriptors()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        volume = Volume(folder, TroubledDisk())
        for number, (kind, path, other, arrival) in enumerate(steps):
            if kind == "hide" and (path == other or not (folder / path[1:]).is_file()):
                continue
            with contextlib.suppress(OSError):
                do(volume, kind, path, other, arrival, number)
            volume.finish_hiding()
            for hidden in list(volume._hidden):
                volume.remove(hidden)
            assert lying_there(folder) == modelled(volume), (number, kind, path, other)
        volume.lose_power(Arrival.DROP, never)
        assert lying_there(folder) == modelled(volume)
        files = len({id(inode) for _, inode in volume.disk.folder.walk()})
        assert descriptors() == before + 1 + files, "a descriptor was kept of a file that is nowhere any more"
        volume.close()
        assert descriptors() == before


def test_what_was_there_before_is_durable(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "f").write_bytes(b"there")
    (tmp_path / "link").symlink_to("d/f")
    volume = Volume(tmp_path, TroubledDisk())
    write(volume, "/d/f", b", and more")
    volume.remove("/link")
    volume.lose_power(Arrival.DROP, never)
    assert lying_there(tmp_path) == {"d/f": b"there", "link": b"there"}
    volume.close()


def test_a_rename_onto_an_open_file_is_one_change(tmp_path: Path) -> None:
    volume = Volume(tmp_path, TroubledDisk())
    write(volume, "/f", b"old")
    write(volume, "/g", b"new")
    volume.disk.folder.write_back()
    volume.hide("/f", "/.fuse_hidden1")  # libfuse does this first when somebody has f open
    volume.rename("/g", "/f")
    draws = iter((1,))
    volume.lose_power(Arrival.REORDERED, lambda _: next(draws))
    assert lying_there(tmp_path) == {"f": b"new"}, "one change, one draw"
    volume.close()


def test_a_file_that_is_hidden_and_not_replaced_was_removed(tmp_path: Path) -> None:
    volume = Volume(tmp_path, TroubledDisk())
    write(volume, "/f", b"kept")
    volume.disk.folder.write_back()
    handle = volume.open("/f", os.O_RDWR)
    volume.hide("/f", "/.fuse_hidden1")
    volume.finish_hiding()
    assert (volume.stat("/.fuse_hidden1", None).st_size, modelled(volume)) == (4, {})
    with pytest.raises(FileNotFoundError):
        volume.open("/f", os.O_RDWR)
    volume.write(handle, 4, b", lost")
    volume.remove("/.fuse_hidden1")
    volume.release(handle)
    volume.lose_power(Arrival.DROP, never)
    assert lying_there(tmp_path) == {"f": b"kept"}
    volume.close()


def test_an_abandoned_sync_fails_and_makes_nothing_durable(tmp_path: Path) -> None:
    volume = Volume(tmp_path, TroubledDisk())
    write(volume, "/f", b"x")
    volume.disk.folder.write_back()
    handle = volume.open("/f", os.O_RDWR)
    volume.write(handle, 1, b"y")
    volume.abandon()
    with pytest.raises(OSError, match="killed") as failed:
        volume.sync(handle)
    assert failed.value.errno == errno.EIO
    volume.lose_power(Arrival.DROP, never)
    assert lying_there(tmp_path) == {"f": b"x"}
    volume.attach()
    volume.sync(handle)
    volume.close()


def test_a_bug_is_answered_with_an_error_and_noted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    volume = Volume(tmp_path, TroubledDisk())
    answers = mount._Answers(None, volume, lambda: None)
    with pytest.raises(OSError, match="a bug of the file system's") as answered:
        answers.read(None, 1, 0, 999)
    assert answered.value.errno == errno.EIO
    assert volume.failure == "read: KeyError: 999"
    with pytest.raises(FileNotFoundError):
        answers.open("/no", os.O_RDONLY)
    answers.create("/f", 0o644)
    assert volume.failure == "read: KeyError: 999", "an error that a program makes is none of ours"
    assert "KeyError: 999" in capsys.readouterr().err
    volume.close()


def test_what_is_neither_file_nor_folder_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="neither a file"):
        Volume(tmp_path, TroubledDisk())
