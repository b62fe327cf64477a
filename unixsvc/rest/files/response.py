"""The response that carries a file: whole, in part, or not at all. Pure, except for the time."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from email.utils import formatdate
from functools import lru_cache
from typing import Final, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from unixsvc.domain.open_file import OpenFile
from unixsvc.domain.reply_head import HeaderFields, ReplyHead
from unixsvc.rest.encode import ResponseBuilder, ResponseContext
from unixsvc.rest.files.conditions import Outcome, Validators, evaluate, is_range_wanted
from unixsvc.rest.files.disposition import content_disposition
from unixsvc.rest.files.ranges import Span, Unsatisfiable, parse_ranges
from unixsvc.rest.headers.reply_fields import etag_in, facts_for, field_lines
from unixsvc.rest.problem import problem
from unixsvc.rest.response import PROBLEM_JSON, Response, ResponseKind, response_kind

__all__ = ["FileResponse", "Part", "build_response"]

Part: TypeAlias = bytes | Span
"""A part of a body: bytes, or a part of the file."""

_OK: Final = 200
_PARTIAL: Final = 206
_UNSATISFIABLE: Final = 416
_PHRASES: Final = {_UNSATISFIABLE: "Range not satisfiable", Outcome.FAILED.value: "Precondition failed"}
_VALIDATORS: Final = ("etag", "last-modified")
_PROTECTIVE: Final = frozenset({"content-security-policy", "referrer-policy", "x-content-type-options"})
_NONE: Final[frozenset[str]] = frozenset()
# A file that is no page of the application's: a browser shows it, and runs nothing in it.
_INERT: Final = (
    "default-src 'none'; img-src 'self' data:; media-src 'self'; style-src 'unsafe-inline'; "
    "frame-ancestors 'self'"
)


class FileResponse(Struct, frozen=True):
    """A response, and what its body is made of.

    :ivar head: the response, whose body is empty if there are ``parts``.
    :ivar size: of the parts.
    """

    head: Response
    parts: Sequence[Part] = ()
    size: int = 0


def build_response(
    head: ReplyHead,
    file: OpenFile,
    context: ResponseContext,
    builder: ResponseBuilder,
    now: Callable[[], float] = time.time,
) -> FileResponse:
    """Return the response for a file to GET and HEAD: 200, 206, 304, 412 or 416 (RFC 9110, sections 13, 14).

    A reply with another status than 200 has the whole file.
    """
    validators = Validators(etag_in(head) or _etag_of(file), file.modified // 1_000_000_000)
    status = head.status or _OK
    if head.headers:
        context = replace(context, facts=facts_for(head, context.facts))
    lines = _validator_lines(file, validators, head.headers) + builder.file_lines(
        context, file.vary, private=not file.cache_control
    )
    spans: list[Span] | None = None
    if status == _OK and context.method in (b"GET", b"HEAD"):
        outcome = evaluate(context.headers, validators)
        if outcome is Outcome.NOT_MODIFIED:
            return FileResponse(Response(outcome.value, _kind_of("", file, head.headers), lines))
        if outcome is Outcome.FAILED:
            return FileResponse(_refusal(outcome.value, context, builder))
        ranges = context.headers.get(b"Range") if context.method == b"GET" else None
        if ranges is not None and is_range_wanted(context.headers, validators, now()):
            try:
                spans = parse_ranges(ranges, file.size)
            except Unsatisfiable:
                extra = b"Content-Range: bytes */%d\r\n" % file.size
                return FileResponse(_refusal(_UNSATISFIABLE, context, builder, extra))
    if spans is None:
        return _whole(status, file, head.headers, lines, context.method)
    if len(spans) == 1:
        return _single(spans[0], file, head.headers, lines)
    return _multiple(spans, file, head.headers, lines)


def _whole(status: int, file: OpenFile, fields: HeaderFields, lines: bytes, method: bytes) -> FileResponse:
    lines = b"Content-Length: %d\r\nAccept-Ranges: bytes\r\n%b" % (file.size, _content_lines(file) + lines)
    response = Response(status, _kind_of(file.media_type, file, fields), lines)
    if method == b"HEAD" or not file.size:
        return FileResponse(response)
    return FileResponse(response, ((0, file.size),), file.size)


def _single(span: Span, file: OpenFile, fields: HeaderFields, lines: bytes) -> FileResponse:
    start, stop = span
    lines = b"Content-Length: %d\r\nContent-Range: bytes %d-%d/%d\r\n%b" % (
        stop - start, start, stop - 1, file.size, _content_lines(file) + lines,
    )  # fmt: skip
    response = Response(_PARTIAL, _kind_of(file.media_type, file, fields), lines)
    return FileResponse(response, (span,), stop - start)


def _multiple(spans: Sequence[Span], file: OpenFile, fields: HeaderFields, lines: bytes) -> FileResponse:
    boundary = os.urandom(16).hex().encode()
    parts: list[Part] = []
    delimiter, media_type = b"--" + boundary, file.media_type.encode("latin-1")
    for start, stop in spans:
        head = b"%b\r\nContent-Type: %b\r\nContent-Range: bytes %d-%d/%d\r\n\r\n" % (
            delimiter, media_type, start, stop - 1, file.size,
        )  # fmt: skip
        parts += [head, (start, stop)]
        delimiter = b"\r\n--" + boundary
    parts.append(delimiter + b"--\r\n")
    size = sum(len(part) if isinstance(part, bytes) else part[1] - part[0] for part in parts)
    # The boundary differs each time: a kind of its own would stay in the memory.
    lines = b"Content-Length: %d\r\nContent-Type: multipart/byteranges; boundary=%b\r\n%b" % (
        size, boundary, _content_lines(file) + lines,
    )  # fmt: skip
    return FileResponse(Response(_PARTIAL, _kind_of("", file, fields), lines), parts, size)


def _etag_of(file: OpenFile) -> bytes:
    """The entity tag: the same on all hosts that have the file with its time, as rsync and images keep it."""
    coding = f"-{file.coding}" if file.coding else ""
    return f'"{file.modified:x}-{file.size:x}{coding}"'.encode()


def _validator_lines(file: OpenFile, validators: Validators, fields: HeaderFields) -> bytes:
    """The headers that 304 has as well, and those of the application."""
    lines = b"ETag: %b\r\nLast-Modified: %b\r\n" % (validators.etag, _date(validators.modified))
    if file.cache_control:
        lines += b"Cache-Control: %b\r\n" % file.cache_control.encode("latin-1")
    return (
        lines + field_lines(each for each in fields if each[0].lower() not in _VALIDATORS)
        if fields
        else lines
    )


@lru_cache(256)  # formatting takes longer than all else here
def _date(seconds: int) -> bytes:
    return formatdate(seconds, usegmt=True).encode()


def _content_lines(file: OpenFile) -> bytes:
    lines = b"Content-Encoding: %b\r\n" % file.coding.encode() if file.coding else b""
    attachment = bool(file.filename) if file.attachment is None else file.attachment
    if file.filename or attachment:
        lines += b"Content-Disposition: %b\r\n" % content_disposition(file.filename, attachment=attachment)
    return lines


def _kind_of(media_type: str, file: OpenFile, fields: HeaderFields) -> ResponseKind:
    """The headers that protect a file; those that the application has set itself are left out."""
    own = frozenset(name.lower() for name, _ in fields) & _PROTECTIVE if fields else _NONE
    return _kind(media_type, file.policy, own)


@lru_cache(512)  # applications may have any number of media types
def _kind(media_type: str, policy: str | None, without: frozenset[str]) -> ResponseKind:
    pairs = {
        "x-content-type-options": (b"X-Content-Type-Options", b"nosniff"),
        # As for other pages: a form of a page would be sent with "Origin: null".
        "referrer-policy": (b"Referrer-Policy", b"no-referrer" if policy is None else b"same-origin"),
    }
    if text := _INERT if policy is None else policy:
        pairs["content-security-policy"] = b"Content-Security-Policy", text.encode("latin-1")
    content_type = [(b"Content-Type", media_type.encode("latin-1"))] if media_type else []
    return response_kind(*content_type, *(pair for name, pair in pairs.items() if name not in without))


def _refusal(code: int, context: ResponseContext, builder: ResponseBuilder, lines: bytes = b"") -> Response:
    body = problem(code, _PHRASES[code], None, context.request_id)
    return builder.with_body(code, PROBLEM_JSON, body, context, lines)
