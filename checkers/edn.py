"""EDN, the notation in which Jepsen and Knossos write histories (github.com/edn-format/edn).

Written here because a history must be read in full or refused in the right place: every error names a line,
nesting and size are bounded, and nothing is guessed. A file cut off in the middle of a map is an error, not a
shorter history.

What becomes what: vectors are tuples, lists are ``EdnList`` (a tuple), sets are frozensets, maps are
``EdnMap``. Keywords, symbols and characters are strings of their own types: ``:read`` equals ``"read"``,
which is what a model wants to compare with, and is still written back as ``:read``. Integers have no bound
(the suffix N is accepted), decimals with the suffix M are ``Decimal``, ratios ``Fraction``. A set or map
whose elements collide under these equalities is refused instead of silently losing one. Namespaced maps and
metadata are refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import inf, isinf, isnan, nan
from typing import Any, Final


class EdnError(ValueError):
    """Text that is not EDN, or beyond the limits. ``line`` counts from 1."""

    def __init__(self, line: int, message: str) -> None:
        self.line = line
        self.message = message
        super().__init__(f"line {line}: {message}")


class Keyword(str):
    """``:name``; the string is the name without the colon."""

    __slots__ = ()


class Symbol(str):
    """``name``."""

    __slots__ = ()


class Char(str):
    """``\\a``; the string is the character."""

    __slots__ = ()


class EdnList(tuple[Any, ...]):
    """``(a b c)``. Equal to the vector of the same elements, as in Clojure."""

    __slots__ = ()


class EdnMap(Mapping[Any, Any]):
    """``{k v}``: a mapping that never changes and can be hashed, hence be an element of a set."""

    __slots__ = ("_entries",)

    def __init__(self, entries: Iterable[tuple[Any, Any]] = ()) -> None:
        self._entries = dict(entries)

    def __getitem__(self, key: Any) -> Any:
        return self._entries[key]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __hash__(self) -> int:
        return hash(frozenset(self._entries.items()))

    def __repr__(self) -> str:
        return f"EdnMap({list(self._entries.items())!r})"


@dataclass(frozen=True)
class Tagged:
    """``#tag value``."""

    tag: str
    value: Any


@dataclass(frozen=True)
class EdnLimits:
    """Bounds of what is read: nesting, characters of one token, and values in all."""

    depth: int = 64
    token_chars: int = 16 * 1024 * 1024
    values: int = 200_000_000


_BLANK: Final = re.compile(r"(?:[\s,]|;[^\n]*(?:\n|\Z))*")
_STRING: Final = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_CHAR: Final = re.compile(
    r"\\(u[0-9a-fA-F]{4}|newline|return|space|tab|formfeed|backspace|.)(?![^\s,;\"()\[\]{}\\])", re.DOTALL
)
_TOKEN: Final = re.compile(r"[^\s,;\"()\[\]{}\\]+")
_INTEGER: Final = re.compile(r"([+-]?(?:0|[1-9][0-9]*))N?")
_DECIMAL: Final = re.compile(r"([+-]?(?:0|[1-9][0-9]*)(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?)(M?)")
_RATIO: Final = re.compile(r"([+-]?[0-9]+)/([0-9]+)")
_ESCAPE: Final = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_ESCAPES: Final = {"t": "\t", "r": "\r", "n": "\n", "\\": "\\", '"': '"', "b": "\b", "f": "\f"}
_CHARS: Final = {
    "newline": "\n",
    "return": "\r",
    "space": " ",
    "tab": "\t",
    "formfeed": "\f",
    "backspace": "\b",
}
_CONSTANTS: Final[Mapping[str, Any]] = {"nil": None, "true": True, "false": False}
_SYMBOLIC: Final = {"Inf": inf, "-Inf": -inf, "NaN": nan}
_CLOSING: Final = {"[": "]", "(": ")", "{": "}", "#{": "}"}
_SYMBOL: Final = re.compile(r"(?:[^\s\d#:'+.-]|[+.-](?!\d))[^\s#]*")
_DISCARDED: Final = object()


