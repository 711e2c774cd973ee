"""A benchmark's report as tables: on a terminal, and as Markdown for the documentation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from rich.console import Console

from harness.benching.bench import ETCD, ETCD_TARGET, NODE, NOISY, PIPELINE, PYSYNCOBJ, TARGETS, Figure, Report

NAMES = {NODE: "our node", ETCD: "etcd", PYSYNCOBJ: "PySyncObj"}
HEAD = (
    "system",
    "nodes",
    "load",
    "ops/s",
    "lowest–highest",
    "p50 ms",
    "p99 ms",
    "p99.9 ms",
    "× etcd",
    "target",
    "load avg",
)
DIFFERENCES = (
    "Our node: Multi-Paxos, a value store in memory, sessions, every answer after the fsync of a majority.",
    "etcd: does much more an operation (revisions, bbolt, gRPC, leases, watches). Its client here is bare HTTP/2 "
    "frames put together beforehand, one connection each, all to the leader: leaner than any client library of its "
    "own, which flatters it.",
    "PySyncObj: its load runs inside the leader's process, without a client's round trip, and its journal is never "
    "synced: flattered twice, and a power cut takes back what it acknowledged.",
    "All nodes and all load share this one machine and its one disk.",
)


class Table(NamedTuple):
    """Rows of words under a title."""

    title: str
    head: tuple[str, ...]
    rows: list[tuple[str, ...]]


def tables(report: Report) -> Iterator[Table]:
    """Yield the report's tables."""
    yield Table(
        "Raw disk: write and fdatasync, syncs a second and writer",
        ("writers", "record", "appended", "over zeros"),
        [(str(r.writers), f"{r.record_bytes} B", f"{r.appended:,.0f}", f"{r.zeroed:,.0f}") for r in report.raw],
    )
    etcd = {(figure.nodes, figure.load): figure for figure in report.figures if figure.system == ETCD}
    yield Table(
        f"Writes, closed loop, {report.seconds:g} s, median of {report.repetitions}",
        HEAD,
        [_row(figure, etcd.get((figure.nodes, figure.load))) for figure in report.figures],
    )
    if report.sweep:
        yield Table(
            "Our three nodes on slower disks (a sync takes at least so long)",
            ("sync ≥", "load", "ops/s", "a sync took", "of device bound", "of closed loop", "log busy", "target"),
            [
                (
                    f"{swept.sync_us / 1e3:g} ms" if swept.sync_us else "raw",
                    _load(swept.load),
                    f"{swept.rate:,.0f}",
                    f"{swept.sync_ms:.2f} ms",
                    f"{swept.rate / swept.device_bound:.0%}",
                    f"{swept.rate / swept.closed_bound:.0%}",
                    f"{swept.share:.0%}",
                    "" if swept.target is None else _met(swept.target, swept.share, f"{swept.target:.0%}"),
                )
                for swept in report.sweep
            ],
        )


def notes(report: Report) -> list[str]:
    """Return what must be known to read the tables."""
    said = [
        f"{report.machine}; load average {report.load_average[0]:.1f} before, {report.load_average[1]:.1f} after.",
        *(f"Not measured: {missing}." for missing in report.missing),
    ]
    said += [f"Disturbed: {disturbed}." for disturbed in report.disturbed]
    noisy = [figure for figure in report.figures if figure.spread > NOISY]
    if noisy:
        said.append(
            f"The machine is too noisy for {len(noisy)} of {len(report.figures)} figures: the repetitions lie more "
            f"than {NOISY:.0%} of the median apart (marked ~). Compare ratios, not figures."
        )
    said.append(
        "Device bound: the cap of a batch times the syncs a second that the critical node's log could do (more than "
        "all of it: group commit puts several Accepts into one sync). Closed loop: "
        "the requests under way divided by a sync's time. Log busy: the share of the wall time in which the log of the "
        "slowest node that a majority needs had a write and a sync under way, as the nodes measured it."
    )
    if report.etcd_version:
        said.append(f"etcd is version {report.etcd_version}, with its defaults.")
    return [*said, *DIFFERENCES]


def print_report(console: Console, report: Report) -> None:
    """Print tables and notes."""
    for table in tables(report):
        console.print(f"\n{table.title}", style="bold", highlight=False)
        for line in _aligned(table):
            console.print(line, highlight=False, markup=False, soft_wrap=True)
    console.print()
    for note in notes(report):
        console.print(f"- {note}", highlight=False, markup=False, soft_wrap=True)


def _aligned(table: Table) -> Iterator[str]:
    """Yield the lines of a table in columns: the first to the left, the others to the right."""
    rows = [table.head, *table.rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(table.head))]
    for row in rows:
        rest = (cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))
        yield "  ".join((row[0].ljust(widths[0]), *rest))


def markdown(report: Report) -> str:
    """Return the report as Markdown."""
    lines: list[str] = []
    for table in tables(report):
        lines += [f"### {table.title}", "", f"| {' | '.join(table.head)} |", "|" + "---|" * len(table.head)]
        lines += [f"| {' | '.join(row)} |" for row in table.rows]
        lines.append("")
    lines += [f"- {note}" for note in notes(report)]
    return "\n".join(lines) + "\n"


def _row(figure: Figure, etcd: Figure | None) -> tuple[str, ...]:
    ratio = figure.rate / etcd.rate if etcd is not None and etcd.rate and figure.system == NODE else None
    target = TARGETS.get(figure.load) if figure.system == NODE and figure.nodes == 3 else None
    return (
        NAMES[figure.system],
        str(figure.nodes),
        _load(figure.load),
        f"{'~' if figure.spread > NOISY else ''}{figure.rate:,.0f}",
        f"{min(figure.rates):,.0f}–{max(figure.rates):,.0f}",
        f"{figure.p50_ms:.2f}",
        f"{figure.p99_ms:.2f}",
        f"{figure.p999_ms:.2f}",
        "" if ratio is None else f"{ratio:.2f}" + ("" if ratio >= ETCD_TARGET else f" (< {ETCD_TARGET:g})"),
        "" if target is None else _met(target, figure.rate, f"{target:,}"),
        f"{min(figure.load_average):.1f}–{max(figure.load_average):.1f}",
    )


def _met(target: float, reached: float, said: str) -> str:
    return f"{said} {'met' if reached >= target else 'not met'}"


def _load(load: tuple[int, int]) -> str:
    connections, depth = load
    if load == PIPELINE or depth > 1:
        return f"{connections} × {depth}"
    return f"{connections} client{'s' if connections > 1 else ''}"
