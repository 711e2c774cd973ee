"""Every published history within reach gets its published verdict.

The corpora are other people's and stay outside the project: see ``ANTIPAXOS_CORPORA``.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from checkers.formats import Format, LoadedHistory, load_history, suggest_model
from checkers.linearizable import Linearizable
from checkers.models import make_model
from checkers.native.library import NoLibraryError
from checkers.search import engine
from checkers.verdict import Limits, Verdict

REPOSITORY = Path(__file__).parents[2]
CORPORA = Path(os.environ.get("ANTIPAXOS_CORPORA", REPOSITORY.parent / "shared" / "corpora"))
LINEARIZABLE_LOGS = {"002", "018", "038", "048", "056", "076", "080", "092", "098", "100", "102"}

pytestmark = pytest.mark.skipif(not CORPORA.is_dir(), reason=f"no corpora at {CORPORA} (set ANTIPAXOS_CORPORA)")


def files(pattern: str) -> list[Any]:
    return [pytest.param(path, id=str(path.relative_to(CORPORA))) for path in sorted(CORPORA.glob(pattern))]


@pytest.fixture(params=["native", "python"], autouse=True)
def either_search(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTIPAXOS_SEARCH", request.param)
    try:
        engine()
    except NoLibraryError as error:
        pytest.skip(str(error))


def verdict(path: Path, model: str, initial: Any, expected_format: Format) -> Verdict:
    loaded = load_history(path)
    assert loaded.format is expected_format
    verdicts = {judged(loaded, model, initial, observes) for observes in (False, loaded.failed_cas_observes)}
    (verdict,) = verdicts  # whether failed swaps observe makes no difference to a published verdict
    return verdict


def judged(loaded: LoadedHistory, model: str, initial: Any, failed_cas_observes: bool) -> Verdict:
    made = make_model(
        model,
        initial=initial,
        nil_reads_assert=loaded.nil_reads_assert,
        failed_cas_observes=failed_cas_observes,
    )
    return Linearizable(made).check(loaded.history, Limits(time_s=None, steps=5_000_000)).verdict


@pytest.mark.parametrize("path", files("porcupine/jepsen/*.log"))
def test_etcd_logs(path: Path) -> None:
    good = path.stem.removeprefix("etcd_") in LINEARIZABLE_LOGS
    expected = Verdict.VALID if good else Verdict.INVALID
    assert verdict(path, "cas-register", None, Format.JEPSEN_LOG) is expected


@pytest.mark.parametrize("path", files("porcupine/kv/*.txt"))
def test_key_value_histories(path: Path) -> None:
    expected = Verdict.VALID if path.stem.endswith("ok") else Verdict.INVALID
    assert verdict(path, "kv-append", None, Format.KV) is expected


@pytest.mark.parametrize("path", files("knossos/cas-register/*/*.edn"))
def test_knossos_cas_registers(path: Path) -> None:
    expected = Verdict.VALID if path.parent.name == "good" else Verdict.INVALID
    assert verdict(path, "cas-register", 0, Format.EDN) is expected


@pytest.mark.parametrize("path", files("knossos/multi-register/*/*.edn"))
def test_knossos_multi_registers(path: Path) -> None:
    expected = Verdict.VALID if path.parent.name == "good" else Verdict.INVALID
    assert verdict(path, "multi-register", {"x": 0, "y": 0}, Format.EDN) is expected


@pytest.mark.parametrize("path", files("knossos/mutex/*/*.edn"))
def test_knossos_mutexes(path: Path) -> None:
    expected = Verdict.VALID if path.parent.name == "good" else Verdict.INVALID
    assert verdict(path, "mutex", None, Format.EDN) is expected


def test_the_corpora_are_there_in_numbers() -> None:
    assert len(files("porcupine/jepsen/*.log")) >= 50
    assert len(files("knossos/cas-register/*/*.edn")) >= 50


@pytest.mark.parametrize(
    ("pattern", "model"),
    [
        ("porcupine/jepsen/etcd_002.log", "cas-register"),
        ("porcupine/kv/c10-ok.txt", "kv-append"),
        ("knossos/mutex/bad/etcd.edn", "mutex"),
        ("knossos/multi-register/good/multi-register.edn", "multi-register"),
    ],
)
def test_the_model_is_suggested_by_the_operations(pattern: str, model: str) -> None:
    assert suggest_model(load_history(CORPORA / pattern).history) == model
