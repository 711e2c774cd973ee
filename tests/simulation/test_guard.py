"""A guard over the code that a simulated run is made of: no clock, chance or order that the seed does not give.

It walks syntax trees, so it sees what is written and not what is meant: sets are caught where a loop, a comprehension,
``list`` or its like goes over one that was made on the spot.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
HARNESS = ("plan", "seeds", "runner", "clients", "recorder", "ground", "judgement")
GUARDED = sorted(
    str(path.relative_to(REPOSITORY))
    for path in (
        *(REPOSITORY / "node").rglob("*.py"),
        *(REPOSITORY / "nemesis").rglob("*.py"),
        *(REPOSITORY / "harness" / "simulation").rglob("*.py"),
        *(REPOSITORY / "harness" / f"{name}.py" for name in HARNESS),
    )
)
SHELLS = {
    "node/server.py",
    "node/transport.py",
    "node/client.py",
    "node/console.py",
    "node/__main__.py",
    "nemesis/preload/page.py",
    "nemesis/fuse/volume.py",
}
"""What real processes have to themselves: it may read the real clock, and no simulated run goes through it."""

CLOCKS = {"time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "process_time", "sleep"}
FORBIDDEN = {
    "time": CLOCKS,
    "random": {"random", "randint", "randrange", "choice", "choices", "shuffle", "sample", "uniform", "getrandbits"}
    | {"seed", "gauss", "expovariate", "randbytes", "SystemRandom"},
    "os": {"urandom", "getrandom", "getpid"},
    "datetime": {"now", "utcnow", "today"},
    "uuid": {"uuid1", "uuid4"},
    "secrets": {"token_bytes", "token_hex", "randbelow", "choice"},
}
ORDERING = {"list", "tuple", "iter", "enumerate", "map", "filter", "zip", "reversed"}


def offences(source: str) -> Iterator[str]:
    """Yield what a source must not do, each with its line."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Attribute(value=ast.Name(id=module), attr=name) if name in FORBIDDEN.get(module, ()):
                yield f"{node.lineno}: {module}.{name}"
            case ast.ImportFrom(module=str(module), names=names):
                for alias in names:
                    if alias.name in FORBIDDEN.get(module, ()):
                        yield f"{node.lineno}: from {module} import {alias.name}"
            case ast.For(iter=over) | ast.AsyncFor(iter=over) if _is_set(over):
                yield f"{node.lineno}: a loop over a set"
            case ast.ListComp(generators=parts) | ast.DictComp(generators=parts) | ast.GeneratorExp(generators=parts):
                if any(_is_set(part.iter) for part in parts) and not _sorted_or_counted(node, source):
                    yield f"{node.lineno}: a comprehension over a set"
            case ast.Call(func=ast.Name(id=name), args=args) if name in ORDERING and any(map(_is_set, args)):
                yield f"{node.lineno}: {name}() of a set"
            case ast.Starred(value=value) if _is_set(value):
                yield f"{node.lineno}: a set unpacked"


def _is_set(node: ast.AST) -> bool:
    match node:
        case ast.Set() | ast.SetComp():
            return True
        case ast.Call(func=ast.Name(id="set" | "frozenset")):
            return True
        case ast.BinOp(left=left, op=ast.BitOr() | ast.BitAnd() | ast.Sub() | ast.BitXor(), right=right):
            return _is_set(left) or _is_set(right)
    return False


def _sorted_or_counted(inner: ast.AST, source: str) -> bool:
    """Say whether a comprehension is the argument of something to which order means nothing."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            same = any(ast.dump(arg) == ast.dump(inner) for arg in node.args)
            if same and node.func.id in ("sorted", "sum", "any", "all", "min", "max", "len", "set", "frozenset"):
                return True
    return False


@pytest.mark.parametrize("path", [path for path in GUARDED if path not in SHELLS])
def test_nothing_but_the_seed_decides(path: str) -> None:
    assert list(offences((REPOSITORY / path).read_text(encoding="utf-8"))) == []


def test_the_shells_are_there_and_the_guard_has_seen_much() -> None:
    assert set(GUARDED) >= SHELLS
    assert len(GUARDED) > 50


@pytest.mark.parametrize(
    "source",
    [
        "import time\nnow = time.monotonic()",
        "from time import time",
        "import random\nrandom.shuffle(nodes)",
        "import os\nos.urandom(8)",
        "for node in {1, 2}: pass",
        "for node in set(nodes): pass",
        "for node in set(nodes) - {me}: pass",
        "[node for node in {peer for peer in peers}]",
        "first = list(set(nodes))[0]",
        "names = [*set(nodes)]",
    ],
)
def test_the_guard_sees(source: str) -> None:
    assert list(offences(source))


@pytest.mark.parametrize(
    "source",
    [
        "for node in sorted(set(nodes)): pass",
        "import random\nstream = random.Random(seed)",
        "known = {1, 2}\nif node in known: pass",
        "count = len(set(nodes))",
        "best = max(node for node in {1, 2})",
    ],
)
def test_the_guard_leaves_alone(source: str) -> None:
    assert list(offences(source)) == []
