"""What the commands print: results for programs and for people, and errors."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import click
import msgspec

from unixsvc.errors import ServiceError

__all__ = ["complain", "echo_json", "echo_line", "echo_table", "explain"]

# A terminal would obey some of these, and JSON may hold them as they are.
_CONTROLS: Final = re.compile("[\x7f-\x9f]")


def echo_json(value: bytes, *, terminal: bool) -> None:
    """Print a value: on one line for programs, indented and coloured for people."""
    text = msgspec.json.format(bytes(value), indent=2 if terminal else 0).decode()
    text = _CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    if not terminal:
        click.echo(text.encode())
        return
    from rich.console import Console  # late: it takes longer to import than a service to answer
    from rich.highlighter import JSONHighlighter

    Console().print(JSONHighlighter()(text), soft_wrap=True)


def echo_table(headers: Sequence[str], rows: Sequence[Sequence[str]], *, terminal: bool) -> None:
    """Print a table: aligned columns for programs; for people coloured, and fitted to the terminal."""
    if not terminal:
        lines = [headers, *rows]
        widths = [max(len(line[at]) for line in lines) for at in range(len(headers))]
        for line in lines:
            cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
            click.echo("  ".join(cells).rstrip().encode())
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*headers, box=None, padding=(0, 1, 0, 0))  # that of the status fits into 80 columns
    for row in rows:
        table.add_row(*map(Text, row))  # as text: a title may look like rich's markup
    Console().print(table)


def echo_line(text: str) -> None:
    """Print one line of what somebody else has said."""
    click.echo(_one_line(text))


def complain(line: str, *more: str) -> None:
    """Print an error for a person: one line, and below it what belongs to it."""
    click.echo(f"unixsvc: {_one_line(line)}", err=True)
    for each in more:
        click.echo(f"  {_one_line(each)}", err=True)


def explain(error: ServiceError) -> list[str]:
    """What a service answered, in words: the first line says what, others say which fields."""
    title = f"{error.code} {error.message}"
    detail = error.detail
    if detail is None:
        return [title]
    if str(error) == detail:
        return [detail]
    if isinstance(detail, list) and detail and all(_is_problem(each) for each in detail):
        return [title, *(f"{each['field']}: {each['message']}".removeprefix(": ") for each in detail)]
    return [f"{title}: {_words(detail)}"]


def _is_problem(value: Any) -> bool:
    return isinstance(value, dict) and {"field", "message"} <= value.keys()


def _words(detail: Any) -> str:
    if isinstance(detail, str):
        return detail
    if isinstance(detail, dict):
        return ", ".join(f"{name}: {_words(value)}" for name, value in detail.items())
    if isinstance(detail, list) and all(isinstance(each, str) for each in detail):
        return ", ".join(detail)
    return msgspec.json.encode(detail).decode()


def _one_line(text: str) -> str:
    return _CONTROLS.sub("\N{REPLACEMENT CHARACTER}", " ".join(text.split()))
