"""``unixsvc call``: one request."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from math import isfinite
from pathlib import Path
from typing import Any, Final

import click
import msgspec
from msgspec import Raw, Struct

from unixsvc.cli.completion import complete_service, complete_words
from unixsvc.cli.options import located
from unixsvc.cli.output import echo_json
from unixsvc.cli.session import Session
from unixsvc.client.calls import NO_LIMIT
from unixsvc.domain.message import EMPTY

__all__ = ["Words", "call", "parse_words"]

_METHOD: Final = re.compile(r"[A-Za-z]+")
_ITEM: Final = re.compile(r"(?P<name>[^=]+?)(?P<kind>:?=)(?P<value>.*)", re.DOTALL)
_NOT_JSON: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Words(Struct, frozen=True):
    """What stands behind the service's name.

    :ivar method: empty if none is named.
    :ivar items: of the data, by name.
    """

    method: str
    path: str
    items: dict[str, Any]


@click.command()
@click.argument("service", shell_complete=complete_service)
@click.argument(
    "words",
    nargs=-1,
    metavar="[METHOD] PATH [NAME=VALUE | NAME:=JSON]...",
    shell_complete=complete_words,
)
@click.option("--data", metavar="JSON|@FILE|-", help="All of the data, from here, a file, or standard input.")
@click.option(
    "--timeout", metavar="SECONDS", type=float, help="For the answer; else the service's own limit."
)
@click.option(
    "--idempotency-key",
    "key",
    metavar="KEY",
    help="Names this request, so that it is done once, and can be made again if the answer is lost.",
)
@click.option("--stream", is_flag=True, help="Wait for the items of a stream for as long as they come.")
@located
@click.pass_obj
def call(
    session: Session,
    service: str,
    words: Sequence[str],
    data: str | None,
    timeout: float | None,
    key: str | None,
    stream: bool,
) -> None:
    """Send a request to a service and print its result; of a stream, each item as it comes.

    NAME=VALUE is a text, NAME:=JSON anything else; NAME=@FILE and NAME:=@FILE read it from a file. METHOD is
    GET, or POST where there is data.

    The exit code is 4 for a failure of the class 4xx, and 5 for one of 5xx or if nobody answers.
    """
    parsed = parse_words(words)
    if timeout is not None and not (isfinite(timeout) and timeout > 0):
        raise click.BadOptionUsage("timeout", f"--timeout: {timeout:g} is no time in seconds")
    if data is not None and parsed.items:
        raise click.BadOptionUsage("data", "--data: takes the place of NAME=VALUE; give one or the other")
    body = EMPTY
    if data is not None:
        body = _read_data(data)
    elif parsed.items:
        body = Raw(msgspec.json.encode(parsed.items))
    method = parsed.method or ("GET" if body is EMPTY else "POST")
    items = 0

    def item(value: Raw) -> None:
        nonlocal items
        items += 1
        echo_json(value, terminal=session.terminal)

    result = session.request(
        service,
        parsed.path,
        method=method,
        data=body,
        timeout=NO_LIMIT if stream and timeout is None else timeout,
        key=key,
        on_item=item,
    )
    if not items and not (stream and bytes(result) == b"null"):
        echo_json(result, terminal=session.terminal)


def parse_words(words: Sequence[str]) -> Words:
    """Tell method, path and data apart: a path is what starts with a slash.

    :raises click.UsageError: naming the word that is none of them.
    """
    method = words[0] if words and not words[0].startswith("/") else ""
    rest = words[1:] if method else words
    if method and not _METHOD.fullmatch(method):
        raise click.UsageError(f"{method!r} is neither a method nor a path; a path starts with '/'")
    if not rest or not rest[0].startswith("/"):
        found = f"{rest[0]!r} is no path; a path starts with '/'" if rest else "PATH is missing"
        raise click.UsageError(found)
    return Words(method.upper(), rest[0], dict(_item(each) for each in rest[1:]))


def _item(word: str) -> tuple[str, Any]:
    found = _ITEM.fullmatch(word)
    if found is None:
        raise click.UsageError(f"{word!r} is no data; write NAME=VALUE or NAME:=JSON")
    name, text = found["name"], found["value"]
    content = Path(text[1:]).read_bytes() if text.startswith("@") else text.encode("utf-8", "surrogateescape")
    if found["kind"] == ":=":
        return name, Raw(_compact(content, name))
    try:
        return name, content.decode() if text.startswith("@") else text
    except UnicodeDecodeError:
        raise click.UsageError(f"{text[1:]}: is no text in UTF-8") from None


def _read_data(source: str) -> Raw:
    if source == "-":
        if sys.stdin is None:
            raise click.UsageError("--data: standard input is closed")
        content, where = sys.stdin.buffer.read(), "standard input"
    elif source.startswith("@"):
        content, where = Path(source[1:]).read_bytes(), source[1:]
    else:
        content, where = source.encode("utf-8", "surrogateescape"), "--data"
    compact = _compact(content, where)
    if not compact.startswith(b"{"):
        raise click.UsageError(f'{where}: data is an object, as {{"name": "Ada"}}')
    return Raw(compact)


def _compact(content: bytes, where: str) -> bytes:
    """The same JSON on one line, as a line is a message; numbers stay as they are written.

    :raises click.UsageError: if it is none.
    """
    try:
        content.decode()  # what follows does not look into strings
        return msgspec.json.format(content, indent=-1)
    except _NOT_JSON as error:
        raise click.UsageError(f"{where}: is no JSON: {error}") from None
