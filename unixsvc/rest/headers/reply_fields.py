"""The header fields of a reply that says more than its body. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from msgspec.structs import replace

from unixsvc.domain.reply_head import ReplyHead
from unixsvc.rest.decode import HeaderFacts
from unixsvc.rest.response import (
    HTML_PAIRS,
    INERT_PAIRS,
    SAFE_PAIRS,
    STREAM_PAIRS,
    HeaderPairs,
    ResponseKind,
    response_kind,
)

__all__ = ["body_kind", "etag_in", "facts_for", "field_lines", "is_compressible", "is_raw"]

_CACHED: Final = 256
_NO_STORE: Final = b"Cache-Control: no-store\r\n"
_HTML: Final = ("text/html", "application/xhtml+xml")
_COMPRESSIBLE: Final = re.compile(
    r"text/.*|application/(?:.*\+)?(?:json|xml|yaml)(?:;.*)?|application/(?:javascript|jsonl|wasm)|image/svg\+xml"
)


def field_lines(fields: Iterable[tuple[str, str]]) -> bytes:
    """Header fields as they are sent, each with its line end.

    Their characters have been checked by :class:`~unixsvc.domain.reply_head.ReplyHead`.
    """
    return "".join(f"{name}: {value}\r\n" for name, value in fields).encode("latin-1")


def body_kind(head: ReplyHead, content_type: str, *, stream: bool = False) -> ResponseKind:
    """The headers that protect a body; those that the reply has itself are left out.

    :param content_type: of the body; empty if there is none.
    """
    names = {name.lower() for name, _ in head.headers}
    return _kind(content_type, frozenset(names & _PROTECTIVE), stream)


def facts_for(head: ReplyHead, facts: HeaderFacts) -> HeaderFacts:
    """What the request's header fields say, for a reply that may decide itself how it is cached.

    A response that sets a cookie is never stored by default: a cache would give the cookie to others.
    """
    names = {name.lower() for name, _ in head.headers}
    if "cache-control" in names:
        return replace(facts, lines=facts.lines.replace(_NO_STORE, b""))
    if "set-cookie" in names and _NO_STORE not in facts.lines:
        return replace(facts, lines=_NO_STORE + facts.lines)
    return facts


def etag_in(head: ReplyHead) -> bytes | None:
    """The entity tag that a reply has itself."""
    found = [value for name, value in head.headers if name.lower() == "etag"]
    return found[-1].encode("latin-1") if found else None


def is_raw(head: ReplyHead) -> bool:
    """Whether a body is sent as it is: it is no JSON."""
    return head.form in ("text", "base64")


def is_compressible(content_type: str) -> bool:
    """Whether gzip makes bodies of a media type smaller; images and archives are compressed already."""
    return _COMPRESSIBLE.fullmatch(content_type) is not None


@lru_cache(_CACHED)
def _kind(content_type: str, without: frozenset[str], stream: bool) -> ResponseKind:
    pairs: HeaderPairs = INERT_PAIRS if content_type else SAFE_PAIRS
    if content_type.partition(";")[0] in _HTML:
        pairs = HTML_PAIRS
    if stream:
        pairs = (*STREAM_PAIRS, *pairs)
    kept = [pair for pair in pairs if pair[0].decode().lower() not in without]
    own = [(b"Content-Type", content_type.encode("latin-1"))] if content_type else []
    return response_kind(*own, *kept)


_PROTECTIVE: Final = frozenset(
    name.decode().lower() for name, _ in (*INERT_PAIRS, *HTML_PAIRS, *STREAM_PAIRS)
)
