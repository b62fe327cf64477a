"""Printing: results for programs and for people, and errors."""

from __future__ import annotations

from collections.abc import Sequence

import click
import msgspec

from unixsvc.domain.json import Json
from unixsvc.errors import ServiceError
from unixsvc.telemetry.escapes import escape_json, escape_line

__all__ = ["describe_error", "print_error", "print_json", "print_line", "print_table"]


def print_json(value: bytes, *, terminal: bool) -> None:
    """Print JSON: on one line for programs, indented and highlighted for people."""
    formatted = msgspec.json.format(bytes(value), indent=2 if terminal else 0)
    text = escape_json(formatted.decode("utf-8", "replace"))  # the formatter does not check strings
    if not terminal:
        click.echo(text.encode())
        return
    from rich.console import Console  # late: the import takes longer than a call
    from rich.highlighter import JSONHighlighter

    Console().print(JSONHighlighter()(text), soft_wrap=True)


def print_table(headers: Sequence[str], rows: Sequence[Sequence[str]], *, terminal: bool) -> None:
    """Print a table: aligned columns for programs; for people in colour, fitted to the terminal."""
    rows = [[escape_line(cell) for cell in row] for row in rows]
    if not terminal:
        lines = [headers, *rows]
        widths = [max(len(line[column]) for line in lines) for column in range(len(headers))]
        for line in lines:
            cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
            click.echo("  ".join(cells).rstrip().encode())
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*headers, box=None, padding=(0, 1, 0, 0))  # so the status fits into 80 columns
    for row in rows:
        table.add_row(*map(Text, row))  # as Text, as a title may contain markup
    Console().print(table)


def print_line(text: str) -> None:
    """Print text of a service, on one line."""
    click.echo(_one_line(text))


def print_error(line: str, *details: str) -> None:
    """Print an error on standard error, with details on lines below."""
    click.echo(f"unixsvc: {_one_line(line)}", err=True)
    for detail in details:
        click.echo(f"  {_one_line(detail)}", err=True)


def describe_error(error: ServiceError) -> list[str]:
    """The lines that describe the error of a service: the error, and the fields that are invalid."""
    title = f"{error.code} {error.message}"
    detail = error.detail
    if detail is None:
        return [title]
    if str(error) == detail:
        return [detail]
    if isinstance(detail, list) and detail and all(_is_field_error(item) for item in detail):
        return [title, *(f"{item['field']}: {item['message']}".removeprefix(": ") for item in detail)]
    return [f"{title}: {_to_text(detail)}"]


def _is_field_error(value: Json) -> bool:
    return isinstance(value, dict) and {"field", "message"} <= value.keys()


def _to_text(detail: Json) -> str:
    if isinstance(detail, str):
        return detail
    if isinstance(detail, dict):
        return ", ".join(f"{name}: {_to_text(value)}" for name, value in detail.items())
    if isinstance(detail, list) and all(isinstance(item, str) for item in detail):
        return ", ".join(detail)
    return msgspec.json.encode(detail).decode()


def _one_line(text: str) -> str:
    return escape_line(" ".join(text.split()))
