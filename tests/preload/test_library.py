"""Where the library comes from, and what is said where it cannot be had."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from nemesis.preload import library
from nemesis.preload.library import NoLibraryError
from tests.preload.support import compiler


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An installation in which nothing is built, of a user with an empty home."""
    package = tmp_path / "package"
    package.mkdir()
    shutil.copy(library.SOURCE, package / "clock.c")
    monkeypatch.setattr(library, "SOURCE", package / "clock.c")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("CC", raising=False)
    return package


def without_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")


def test_it_is_built_once_and_then_found(bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiler()
    assert library.outlook() == ""
    first = library.find(tmp_path / "own")
    assert first.path.parent == tmp_path / "home" / ".cache" / "antipaxos"
    assert first.origin.startswith("built by ")
    without_compiler(monkeypatch)
    again = library.find(tmp_path / "own")
    assert again.path == first.path
    assert again.origin.startswith("built earlier")
    assert library.outlook() == ""
    assert list(first.path.parent.iterdir()) == [first.path]


def test_another_source_is_another_library(bare: Path, tmp_path: Path) -> None:
    compiler()
    first = library.find(tmp_path / "own")
    with (bare / "clock.c").open("a") as source:
        source.write("\n/* changed */\n")
    assert library.find(tmp_path / "own").path != first.path


def test_what_was_built_with_the_package_is_used_if_it_is_of_this_source(bare: Path, tmp_path: Path) -> None:
    compiler()
    built = bare / "_clock.cpython-311-x86_64-linux-gnu.so"
    shutil.copy(library.find(tmp_path / "own").path, built)
    assert library.find(tmp_path / "own").path == built
    with (bare / "clock.c").open("a") as source:
        source.write("\n/* changed */\n")
    assert library.find(tmp_path / "own").path != built


def test_who_has_no_home_gets_it_in_the_run_s_folder(
    bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiler()
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    found = library.find(tmp_path / "own")
    assert found.path.parent == tmp_path / "own"
    assert "the run's folder" in found.origin


def test_a_path_that_the_loader_would_split_is_not_used(
    bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiler()
    monkeypatch.setenv("HOME", str(tmp_path / "my home"))
    assert library.find(tmp_path / "own").path.parent == tmp_path / "own"


def test_without_a_compiler_one_line_says_what_to_install(
    bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_compiler(monkeypatch)
    with pytest.raises(NoLibraryError, match="no C compiler: install a C compiler") as caught:
        library.find(tmp_path / "own")
    assert str(caught.value) == library.outlook()
    assert "\n" not in str(caught.value)


def test_a_compiler_that_fails_is_quoted(bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiler()
    (bare / "clock.c").write_text("#error not today\n")
    with pytest.raises(NoLibraryError, match="not today") as caught:
        library.find(tmp_path / "own")
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "home" / ".cache" / "antipaxos").iterdir())


def test_what_cannot_be_loaded_is_not_used(bare: Path, tmp_path: Path) -> None:
    compiler()
    (bare / "_clock.so").write_bytes(b"\x7fELF" + library.source_tag().encode())
    assert library.find(tmp_path / "own").path.parent != bare
