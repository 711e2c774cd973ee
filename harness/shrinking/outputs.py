"""What a shrinking leaves in ``RUN/shrink/``: the scenario, a test that reads it, and the result as data.

The scenario's head says what is expected of it, in a line that ``tests/scenarios`` reads too: with a planted bug, that
the failure is found; with our healthy node, that it is not found any more.
"""

from __future__ import annotations

import json
import re
import textwrap

from harness.exploration.findings import Finding, Signature
from harness.scenario import NAME_BYTES_MAX, Scenario, dump

SCENARIO_FILE = "scenario.toml"
EXPECTS, EXPECTS_NO = "# expects: ", "# expects no: "
NAME_WORDS_MAX = 3
SHRUNK = "-shrunk"
"""What a shrunken scenario's name ends with."""
_AS_EVER = re.compile(r" \(beyond the model\)|^#\s*s after everything was healed\W*|\([^)]*\)?")
"""What a kind says that a name need not."""
_FILLING = re.compile(r"a|after|an|and|any|as|at|by|for|had|has|have|in|is|it|of|on|or|s|that|the|to|was|what")
LINE_CHARACTERS = 110

_TEST = '''"""{sentence}

{origin}
"""

from __future__ import annotations

from pathlib import Path

from harness.testing import signatures, simulate

SCENARIO = Path(__file__).with_name("{scenario}")
SIGNATURE = (
    "{verdict}",
    {checker},
    {kind},
)


def {name}() -> None:
    result = simulate(SCENARIO)
    assert SIGNATURE {relation} signatures(result), f"{{result.sentence}}\\nagain: {{result.replay}}"
'''


def scenario_text(scenario: Scenario, finding: Finding, run: str) -> str:
    """Return the scenario file, with its head."""
    head = [f"Shrunk by `antipaxos shrink` from the run {run}. It failed with", *_wrapped(finding.sentence)]
    expects = EXPECTS if scenario.bug is not None else EXPECTS_NO
    return (
        "".join(f"# {line}\n" for line in head)
        + expects
        + json.dumps(list(finding.signature))
        + "\n\n"
        + dump(scenario)
    )


def expectation(text: str) -> tuple[Signature, bool] | None:
    """Return what a scenario file's head expects, a signature, and whether it must be found; None if there is none."""
    for line in text.splitlines():
        for mark, found in ((EXPECTS, True), (EXPECTS_NO, False)):
            if line.startswith(mark):
                verdict, checker, kind = json.loads(line.removeprefix(mark))
                return Signature(verdict, checker, kind), found
    return None


def regression_name(signature: Signature) -> str:
    """Return the name of the test, and of its file: the checker, and the first words that say something."""
    kind = re.split("[;:,]", _AS_EVER.sub("", signature.kind.lower()))[0]
    words = [word for word in re.findall(r"[a-z]+(?![a-z#])", kind) if not _FILLING.fullmatch(word)]
    return "_".join(["test", *re.findall(r"[a-z0-9]+", signature.checker.lower()), *words[:NAME_WORDS_MAX]])


def shrunk_name(name: str) -> str:
    """Return the name of what a scenario was shrunk to; shrunk again, it keeps it."""
    if name.endswith(SHRUNK):
        return name
    return name.encode()[: NAME_BYTES_MAX - len(SHRUNK)].decode(errors="ignore") + SHRUNK


def regression_text(scenario: Scenario, finding: Finding, run: str) -> str:
    """Return a test module that needs nothing but the scenario beside it."""
    signature = finding.signature
    if scenario.bug is not None:
        origin = f"The bug {scenario.bug} is planted, so the test is of the harness: it must find it."
    else:
        origin = "The test fails as long as the bug is there."
    return _TEST.format(
        sentence="\n".join(_wrapped(finding.sentence)).replace("\\", "\\\\").replace('"""', "'''"),
        origin="\n".join(_wrapped(f"Shrunk by `antipaxos shrink` from the run {run}. {origin}")),
        scenario=SCENARIO_FILE,
        verdict=signature.verdict,
        checker=json.dumps(signature.checker),
        kind=json.dumps(signature.kind),
        name=regression_name(signature),
        relation="in" if scenario.bug is not None else "not in",
    )


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, LINE_CHARACTERS, break_on_hyphens=False) or [""]
