"""The lines of the screen."""

from __future__ import annotations

from typing import Final

from msgspec import Struct
from rich.text import Text

from unixsvc.cli.top.columns import Column, cells, fitting
from unixsvc.cli.top.rows import FAILURES, Row
from unixsvc.cli.top.view import LEVELS, View
from unixsvc.telemetry.escapes import escape_line

__all__ = ["Surroundings", "draw"]

# Styles of the terminal's own colours, so that any background will do: none is white, black or yellow.
_PROBLEM: Final = "bold red"
_CHANGE: Final = "bold magenta"
_GOOD: Final = "green"
_HEAD_LINES: Final = 3
_MOST_OF_NAME: Final = 10
_CONFIGURED: Final = {"default": "configured"}
_FOOT_LINES: Final = 2  # about the selected row, and keys or a question
_STATES: Final = {
    "ready": "",
    "failed": _PROBLEM,
    "restarting": _PROBLEM,
    "stopped": "dim",
    "waiting": "dim",
}
_KEYS: Final = (
    ("q", "quit"),
    ("?", "help"),
    ("Enter", "open"),
    ("< >", "sort"),
    ("/", "filter"),
    ("p", "pause"),
    ("l", "log"),
    ("r", "reload"),
    ("+ -", "scale"),
    ("R", "restart"),
    ("L", "level"),
)
_HELP: Final = (
    ("Up Down, k j", "select a row; also PgUp, PgDn, Home, End"),
    ("Enter, Space", "open or close a service; Right opens, Left closes; a: all"),
    ("< >", "sort by the column to the left or to the right; o: reverse"),
    ("/", "show only what contains a text; Esc: all again"),
    ("p", "pause and go on"),
    ("l", "follow the log of the service; Ctrl-C comes back"),
    ("r R", "reload or restart the service"),
    ("+ -", "one worker more or less"),
    ("L", "set the log level of the service, or after a of all processes"),
    ("q, Ctrl-C", "quit"),
    ("", ""),
    ("REQ/s ERR/s", "replies, and those with a code of 500 or more"),
    ("P50ms P99ms", "median and 99th percentile of the time to a reply"),
    ("FLY CONN", "requests in flight, and connections"),
    ("INKiB/s OUTKiB/s", "what clients send and receive"),
    ("RST", "how often workers were replaced after a failure"),
    ("LAGms", "how late the event loop is"),
)


class Surroundings(Struct, frozen=True):
    """What the screen shows beside the rows.

    :ivar place: the socket directory.
    :ivar clock: the time of day.
    :ivar interval: between two samples, in seconds.
    :ivar problem: why there are no new rows; empty if there are.
    :ivar message: the result of the latest order.
    """

    place: str = ""
    clock: str = ""
    interval: float = 1.0
    problem: str = ""
    message: str = ""


def draw(view: View, around: Surroundings, width: int, height: int) -> list[Text]:
    """The lines of the screen, as many as it has, each of at most its width."""
    room = max(height - _HEAD_LINES - _FOOT_LINES, 1)
    view.page = room
    body = _help() if view.mode == "help" else _table(view, around, width, room)
    lines = [_title(view, around), _sums(view, around), _headers(view, width), *body[:room]]
    lines += [Text()] * (height - len(lines) - _FOOT_LINES)
    lines = [*lines[: max(height - _FOOT_LINES, 0)], _details(view), _foot(view, around)][:height]
    for line in lines:
        line.truncate(width, overflow="ellipsis")
    return lines


def _title(view: View, around: Surroundings) -> Text:
    line = Text.assemble(("unixsvc top", "bold"), f"  {escape_line(around.place)}  {around.clock}")
    line.append(f"  every {around.interval:g} s", "dim")
    if view.paused:
        line.append("  paused", _CHANGE)
    if view.wanted or view.mode == "filter":
        line.append(f"  filter: {escape_line(view.wanted)}", _CHANGE)
    return line


def _sums(view: View, around: Surroundings) -> Text:
    if around.problem:
        return Text(f"not connected, trying again: {escape_line(around.problem)}", _PROBLEM)
    rows = [each.service for each in view.services]
    workers = [one for each in view.services for one in each.workers]
    ready = sum(each.state == "ready" for each in workers)
    rate = sum(each.figures.request_rate or 0.0 for each in rows)
    errors = sum(each.figures.error_rate or 0.0 for each in rows)
    line = Text(f"{len(rows)} services, ")
    line.append(f"{ready} of {len(workers)} workers ready", "" if ready == len(workers) else _CHANGE)
    line.append(f", {rate:.0f} requests/s, ")
    line.append(f"{errors:.0f} errors/s", _PROBLEM if errors else "")
    return line


