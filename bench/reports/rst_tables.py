"""The result of a benchmark, as reST tables for the documentation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from msgspec import Struct

from bench.reports.report import Report, format_libraries, format_value, rows_by_load
from bench.rounds import Row
from bench.systems import OURS

__all__ = ["write_rst"]

_HTTP: Final = "HTTP over TCP, 20 connections with keep-alive"

# Parts with other systems or units than the loads on a Unix socket have tables of their own.
_TITLES: Final = {
    "routes": "With many routes",
    "clients": "From Python",
    "call": "One call at a time: CPU time of the caller",
    "http": _HTTP,
    "memory": "Memory",
    "start": "Start",
    "instructions": "Instructions",
}


class _Line(Struct, frozen=True):
    load: str
    rows: dict[str, Row]


def write_rst(report: Report, path: str) -> None:
    """Write a line for each load and a column for each system; in brackets the ratio to unixsvc.

    :param path: of the file.
    """
    tables: dict[str, list[_Line]] = {}
    for load, rows in rows_by_load(report.rows):
        title = _TITLES.get(rows[0].part, "Over a Unix socket")
        tables.setdefault(title, []).append(_Line(load, {each.system: each for each in rows}))
    with open(path, "w") as file:
        for title, lines in tables.items():
            if title == _HTTP:
                file.writelines(_table_of_systems(title, lines))
                continue
            first = lines[0].rows[OURS]
            unit = "" if first.less else ": requests per second"
            file.writelines(_table(title + unit, lines, _value))
            if first.cost is not None:
                file.writelines(_table(f"{title}: microseconds of CPU time per request", lines, _cost))


def _table(title: str, lines: Sequence[_Line], value: Callable[[Row], float | None]) -> Iterator[str]:
    names = dict.fromkeys(name for line in lines for name in line.rows)
    yield f".. list-table:: {title}\n   :header-rows: 1\n\n   * - load\n"
    yield from (f"     - {name}\n" for name in names)
    for line in lines:
        ours = line.rows.get(OURS)
        yield f"   * - {line.load}{_unit(line)}\n"
        cells = [_cell(line.rows.get(name), ours, value) for name in names]
        yield from (f"     - {each}".rstrip() + "\n" for each in cells)
    yield "\n"


def _table_of_systems(title: str, lines: Sequence[_Line]) -> Iterator[str]:
    """A line for each system, with its libraries, as there are many systems and few loads."""
    yield f".. list-table:: {title}\n   :header-rows: 1\n\n   * - system\n"
    for line in lines:
        yield f"     - {line.load}: requests per second\n     - µs of CPU time\n"
    yield "     - versions\n"
    for name in dict.fromkeys(name for line in lines for name in line.rows):
        yield f"   * - {name}\n"
        rows = [line.rows.get(name) for line in lines]
        for line, row in zip(lines, rows, strict=True):
            cells = [_cell(row, line.rows.get(OURS), value) for value in (_value, _cost)]
            yield from (f"     - {each}".rstrip() + "\n" for each in cells)
        libraries = next((format_libraries(row) for row in rows if row), iter(()))
        yield f"     - {', '.join(libraries)}".rstrip() + "\n"
    yield "\n"


def _unit(line: _Line) -> str:
    row = next(iter(line.rows.values()))
    return f", {row.unit}" if row.less else ""


def _value(row: Row) -> float | None:
    return row.value


def _cost(row: Row) -> float | None:
    return row.cost


def _cell(row: Row | None, ours: Row | None, value: Callable[[Row], float | None]) -> str:
    number = None if row is None else value(row)
    if number is None:
        return ""
    other = None if ours is None or ours is row else value(ours)
    return format_value(number) + (f" ({format_value(number / other)})" if other else "")
