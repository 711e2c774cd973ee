"""The exhibits as the harness sees them: a planted bug, its story, its scenario, and what counts as a catch."""

from __future__ import annotations

import importlib
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from harness.exploration.findings import Finding
from harness.scenario import Scenario, ScenarioError, changed, from_data
from node import museum
from node.assembly import UnknownBugError, bug_names

NAME_PREFIX = "museum-"
_LITERAL_BRACKET = re.compile(r"\[")


@dataclass(frozen=True, slots=True)
class Exhibit:
    """A planted bug with all that belongs to it. ``scenario`` has the bug and no seed."""

    name: str
    story: str
    scenario: Scenario
    caught_by: tuple[str, ...]
    checkers_alone: tuple[str, ...]
    real: Exhibit | None = None
    """The same bug as it is shown on real processes, if that takes another scenario."""

    @property
    def title(self) -> str:
        """The story's first line."""
        return self.story.partition("\n")[0]

    @property
    def healthy(self) -> Scenario:
        """The same scenario without the bug."""
        return without_bug(self.scenario)

    def catches(self, finding: Finding, *, invariants: bool = True) -> bool:
        """Say whether a finding is what this bug must be caught by."""
        said = f"{finding.signature.checker}: {finding.signature.kind}"
        return any(matches(said, pattern) for pattern in (self.caught_by if invariants else self.checkers_alone))


def matches(said: str, pattern: str) -> bool:
    """Compare with a pattern in which ``*`` is anything and all else is itself."""
    return fnmatchcase(said, _LITERAL_BRACKET.sub("[[]", pattern).replace("?", "[?]"))


def without_bug(scenario: Scenario) -> Scenario:
    """Return a scenario for the healthy node."""
    return from_data({key: getattr(scenario, key) for key in scenario.__struct_fields__ if key != "bug"})


def exhibit(name: str) -> Exhibit:
    """Return an exhibit. Raises UnknownBugError, ScenarioError naming its file."""
    if name not in bug_names():
        raise UnknownBugError(f"no planted bug is named {name!r}; there are: {', '.join(bug_names())}")
    module = importlib.import_module(f"node.bugs.{name.replace('-', '_')}")
    shown: museum.Exhibit = module.EXHIBIT
    story = (module.__doc__ or "").strip()
    real = None
    if shown.real is not None:
        scenario = _scenario(name, shown.real.scenario, f"{module.__file__}: EXHIBIT.real")
        real = Exhibit(name, story, scenario, shown.real.caught_by, shown.real.caught_by)
    scenario = _scenario(name, shown.scenario, f"{module.__file__}: EXHIBIT.scenario")
    return Exhibit(name, story, scenario, shown.caught_by, shown.checkers_alone, real)


def _scenario(name: str, text: str, where: str) -> Scenario:
    try:
        data = {"name": f"{NAME_PREFIX}{name}", "place": "simulated", **tomllib.loads(text)}
        return changed(from_data(data), bug=name)
    except (ScenarioError, tomllib.TOMLDecodeError) as error:
        raise ScenarioError(f"{where}: {error}") from error


def exhibits(names: Sequence[str] = ()) -> tuple[Exhibit, ...]:
    """Return the named exhibits in that order, or all of them by name. Raises UnknownBugError, ScenarioError."""
    return tuple(exhibit(name) for name in (names or bug_names()))
