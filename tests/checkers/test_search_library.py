"""Which search answers: the library that fits this source, whoever built it; else the one in Python."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

from checkers import search as face
from checkers import search_native
from checkers.history import Event, EventType, History
from checkers.models import CasRegister
from checkers.native import library
from checkers.search import Budget, engine, search
from checkers.verdict import Limits, Verdict

needs_compiler = pytest.mark.skipif(
    not any(shutil.which(name) for name in library.COMPILERS), reason="there is no C compiler"
)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of one's own, and nothing that was built with the package."""
    source = tmp_path / "package" / "search.c"
    source.parent.mkdir()
    shutil.copy(library.SOURCE, source)
    monkeypatch.setattr(library, "SOURCE", source)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "antipaxos"


@pytest.fixture
def fresh(cache: Path) -> Path:
    """A process that has not looked for the library yet."""
    face._native.cache_clear()
    return cache


@pytest.fixture(autouse=True)
def forget() -> object:
    yield
    face._native.cache_clear()
    return None


def verdict_of_a_wrong_read(first: int = 0) -> Verdict:
    kinds = [("invoke", None), ("ok", 1)]
    events = [Event(first + n, None, 0, EventType(kind), "read", value) for n, (kind, value) in enumerate(kinds)]
    return search(History(events).operations(), CasRegister(0), Budget(Limits(time_s=None))).verdict


@needs_compiler
def test_it_is_built_once_and_kept(cache: Path) -> None:
    search_native.load()
    (built,) = cache.iterdir()
    assert built.name.startswith("search-")
    stamp = built.stat().st_mtime_ns
    search_native.load()
    assert [path.stat().st_mtime_ns for path in cache.iterdir()] == [stamp]


@needs_compiler
def test_the_source_compiles_without_a_warning(tmp_path: Path) -> None:
    compiler = next(found for name in library.COMPILERS if (found := shutil.which(name)))
    strict = ("-Wall", "-Wextra", "-Wshadow", "-Wconversion", "-Wpedantic", "-Werror")
    command = (compiler, *library.FLAGS, *strict, "-o", str(tmp_path / "search.so"), str(library.SOURCE))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@needs_compiler
def test_one_of_another_source_is_not_used(cache: Path) -> None:
    search_native.load()
    (old,) = cache.iterdir()
    beside = library.SOURCE.parent / "_search.cpython-311-x86_64-linux-gnu.so"
    shutil.copy(old, beside)
    with library.SOURCE.open("a") as file:
        file.write("/* moved on */\n")
    search_native.load()
    assert len(list(cache.iterdir())) == 2


@needs_compiler
def test_what_was_built_with_the_package_comes_first(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    search_native.load()
    (built,) = cache.iterdir()
    shutil.move(built, library.SOURCE.parent / "_search.abi3.so")
    monkeypatch.setattr(library, "COMPILERS", ())
    monkeypatch.setenv("CC", "")
    search_native.load()
    assert list(cache.iterdir()) == []


def test_one_that_does_not_load_is_no_library(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = hashlib.sha256(library.SOURCE.read_bytes()).hexdigest()
    (library.SOURCE.parent / "_search.so").write_bytes(library.MARK + digest.encode())
    monkeypatch.setattr(library, "COMPILERS", ())
    monkeypatch.setenv("CC", "")
    with pytest.raises(library.NoLibraryError, match="there is no C compiler"):
        library.find()


def test_without_a_compiler_python_answers(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "COMPILERS", ())
    monkeypatch.setenv("CC", "")
    assert engine() is None
    assert verdict_of_a_wrong_read() is Verdict.INVALID
    assert not fresh.exists()
    monkeypatch.setenv("ANTIPAXOS_SEARCH", "native")
    with pytest.raises(library.NoLibraryError, match="there is no C compiler"):
        engine()


@needs_compiler
def test_a_compiler_that_fails_says_why(cache: Path) -> None:
    library.SOURCE.write_text("#error nothing will come of this\n")
    with pytest.raises(library.NoLibraryError, match="nothing will come of this"):
        library.find()
    assert list(cache.iterdir()) == []


def test_a_cache_that_cannot_be_made_is_no_cache(cache: Path) -> None:
    cache.parent.write_text("a file")
    with pytest.raises(library.NoLibraryError, match="search's library"):
        library.find()


def test_one_or_the_other_can_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTIPAXOS_SEARCH", "python")
    assert engine() is None
    monkeypatch.setenv("ANTIPAXOS_SEARCH", "fortran")
    with pytest.raises(ValueError, match="neither native nor python"):
        engine()


def test_indexes_that_are_no_numbers_in_c_are_searched_in_python() -> None:
    assert verdict_of_a_wrong_read(2**70) is Verdict.INVALID