class Reader:
    """Reads the values of a text one after another.

    ``line`` is where the next value begins, so that a caller can name the place of what it refuses itself.
    """

    def __init__(self, text: str, limits: EdnLimits | None = None, *, first_line: int = 1) -> None:
        self._text = text
        self._limits = limits or EdnLimits()
        self._at = 0
        self._line = first_line
        self._line_at = 0  # up to where _line has been counted
        self._values = 0

    @property
    def line(self) -> int:
        """The line of the reading position."""
        self._line += self._text.count("\n", self._line_at, self._at)
        self._line_at = self._at
        return self._line

    def values(self) -> Iterator[tuple[int, Any]]:
        """Every value with its line. Raises EdnError."""
        while self._more():
            line = self.line
            value = self._value(0)
            if value is not _DISCARDED:
                yield line, value

    def elements(self) -> Iterator[tuple[int, Any]]:
        """Every element, with its line, of the one vector or list at the reading position. Raises EdnError."""
        if not self.at_collection():
            raise self._error("expected a vector or a list")
        opening = self._text[self._at]
        opened_line = self.line
        self._at += 1
        while self._more() and self._text[self._at] != _CLOSING[opening]:
            line = self.line
            value = self._value(1)
            if value is not _DISCARDED:
                yield line, value
        if not self._more():
            raise self._error(f"the {opening} of line {opened_line} is never closed: the text is cut off")
        self._at += 1

    def at_collection(self) -> bool:
        """Whether a vector or a list comes next."""
        return self._more() and self._text[self._at] in "[("

    def at_end(self) -> bool:
        """Whether nothing but blanks and comments is left."""
        return not self._more()

    def _error(self, message: str) -> EdnError:
        return EdnError(self.line, message)

    def _more(self) -> bool:
        blank = _BLANK.match(self._text, self._at)
        if blank is not None:
            self._at = blank.end()
        return self._at < len(self._text)

    def _value(self, depth: int) -> Any:
        self._values += 1
        if depth > self._limits.depth:
            raise self._error(f"nested deeper than {self._limits.depth}")
        if self._values > self._limits.values:
            raise self._error(f"more than {self._limits.values} values")
        if not self._more():
            raise self._error("the text is cut off")
        first = self._text[self._at]
        if first in "[({":
            return self._collection(first, depth)
        if first == '"':
            return self._string()
        if first == "\\":
            return self._char()
        if first == "#":
            return self._dispatch(depth)
        if first in "])}":
            raise self._error(f"{first} closes nothing")
        return self._atom(self._token())

    def _dispatch(self, depth: int) -> Any:
        if self._text.startswith("#{", self._at):
            return self._collection("#{", depth)
        if self._text.startswith("#_", self._at):
            self._at += 2
            while self._value(depth + 1) is _DISCARDED:
                pass  # "#_ #_ a b" discards both
            return _DISCARDED
        if self._text.startswith("##", self._at):
            self._at += 2
            name = self._token()
            if name not in _SYMBOLIC:
                raise self._error(f"unknown symbolic value ##{name[:40]}")
            return _SYMBOLIC[name]
        self._at += 1
        tag = self._token()
        if not tag[0].isalpha():
            raise self._error(f"#{tag[:40]} is not a tag")
        return Tagged(tag, self._present(depth + 1))

    def _present(self, depth: int) -> Any:
        value = self._value(depth)
        while value is _DISCARDED:
            value = self._value(depth)
        return value

    def _collection(self, opening: str, depth: int) -> Any:
        opened_line = self.line
        closing = _CLOSING[opening]
        self._at += len(opening)
        items: list[Any] = []
        while True:
            if not self._more():
                raise self._error(f"the {opening} of line {opened_line} is never closed: the text is cut off")
            if self._text[self._at] == closing:
                self._at += 1
                return self._built(opening, items)
            value = self._value(depth + 1)
            if value is not _DISCARDED:
                items.append(value)

    def _built(self, opening: str, items: list[Any]) -> Any:
        if opening == "[":
            return tuple(items)
        if opening == "(":
            return EdnList(items)
        if opening == "#{":
            elements = frozenset(items)
            if len(elements) != len(items):
                raise self._error("a set holds an element twice")
            return elements
        if len(items) % 2:
            raise self._error("a map has a key without a value")
        built = EdnMap(zip(items[::2], items[1::2], strict=True))
        if len(built) * 2 != len(items):
            raise self._error("a map holds a key twice")
        return built

    def _token(self) -> str:
        found = _TOKEN.match(self._text, self._at)
        if found is None:
            rest = self._text[self._at : self._at + 1]
            raise self._error(f"unexpected {rest!r}" if rest else "the text is cut off")
        if found.end() - self._at > self._limits.token_chars:
            raise self._error(f"a token of more than {self._limits.token_chars} characters")
        self._at = found.end()
        return found.group()

    def _atom(self, token: str) -> Any:
        if token in _CONSTANTS:
            return _CONSTANTS[token]
        if token[0] == ":":
            if len(token) == 1 or token[1] == ":" or "#" in token:
                raise self._error(f"{token[:40]} is not a keyword")
            return Keyword(token[1:])
        if token[0].isdigit() or (token[0] in "+-" and token[1:2].isdigit()):
            return self._number(token)
        if _SYMBOL.fullmatch(token) is None:
            raise self._error(f"cannot read {token[:40]!r}")
        return Symbol(token)

    def _number(self, token: str) -> Any:
        try:
            if found := _INTEGER.fullmatch(token):
                return int(found.group(1))
            if found := _DECIMAL.fullmatch(token):
                return Decimal(found.group(1)) if found.group(2) else float(found.group(1))
            if (found := _RATIO.fullmatch(token)) and int(found.group(2)):
                return Fraction(int(found.group(1)), int(found.group(2)))
        except ValueError as error:  # more digits than Python converts
            raise self._error(f"number too long: {error}") from error
        raise self._error(f"{token[:40]!r} is not a number")

    def _string(self) -> str:
        found = _STRING.match(self._text, self._at)
        if found is None:
            raise self._error("a string is never closed: the text is cut off")
        raw = found.group(1)
        if len(raw) > self._limits.token_chars:
            raise self._error(f"a string of more than {self._limits.token_chars} characters")
        text = _ESCAPE.sub(self._unescape, raw) if "\\" in raw else raw
        self._at = found.end()
        return text

    def _unescape(self, found: re.Match[str]) -> str:
        code = found.group(1)
        if code in _ESCAPES:
            return _ESCAPES[code]
        if len(code) == 5:
            return chr(int(code[1:], 16))
        raise self._error(f"unknown escape \\{code} in a string")

    def _char(self) -> Char:
        found = _CHAR.match(self._text, self._at)
        if found is None:
            raise self._error("not a character")
        self._at = found.end()
        name = found.group(1)
        if len(name) == 5 and name[0] == "u":
            return Char(chr(int(name[1:], 16)))
        return Char(_CHARS.get(name, name))


