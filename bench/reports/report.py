"""The result of a benchmark, as tables on the terminal and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
from msgspec import Struct
from rich.console import Console
from rich.table import Table

from bench.reports.machine import Machine
from bench.rounds import Options, Row
from bench.systems import FLOOR, OURS

__all__ = ["Report", "format_libraries", "format_value", "print_report", "rows_by_load", "write_json"]


class Report(Struct, frozen=True):
    """The result of one run.

    :ivar skipped: systems that are not installed, with the reason.
    """

    machine: Machine
    options: Options
    rows: list[Row]
    skipped: dict[str, str]


_NOTE = (
    "Compare ratios, not values. CPU: time of the system itself for a request. "
    "The generator's share of a core must be well below 100 %."
)


def print_report(report: Report, console: Console) -> None:
    """One table for each load."""
    for load, rows in rows_by_load(report.rows):
        table = Table(title=f"{load} ({rows[0].unit})", title_justify="left", title_style="bold")
        table.add_column("system", no_wrap=True)
        for head in ("median", f"of {FLOOR}", f"of {OURS}", "rounds", "CPU µs", "generator"):
            table.add_column(head, justify="right", no_wrap=True)
        table.add_column("also")
        for row in rows:
            style = "bold" if row.system == OURS else None
            table.add_row(row.system, *_cells(row, rows), style=style)
        console.print(table)
    console.print(str(report.machine), highlight=False, soft_wrap=True)
    console.print(_NOTE, highlight=False, soft_wrap=True)


def write_json(report: Report, path: str) -> None:
    """Write the whole result."""
    with open(path, "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(report)) + b"\n")


def rows_by_load(rows: Sequence[Row]) -> Iterator[tuple[str, list[Row]]]:
    """The rows of each load, in the order of measurement."""
    for load in dict.fromkeys(each.load for each in rows):
        yield load, [each for each in rows if each.load == load]


def format_value(value: float) -> str:
    """A number with its significant digits."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def format_libraries(row: Row) -> Iterator[str]:
    """The libraries on which the speed of a system depends, each with its version."""
    yield from (f"{name} {version}" for name, version in row.libraries.items())


def _cells(row: Row, rows: Sequence[Row]) -> Iterator[str]:
    yield format_value(row.value)
    for name in (FLOOR, OURS):
        other = next((each.value for each in rows if each.system == name), None)
        yield f"{row.value / other:.2f}" if other else ""
    yield f"{format_value(min(row.each))} to {format_value(max(row.each))}" if len(row.each) > 1 else ""
    yield "" if row.cost is None else format_value(row.cost)
    yield "" if row.own is None else f"{row.own:.0%}"
    figures = [f"{name} {format_value(value)}" for name, value in row.detail.items()]
    yield ", ".join([*figures, *format_libraries(row)])