def _headers(view: View, width: int) -> Text:
    columns = fitting(width)
    line = Text(_fit("SERVICE", _name_width(columns, width)), "bold")
    if view.sort == "name":
        line.stylize("underline", 0, len("SERVICE"))
    for each in columns:
        line.append(" ")
        line.append(" " * (each.width - len(each.title)))
        line.append(each.title, "underline" if each.key == view.sort else "")
    return line


def _table(view: View, around: Surroundings, width: int, room: int) -> list[Text]:
    rows = view.rows()
    index, selected = view.selected()
    first = min(max(index - room // 2, 0), max(len(rows) - room, 0))
    columns = fitting(width)
    lines = []
    for row in rows[first : first + room]:
        line = _row_line(view, row, columns, width)
        if around.problem:
            line.stylize("dim")
        if selected is not None and row.key == selected.key:
            line.pad_right(max(width - line.cell_len, 0))
            line.stylize("reverse")
        lines.append(line)
    return lines or [Text("nothing to show", "dim")]


def _row_line(view: View, row: Row, columns: tuple[Column, ...], width: int) -> Text:
    label = escape_line(row.label)
    if row.kind == "service":
        mark = "-" if view.is_open(row.service) else "+"
        name = Text(f"{mark} {label}", "bold")
    else:
        name = Text(f"  {label}")
    if row.state:
        name.stylize(_STATES.get(row.state, _CHANGE))
    name_width = _name_width(columns, width)
    name.truncate(name_width, overflow="ellipsis", pad=True)
    figures = Text(cells(row.figures, columns))
    if row.figures.error_rate:
        figures.stylize(_PROBLEM, *_span(columns, "errors"))
    return name + figures


def _span(columns: tuple[Column, ...], key: str) -> tuple[int, int]:
    """Where the cell of a column begins and ends."""
    place = 0
    for each in columns:
        if each.key == key:
            return place, place + each.width + 1
        place += each.width + 1
    return 0, 0


def _name_width(columns: tuple[Column, ...], width: int) -> int:
    return max(width - sum(each.width + 1 for each in columns), 1)


def _fit(text: str, width: int) -> str:
    return text[:width].ljust(width)


def _details(view: View) -> Text:
    """The selected row with its whole name, and why workers of its service have ended."""
    _, row = view.selected()
    if row is None or view.mode == "help":
        return Text()
    line = Text(row.service if row.kind == "service" else f"{row.service}: {escape_line(row.name)}", "bold")
    line.append(f"  {row.state}" if row.state else "")
    figures = row.figures
    line.append(f"  {figures.requests} replies, {figures.errors} errors")
    exits = view.exits(row.service)
    if exits:
        reasons = ", ".join(f"{count} {reason}" for reason, count in exits.items())
        line.append(f"  ended: {reasons}", _PROBLEM if FAILURES & exits.keys() else "")
    return line


def _help() -> list[Text]:
    return [Text.assemble((f"  {keys:<14}", "bold"), meaning) for keys, meaning in _HELP]


def _level_question(view: View) -> Text:
    # The line above has the whole name: this one has to have all keys, on 80 columns.
    name = Text(escape_line(view.level_of or "all"))
    name.truncate(_MOST_OF_NAME, overflow="ellipsis")
    choices = ", ".join(f"{key}: {_CONFIGURED.get(level, level)}" for key, level in LEVELS.items())
    whole = ", a: all" if view.level_of else ""
    return Text.assemble((f"level of {name}? ", _CHANGE), f"{choices}{whole}")


def _foot(view: View, around: Surroundings) -> Text:
    if view.mode == "confirm":
        return Text.assemble((f"{escape_line(str(view.order))}? ", _CHANGE), "y: yes, any other key: no")
    if view.mode == "level":
        return _level_question(view)
    if view.mode == "filter":
        return Text.assemble(("filter: ", _CHANGE), escape_line(view.wanted), "_  Enter: keep, Esc: show all")
    if view.mode == "help":
        return Text("any key: back", "dim")
    if around.message:
        return Text(escape_line(around.message), "bold")
    line = Text()
    for key, meaning in _KEYS:
        line.append(key, "bold")
        line.append(f" {meaning}  ", "dim")
    return line
