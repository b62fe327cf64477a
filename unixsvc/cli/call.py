"""``unixsvc call``: send a request."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from math import isfinite
from pathlib import Path
from typing import Final

import click
import msgspec
from msgspec import Raw, Struct

from unixsvc.cli.completion import complete_service, complete_words
from unixsvc.cli.output import print_json
from unixsvc.cli.session import Session, location_options
from unixsvc.client.calls import NO_LIMIT
from unixsvc.domain.json import NOT_JSON
from unixsvc.domain.message import EMPTY

__all__ = ["Words", "call", "parse_words"]

_METHOD: Final = re.compile(r"[A-Za-z]+")
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9a-z]+")
_ITEM: Final = re.compile(r"(?P<name>[^=]+?)(?P<kind>:?=)(?P<value>.*)", re.DOTALL)


class Words(Struct, frozen=True):
    """The arguments after the name of the service.

    :ivar method: in upper case; empty if it is not given.
    :ivar items: the data, by name.
    """

    method: str
    path: str
    items: dict[str, Raw | str]


@click.command()
@click.argument("service", shell_complete=complete_service)
@click.argument(
    "words",
    nargs=-1,
    metavar="[METHOD] PATH [NAME=VALUE | NAME:=JSON]...",
    shell_complete=complete_words,
)
@click.option("--data", metavar="JSON|@FILE|-", help="Data as JSON, from a file, or from standard input.")
@click.option(
    "headers",
    "-H",
    "--header",
    multiple=True,
    metavar="'NAME: VALUE'",
    help="Header field for the action, as a cookie; may be repeated.",
)
@click.option(
    "--timeout",
    metavar="SECONDS",
    type=float,
    help="Timeout of the request [default: the request timeout of the service].",
)
@click.option(
    "--idempotency-key",
    "key",
    metavar="KEY",
    help="Idempotency key; with it, the request is retried if its reply is lost.",
)
@click.option("--stream", is_flag=True, help="Wait without a timeout for the items of a stream.")
@location_options
@click.pass_obj
def call(
    session: Session,
    service: str,
    words: Sequence[str],
    data: str | None,
    headers: Sequence[str],
    timeout: float | None,
    key: str | None,
    stream: bool,
) -> None:
    """Send a request to SERVICE and print its result.

    Of a stream, each item is printed on a line.

    NAME=VALUE is a string, NAME:=JSON any JSON value; NAME=@FILE and NAME:=@FILE read it from a file. METHOD
    is GET by default, or POST if there is data.

    The exit code is 4 for an error of the class 4xx, and 5 for 5xx or if the service cannot be reached.
    """
    parsed = parse_words(words)
    if timeout is not None and not (isfinite(timeout) and timeout > 0):
        raise click.BadOptionUsage("timeout", f"--timeout: {timeout:g} is not a positive number of seconds")
    body = _body(data, parsed.items)
    items = 0

    def print_item(item: Raw) -> None:
        nonlocal items
        items += 1
        print_json(item, terminal=session.terminal)

    result = session.request(
        service,
        parsed.path,
        method=parsed.method or ("GET" if body is EMPTY else "POST"),
        data=body,
        timeout=NO_LIMIT if stream and timeout is None else timeout,
        key=key,
        meta=_parse_headers(headers),
        on_item=print_item,
    )
    if not items and not (stream and bytes(result) == b"null"):
        print_json(result, terminal=session.terminal)


def parse_words(words: Sequence[str]) -> Words:
    """Parse method, path and data; the path starts with a slash.

    :raises click.UsageError: naming the invalid argument.
    """
    method = words[0] if words and not words[0].startswith("/") else ""
    rest = words[1:] if method else words
    if method and not _METHOD.fullmatch(method):
        raise click.UsageError(f"{method!r} is neither a method nor a path; a path starts with '/'")
    if not rest or not rest[0].startswith("/"):
        raise click.UsageError(
            f"{rest[0]!r} is not a path; a path starts with '/'" if rest else "PATH is missing"
        )
    return Words(method.upper(), rest[0], dict(_parse_item(word) for word in rest[1:]))


def _parse_headers(headers: Sequence[str]) -> dict[str, str]:
    """The ``meta`` for header fields; several values of a field are joined, as HTTP does."""
    meta: dict[str, str] = {}
    for header in headers:
        name, colon, value = header.partition(":")
        name = name.strip().lower()
        if not colon or not _HEADER_NAME.fullmatch(name):
            raise click.BadOptionUsage("headers", f"--header: {header!r} is not 'NAME: VALUE'")
        separator = "; " if name == "cookie" else ", "
        meta[name] = f"{meta[name]}{separator}{value.strip()}" if name in meta else value.strip()
    return meta


def _body(data: str | None, items: dict[str, Raw | str]) -> Raw:
    """The data of the request, as JSON."""
    if data is None:
        return Raw(msgspec.json.encode(items)) if items else EMPTY
    if items:
        raise click.BadOptionUsage("data", "--data: cannot be combined with NAME=VALUE")
    return _read_data(data)


def _parse_item(word: str) -> tuple[str, Raw | str]:
    match = _ITEM.fullmatch(word)
    if match is None:
        raise click.UsageError(f"{word!r} is not valid data; write NAME=VALUE or NAME:=JSON")
    name, text = match["name"], match["value"]
    content = Path(text[1:]).read_bytes() if text.startswith("@") else text.encode("utf-8", "surrogateescape")
    if match["kind"] == ":=":
        return name, Raw(_compact(content, name))
    try:
        return name, content.decode() if text.startswith("@") else text
    except UnicodeDecodeError:
        raise click.UsageError(f"{text[1:]}: not valid UTF-8") from None


def _read_data(source: str) -> Raw:
    if source == "-":
        if sys.stdin is None:
            raise click.UsageError("--data: standard input is closed")
        content, where = sys.stdin.buffer.read(), "standard input"
    elif source.startswith("@"):
        content, where = Path(source[1:]).read_bytes(), source[1:]
    else:
        content, where = source.encode("utf-8", "surrogateescape"), "--data"
    return Raw(_compact(content, where))


def _compact(content: bytes, where: str) -> bytes:
    """The same JSON on one line, as a line end ends the message; numbers are not changed.

    :raises click.UsageError: if it is not JSON.
    """
    try:
        content.decode()  # the formatter does not check strings
        return msgspec.json.format(content, indent=-1)
    except NOT_JSON as error:
        raise click.UsageError(f"{where}: not valid JSON: {error}") from None