def read_all(text: str, limits: EdnLimits | None = None) -> list[Any]:
    """Every value in the text. Raises EdnError."""
    return [value for _, value in Reader(text, limits).values()]


def read_one(text: str, limits: EdnLimits | None = None) -> Any:
    """The one value in the text. Raises EdnError, also when there are none or several."""
    found = read_all(text, limits)
    if len(found) != 1:
        raise EdnError(1, f"expected one value, found {len(found)}")
    return found[0]


def write(value: Any) -> str:
    """The value as EDN on one line. Raises TypeError for what EDN cannot express."""
    for kind, writer in _WRITERS:
        if isinstance(value, kind):
            return writer(value)
    raise TypeError(f"EDN cannot express {type(value).__name__}")


def _write_str(text: str) -> str:
    quoted = {ord(char): "\\" + code for code, char in _ESCAPES.items()}
    return '"' + text.translate(quoted) + '"'


def _write_char(char: Char) -> str:
    for name, plain in _CHARS.items():
        if plain == char:
            return "\\" + name
    return "\\" + char if char.isprintable() and len(char) == 1 else f"\\u{ord(char):04x}"


def _write_float(number: float) -> str:
    if isnan(number):
        return "##NaN"
    if isinf(number):
        return "##Inf" if number > 0 else "##-Inf"
    return repr(number)


def _write_int(number: int) -> str:
    return str(number) if -(2**63) <= number < 2**63 else f"{number}N"


def _write_decimal(number: Decimal) -> str:
    if not number.is_finite():
        raise TypeError("EDN cannot express a decimal that is not finite")
    return f"{number}M"


def _write_items(opening: str, items: Iterable[Any]) -> str:
    return opening + " ".join(map(write, items)) + _CLOSING[opening]


def _write_map(value: Mapping[Hashable, Any]) -> str:
    return "{" + ", ".join(f"{write(key)} {write(item)}" for key, item in value.items()) + "}"


def _write_set(value: frozenset[Any]) -> str:
    return "#{" + " ".join(sorted(map(write, value))) + "}"  # sorted: the same text for the same set


_WRITERS: Final[tuple[tuple[type[Any] | tuple[type[Any], ...], Callable[[Any], str]], ...]] = (
    (type(None), lambda _: "nil"),
    (bool, lambda value: "true" if value else "false"),
    (Keyword, lambda value: f":{value}"),
    (Symbol, str.__str__),
    (Char, _write_char),
    (str, _write_str),
    (int, _write_int),
    (float, _write_float),
    (Decimal, _write_decimal),
    (Fraction, lambda value: f"{value.numerator}/{value.denominator}"),
    (Tagged, lambda value: f"#{value.tag} {write(value.value)}"),
    (EdnList, lambda value: _write_items("(", value)),
    ((tuple, list), lambda value: _write_items("[", value)),
    ((set, frozenset), _write_set),
    (Mapping, _write_map),
)
