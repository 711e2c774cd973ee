"""A diagnosis on the terminal: which faults work, what was tried, and what to do; to be read in ten seconds."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.doctor.diagnosis import Diagnosis
from harness.doctor.trial import Found
from harness.scenario import Scenario

PLAIN_CHARACTERS = 140
WIDE_CHARACTERS = 110
"""On a narrower terminal what an ability is for is left out."""
_YES, _NO = Text("✔", style="green"), Text("✘", style="red")


def print_diagnosis(console: Console, diagnosis: Diagnosis) -> None:
    """Print it: the faults first, the verdict last."""
    if not console.is_terminal:
        console.width = PLAIN_CHARACTERS
    console.print(Text(f"{diagnosis.machine}, as {diagnosis.user}", style="dim"))
    console.print(_faults(diagnosis))
    console.print(_found(diagnosis, with_purpose=console.width >= WIDE_CHARACTERS))
    if diagnosis.default_job:
        console.print(Text.assemble(("✔ The default job works here: ", "bold green"), "antipaxos run"))
    else:
        faults = ", ".join(Scenario().faults)
        console.print(Text.assemble(("✘ The default job does not work here", "bold red"), f" ({faults}): see above"))
    console.print(Text("In simulation every fault works everywhere: antipaxos run --place simulated", style="dim"))


def _faults(diagnosis: Diagnosis) -> Table:
    table = _table("Faults on real processes (place local)")
    table.add_column("faults", ratio=2)
    table.add_column("by, or why not and what to do", ratio=3)
    kinds: dict[tuple[str, str], list[str]] = {}
    for served in diagnosis.faults:
        kinds.setdefault((served.mechanism, served.missing), []).append(served.kind)
    for (mechanism, missing), those in kinds.items():
        told = Text(missing, style="yellow") if missing else Text(mechanism)
        table.add_row(_NO if missing else _YES, Text(", ".join(those)), told)
    return table


def _found(diagnosis: Diagnosis, with_purpose: bool) -> Table:
    table = _table("What was tried")
    table.add_column("ability", no_wrap=True)
    if with_purpose:
        table.add_column("for", no_wrap=True)
    table.add_column("how, or why not and what to do", ratio=1)
    for found in diagnosis.found:
        purpose = [Text(diagnosis.purposes.get(found.name, ""), style="dim")] if with_purpose else []
        table.add_row(_YES if found.works else _NO, Text(found.name), *purpose, _told(found))
    return table


def _told(found: Found) -> Text:
    if found.works:
        return Text(found.how)
    told = Text(found.why, style="yellow")
    return Text.assemble(told, (f" → {found.remedy}", "bold")) if found.remedy else told


def _table(title: str) -> Table:
    table = Table(title=f"\n{title}", title_justify="left", show_edge=False, pad_edge=False, expand=True)
    table.add_column("", width=1)
    return table
