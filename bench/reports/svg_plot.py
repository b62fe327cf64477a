"""The result of a benchmark as SVG bars, a panel for each load; too little to need a plotting library."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from xml.sax.saxutils import escape

from bench.reports.report import Report, format_value, rows_by_load
from bench.rounds import Row
from bench.systems import OURS

__all__ = ["write_plot"]

_COLUMNS = 3
_WIDTH, _BAR, _HEAD, _GAP = 300, 18, 30, 18  # pixels
_NAMES, _VALUES = 104, 62  # pixels left and right of the bars
_STYLE = (
    "text{font:11px sans-serif;fill:#222} .load{font-weight:bold;font-size:12px} "
    ".bar{fill:#9db4c8} .ours{fill:#d9652b}"
)


def write_plot(report: Report, path: str) -> None:
    """Draw the loads that are measured in requests per second."""
    loads = [(load, rows) for load, rows in rows_by_load(report.rows) if not rows[0].less]
    lines = [loads[at : at + _COLUMNS] for at in range(0, len(loads), _COLUMNS)]
    parts: list[str] = []
    top = _GAP
    for line in lines:
        for column, (load, rows) in enumerate(line):
            parts += _panel(load, rows, _GAP + column * (_WIDTH + _GAP), top)
        top += _HEAD + _BAR * max(len(rows) for _, rows in line) + _GAP
    width = _GAP + min(_COLUMNS, max(len(loads), 1)) * (_WIDTH + _GAP)
    with open(path, "w") as file:
        file.write(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {top}" width="{width}">\n')
        file.write(f'<style>{_STYLE}</style>\n<rect width="{width}" height="{top}" fill="#fff"/>\n')
        file.writelines(f"{each}\n" for each in parts)
        file.write("</svg>\n")


def _panel(load: str, rows: Sequence[Row], left: int, top: int) -> Iterator[str]:
    yield f'<text class="load" x="{left}" y="{top + 12}">{escape(load)}</text>'
    most = max(each.value for each in rows)
    room = _WIDTH - _NAMES - _VALUES
    for number, row in enumerate(rows):
        y = top + _HEAD + number * _BAR
        length = max(room * row.value / most, 1.0)
        name, kind = escape(row.system), "ours" if row.system.startswith(OURS) else "bar"
        x = left + _NAMES
        yield f'<text x="{x - 6}" y="{y + 10}" text-anchor="end">{name}</text>'
        yield f'<rect class="{kind}" x="{x}" y="{y}" width="{length:.1f}" height="{_BAR - 5}"/>'
        yield f'<text x="{x + length + 5:.1f}" y="{y + 10}">{format_value(row.value)}</text>'
