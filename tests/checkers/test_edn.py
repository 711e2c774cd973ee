"""EDN: what is written is read back, and what is damaged is refused with its line."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkers.edn import (
    Char,
    EdnError,
    EdnLimits,
    EdnList,
    EdnMap,
    Keyword,
    Reader,
    Symbol,
    Tagged,
    read_all,
    read_one,
    write,
)  # fmt: skip
from tests.examples import examples

names = st.from_regex(r"[a-z][a-z0-9*!_?<>=-]{0,8}(/[a-z]{1,3})?", fullmatch=True)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.decimals(allow_nan=False, allow_infinity=False).map(lambda number: Decimal(f"{number:f}")),
    st.fractions().filter(lambda fraction: fraction.denominator != 1),
    st.text(),
    names.map(Keyword),
    names.filter(lambda name: name not in ("nil", "true", "false")).map(Symbol),
    st.characters(exclude_categories=["Cs", "Z"]).filter(lambda char: ord(char) < 0x10000).map(Char),
)
keys = st.one_of(st.integers(), names.map(Keyword))
values: st.SearchStrategy[Any] = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(tuple),
        st.lists(inner, max_size=4).map(EdnList),
        st.frozensets(keys, max_size=4),
        st.dictionaries(keys, inner, max_size=4).map(lambda entries: EdnMap(entries.items())),
        st.tuples(names.filter(str.isalpha), inner).map(lambda pair: Tagged(*pair)),
    ),
    max_leaves=12,
)


def same(left: Any, right: Any) -> bool:
    """Equality that also tells a keyword from a string, a list from a vector and 1 from 1.0."""
    if type(left) is not type(right):
        return False
    if isinstance(left, Tagged):
        return left.tag == right.tag and same(left.value, right.value)
    if isinstance(left, tuple):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, EdnMap):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    return bool(left == right)


@examples(400)
@given(values)
def test_what_is_written_is_read_back(value: Any) -> None:
    assert same(read_one(write(value)), value)


@examples(150)
@given(values, st.data())
def test_a_text_cut_off_inside_a_collection_is_refused(value: Any, data: st.DataObject) -> None:
    text = write((value, 1))
    cut = data.draw(st.integers(1, len(text) - 1))
    with pytest.raises(EdnError):
        read_one(text[:cut])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("; a comment\n 1, ,", 1),
        ("[1 2, 3]", (1, 2, 3)),
        ('(a :b "c")', EdnList((Symbol("a"), Keyword("b"), "c"))),
        ("{:type :invoke, :value nil}", EdnMap([(Keyword("type"), Keyword("invoke")), (Keyword("value"), None)])),
        ("#{1 2}", frozenset({1, 2})),
        ("[1 #_ 2 3]", (1, 3)),
        ("[#_ #_ 1 2 3]", (3,)),
        ("[1 #_2]", (1,)),
        ("12345678901234567890N", 12345678901234567890),
        ("-3", -3),
        ("1.5e3", 1500.0),
        ("1.50M", Decimal("1.50")),
        ("2/4", Fraction(1, 2)),
        ("##-Inf", float("-inf")),
        (r'"a\n\"\\\u0041"', 'a\n"\\A'),
        (r"[\a \newline \u0041 \(]", (Char("a"), Char("\n"), Char("A"), Char("("))),
        ('#inst "2024-01-01"', Tagged("inst", "2024-01-01")),
        ("#jepsen.history.Op{:index 0}", Tagged("jepsen.history.Op", EdnMap([(Keyword("index"), 0)]))),
        ("[true false nil - + -x .y]", (True, False, None, Symbol("-"), Symbol("+"), Symbol("-x"), Symbol(".y"))),
        (":ns/name", Keyword("ns/name")),
    ],
)
def test_notation(text: str, value: Any) -> None:
    assert same(read_one(text), value)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("[1\n2", 2, r"the \[ of line 1 is never closed"),
        ("{:a 1\n:b", 2, r"the \{ of line 1 is never closed"),
        ("\n\n{:a 1 :b}", 3, "key without a value"),
        ("{:a 1\n:a 2}", 2, "a key twice"),
        ("#{1 1}", 1, "an element twice"),
        ("[\n]\n]", 3, "closes nothing"),
        ('"abc', 1, "never closed"),
        ('"a\\q"', 1, "unknown escape"),
        ("1x", 1, "not a number"),
        ("1/0", 1, "not a number"),
        ("01", 1, "not a number"),
        (":", 1, "not a keyword"),
        ("::a", 1, "not a keyword"),
        ("#", 1, "cut off"),
        ("#:ns{:a 1}", 1, "not a tag"),
        ("##Foo", 1, "unknown symbolic"),
        (r"\abc", 1, "not a character"),
        ("^{:a 1} b", 1, r"cannot read|expected one"),
        ("[1 #_]", 1, "closes nothing"),
        ("1 2", 1, "expected one value, found 2"),
        ("", 1, "found 0"),
        ("9" * 5000, 1, "number too long"),
    ],
)
def test_damage_is_refused_with_its_line(text: str, line: int, message: str) -> None:
    with pytest.raises(EdnError, match=message) as caught:
        read_one(text)
    assert caught.value.line == line


@pytest.mark.parametrize(
    ("text", "limits", "message"),
    [
        ("[" * 70 + "]" * 70, EdnLimits(), "nested deeper than 64"),
        ("#_ " * 70 + "1", EdnLimits(), "nested deeper than 64"),
        ('"' + "x" * 11 + '"', EdnLimits(token_chars=10), "more than 10 characters"),
        ("x" * 11, EdnLimits(token_chars=10), "more than 10 characters"),
        ("[1 2 3]", EdnLimits(values=3), "more than 3 values"),
    ],
)
def test_limits(text: str, limits: EdnLimits, message: str) -> None:
    with pytest.raises(EdnError, match=message):
        read_one(text, limits)


def test_several_values_come_with_their_lines() -> None:
    assert list(Reader("1\n; two\n#_ 5 2\n\n[3\n4]").values()) == [(1, 1), (3, 2), (5, (3, 4))]


def test_elements_come_with_their_lines() -> None:
    reader = Reader("; first\n[{:a 1}\n {:a 2}]\n")
    assert [line for line, _ in reader.elements()] == [2, 3]
    assert reader.at_end()


def test_a_keyword_equals_its_name_so_that_models_need_not_care() -> None:
    assert read_all(":read") == ["read"]


def test_what_edn_cannot_express_is_refused() -> None:
    with pytest.raises(TypeError, match="bytes"):
        write(b"x")
