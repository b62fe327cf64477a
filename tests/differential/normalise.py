"""Replaces values that differ between runs or sides and must not count. Pure.

All rules are in :data:`TABLE`; nothing else is changed before two revisions are compared byte for byte.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from msgspec import Struct

__all__ = ["TABLE", "Rule", "figures", "header_value", "normalised"]


class Rule(Struct, frozen=True):
    """One replacement.

    :ivar where: ``all``; ``headers`` of HTTP, where the pattern is for a whole ``Name: value``; ``output`` of
        commands; ``figures``, the output of commands with statistics.
    :ivar why: the reason why the values differ.
    """

    where: str
    pattern: re.Pattern[bytes]
    replacement: bytes
    why: str


def _rule(where: str, pattern: bytes, replacement: bytes, why: str) -> Rule:
    return Rule(where, re.compile(pattern, re.MULTILINE), replacement, why)


_ID: Final = rb"[0-9a-f]{1,8}-[0-9a-f]{1,8}"
TABLE: Final = (
    _rule("headers", rb"^Date: .+$", b"Date: DATE", "the time"),
    _rule("headers", rb"^X-Request-Id: " + _ID + rb"$", b"X-Request-Id: ID", "made from a pid and a count"),
    _rule("headers", rb"^Last-Modified: .+$", b"Last-Modified: DATE", "when a file was installed"),
    _rule("all", rb'"instance":"urn:unixsvc:request:' + _ID + rb'"', b'"instance":"urn:ID"',
    "as X-Request-Id"),
    _rule("all", rb'"request_id": ?"' + _ID + rb'"', b'"request_id":"ID"', "as X-Request-Id, in meta"),
    _rule("all", rb'"retry_after": ?[\d.e-]+(?=, ?"reason")', b'"retry_after":0', "what is left of a pause"),
    _rule("all", rb"/tmp/differential-[a-z0-9_]+/(base|head)", b"FOLDER", "each side has its own"),
    _rule("output", rb"/[^\s:'\"]*/lib/python3\.\d+/site-packages", b"PACKAGES", "each side has its own"),
    _rule("output", rb"(?<=127\.0\.0\.1:)\d{4,5}|(?<=tcp:)\d{4,5}", b"PORT", "each side has its own"),
    _rule("output", rb"^\d+\.\d+\.\d+(\.dev\d+)?\n\Z", b"VERSION\n", "the version"),
    _rule("output", rb"\bpid \d+", b"pid N", "each process has its own"),
    _rule(
        "figures", rb"\b\d+(\.\d+)?([eE]-?\d+)?[dhms]?( \d+[hms])?\b", b"N", "pids, times, counts and sizes"
    ),
    _rule("figures", rb'("N": N, )+', b'"N": N, ', "a histogram has the classes that were needed"),
    _rule("figures", rb" {2,}", b" ", "columns are as wide as the figures in them"),
)  # fmt: skip
"""In the order in which they are applied.

Besides, in figures, services that were called are put into order, and those that do not exist are left out:
which conversation came first is a question of time. Of HTTP, the framing of chunked bodies is undone, as
where a chunk ends is a question of time; and a ``Content-Length`` that is right is not compared where the
body has something of this table in it. On a socket, replies to requests with ids are compared id by id, as
their order is not promised; and whether a connection ends with FIN or RST is not looked at, as it depends
on what is under way.
"""


def normalised(data: bytes, *where: str) -> bytes:
    """The data after all replacements.

    :param where: the rules that apply in addition to those for ``all``.
    """
    for rule in TABLE:
        if rule.where == "all" or rule.where in where:
            data = rule.pattern.sub(rule.replacement, data)
    return data


def header_value(name: bytes, value: bytes) -> bytes:
    """The value of a header after all replacements."""
    return normalised(name + b": " + value, "headers").partition(b": ")[2]


def figures(text: bytes) -> bytes:
    """JSON with statistics, with the called services in order; any other output unchanged."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return json.dumps(_in_order(value)).encode()


def _in_order(value: Any, key: str = "") -> Any:
    if isinstance(value, list):
        return [_in_order(each) for each in value]
    if not isinstance(value, dict):
        return value
    names = list(value)
    if key == "services":
        names = sorted(name for name in names if not name.startswith("absent"))
    return {name: _in_order(value[name], name) for name in names}
