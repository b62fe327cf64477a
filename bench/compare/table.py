"""The result of a comparison as a table on the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from bench.compare.result import Comparison, ComparisonReport
from bench.reports.report import format_value

__all__ = ["print_comparison"]

_NOTE = (
    "Ratios of head to base; in brackets the lowest and the highest of a round. "
    "Instructions are repeatable; CPU and time are not, where something else uses the machine."
)


def print_comparison(report: ComparisonReport, console: Console) -> None:
    """Print a line for each comparison."""
    table = Table(title=f"{report.base.title} (base) and {report.head.title} (head)", title_justify="left")
    table.add_column("load", no_wrap=True)
    table.add_column("measure", no_wrap=True)
    for column in ("base", "head", "ratio", "rounds"):
        table.add_column(column, justify="right", no_wrap=True)
    for each in report.comparisons:
        style = "bold red" if each.judged and each.ratio > 1 + report.limit / 100 else None
        table.add_row(*_cells(each), style=style)
    console.print(table)
    console.print(str(report.machine), highlight=False, soft_wrap=True)
    console.print(_NOTE, highlight=False, soft_wrap=True)


def _cells(comparison: Comparison) -> tuple[str, ...]:
    measure = f"{comparison.measure}, {comparison.unit}" if comparison.unit else comparison.measure
    rounds = f"{comparison.lowest:.3f} to {comparison.highest:.3f}" if len(comparison.base_rounds) > 1 else ""
    values = (format_value(comparison.base), format_value(comparison.head))
    return (comparison.load, measure, *values, f"{comparison.ratio:.3f}", rounds)
