"""Where the libraries come from, and what is said where they cannot be had."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from nemesis.preload import library
from nemesis.preload.library import CLOCK, DISK, NoLibraryError, Source
from tests.preload.support import compiler


@pytest.fixture(params=[CLOCK, DISK], ids=lambda source: source.name)
def bare(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Source:
    """A library in an installation in which nothing is built, of a user with an empty home."""
    source: Source = request.param
    package = tmp_path / "package"
    package.mkdir()
    shutil.copy(source.path, package)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("CC", raising=False)
    return replace(source, path=package / source.path.name)


only_the_clocks = pytest.mark.parametrize("bare", [CLOCK], indirect=True, ids=lambda source: source.name)


def change(source: Source) -> None:
    with source.path.open("a") as text:
        text.write("\n/* changed */\n")


def without_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")


def test_it_is_built_once_and_then_found(bare: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiler()
    assert library.outlook(bare) == ""
    first = library.find(tmp_path / "own", bare)
    assert first.path.parent == tmp_path / "home" / ".cache" / "antipaxos"
    assert first.origin.startswith("built by ")
    without_compiler(monkeypatch)
    again = library.find(tmp_path / "own", bare)
    assert again.path == first.path
    assert again.origin.startswith("built earlier")
    assert library.outlook(bare) == ""
    assert list(first.path.parent.iterdir()) == [first.path]


def test_another_source_is_another_library(bare: Source, tmp_path: Path) -> None:
    compiler()
    first = library.find(tmp_path / "own", bare)
    change(bare)
    assert library.find(tmp_path / "own", bare).path != first.path


@only_the_clocks
def test_what_was_built_with_the_package_is_used_if_it_is_of_this_source(bare: Source, tmp_path: Path) -> None:
    compiler()
    built = bare.path.with_name("_clock.cpython-311-x86_64-linux-gnu.so")
    shutil.copy(library.find(tmp_path / "own", bare).path, built)
    assert library.find(tmp_path / "own", bare).path == built
    change(bare)
    assert library.find(tmp_path / "own", bare).path != built


def test_who_has_no_home_gets_it_in_the_run_s_folder(
    bare: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiler()
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    found = library.find(tmp_path / "own", bare)
    assert found.path.parent == tmp_path / "own"
    assert "the run's folder" in found.origin


def test_a_path_that_the_loader_would_split_is_not_used(
    bare: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiler()
    monkeypatch.setenv("HOME", str(tmp_path / "my home"))
    assert library.find(tmp_path / "own", bare).path.parent == tmp_path / "own"
    with pytest.raises(NoLibraryError, match=r"cannot be kept anywhere: .*LD_PRELOAD cannot name"):
        library.find(tmp_path / "my own", bare)


def test_a_cache_of_somebody_elses_is_not_used(bare: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiler()
    cached = library.find(tmp_path / "own", bare)
    monkeypatch.setattr(os, "geteuid", lambda: cached.path.parent.stat().st_uid + 1)
    assert library.find(tmp_path / "own", bare).path.parent == tmp_path / "own"


def test_the_compiler_that_is_asked_for_is_used(bare: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = tmp_path / "my-cc"
    mine.symlink_to(compiler())
    monkeypatch.setenv("CC", f"{mine} -pipe")
    assert library.find(tmp_path / "own", bare).origin.startswith("built by my-cc")


def test_without_a_compiler_one_line_says_what_to_install(
    bare: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_compiler(monkeypatch)
    with pytest.raises(NoLibraryError, match="no C compiler: install a C compiler") as caught:
        library.find(tmp_path / "own", bare)
    assert str(caught.value) == library.outlook(bare)
    assert "\n" not in str(caught.value)


def test_a_compiler_that_fails_is_quoted(bare: Source, tmp_path: Path) -> None:
    compiler()
    bare.path.write_text("#error not today\n")
    with pytest.raises(NoLibraryError, match="not today") as caught:
        library.find(tmp_path / "own", bare)
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "home" / ".cache" / "antipaxos").iterdir())


def test_a_compiler_that_does_not_end_is_given_up(
    bare: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = tmp_path / "slow-cc"
    slow.write_text("#!/bin/sh\nexec sleep 600\n")
    slow.chmod(0o755)
    monkeypatch.setenv("CC", str(slow))
    monkeypatch.setattr(library, "COMPILE_LIMIT_S", 0.05)
    with pytest.raises(NoLibraryError, match=f"did not build the {bare.name} library within 0.05 s"):
        library.find(tmp_path / "own", bare)


def test_what_was_kept_and_cannot_be_loaded_is_built_again(bare: Source, tmp_path: Path) -> None:
    compiler()
    kept = tmp_path / "home" / ".cache" / "antipaxos" / bare.file_name()
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"\x7fELF")
    found = library.find(tmp_path / "own", bare)
    assert found.path == kept
    assert found.origin.startswith("built by ")


@only_the_clocks
def test_what_was_built_with_the_package_and_cannot_be_loaded_is_not_used(bare: Source, tmp_path: Path) -> None:
    compiler()
    bare.path.with_name("_clock.so").write_bytes(b"\x7fELF" + bare.mark + bare.digest().encode())
    assert library.find(tmp_path / "own", bare).path.parent != bare.path.parent
