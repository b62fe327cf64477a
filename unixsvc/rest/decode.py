"""Messages from HTTP requests. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Struct

from unixsvc.domain.body_spec import BodySpec
from unixsvc.domain.header_names import canonical_name
from unixsvc.domain.message import EMPTY, Caller, Request
from unixsvc.domain.trace_context import (
    BAGGAGE,
    MAX_BAGGAGE,
    MAX_TRACESTATE,
    TRACEPARENT,
    TRACESTATE,
    is_traceparent,
)
from unixsvc.errors import Malformed
from unixsvc.rest.bodies import RequestHeaders, decode_body, decode_special_body, decode_utf8

__all__ = [
    "HeaderFacts",
    "RequestHeaders",
    "decode_path",
    "decode_request",
    "forward_headers",
    "read_headers",
]

# No spaces and no brackets: the log has it in brackets, and other text could be forged there.
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")
_SECONDS: Final = re.compile(rb"[0-9]{1,9}(?:\.[0-9]{0,9})?|\.[0-9]{1,9}")
_METHODS: Final = {
    method.encode(): method for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
}


class HeaderFacts(Struct, eq=False):
    """What the header fields of a request say, whatever its path and body. Requests may share it.

    :ivar headers: the header fields.
    :ivar meta: the ``meta`` of the message. Headers that are not well-formed are left out.
    :ivar host: the ``Host``; None if there is none.
    :ivar websocket: whether the client asks for a WebSocket.
    :ivar from_browser: whether the fields are there that tell where the request comes from.
    :ivar token: the bearer token; None for another scheme, as a reverse proxy may use.
    :ivar timeout: the time that the client waits, in seconds; None for no limit.
    :ivar malformed: why the token or the time-out cannot be parsed; empty if they can.
    :ivar lines: the lines of response headers that follow from them.
    """

    headers: RequestHeaders
    meta: dict[str, str]
    host: bytes | None
    from_browser: bool
    token: str | None = None
    timeout: float | None = None
    malformed: str = ""
    lines: bytes = b""
    websocket: bool = False


def read_headers(headers: RequestHeaders) -> HeaderFacts:
    """Read the header fields of a request."""
    # Our parser rejects a second host; twisted.web uses the last one.
    hosts = headers.get(b"Host")
    from_browser = b"Origin" in headers or b"Sec-Fetch-Site" in headers
    facts = HeaderFacts(headers, _decode_meta(headers), hosts[-1] if hosts else None, from_browser)
    if b"Upgrade" in headers:
        facts.websocket = [value.lower() for value in headers[b"Upgrade"]] == [b"websocket"]
    try:
        if b"Authorization" in headers:
            facts.token = _decode_token(headers)
        if b"X-Request-Timeout" in headers:
            facts.timeout = _decode_timeout(headers)
    except Malformed as error:
        facts.malformed = error.detail
    return facts


def _decode_meta(headers: RequestHeaders) -> dict[str, str]:
    """The ``meta`` of a message. Headers that are not well-formed are left out."""
    meta: dict[str, str] = {}
    if b"X-Request-Id" in headers:
        request_id = headers[b"X-Request-Id"][-1].decode("latin-1")
        if _REQUEST_ID.fullmatch(request_id):
            meta["request_id"] = request_id
    if b"Traceparent" in headers:
        traceparent = headers[b"Traceparent"][-1].decode("latin-1")
        if is_traceparent(traceparent):
            meta[TRACEPARENT] = traceparent
            if b"Tracestate" in headers:
                _join(headers[b"Tracestate"], TRACESTATE, MAX_TRACESTATE, meta)
    if b"Baggage" in headers:
        _join(headers[b"Baggage"], BAGGAGE, MAX_BAGGAGE, meta)
    if b"Idempotency-Key" in headers:
        meta["idempotency_key"] = headers[b"Idempotency-Key"][-1].decode("latin-1")
    return meta


def _join(values: Sequence[bytes], name: str, longest: int, meta: dict[str, str]) -> None:
    """Add a list that several header fields may have; one that is too long, or not ASCII, is left out."""
    joined = b",".join(values)
    if len(joined) <= longest and joined.isascii():
        meta[name] = joined.decode("ascii")


def forward_headers(headers: RequestHeaders, names: Iterable[str]) -> dict[str, str]:
    """The entries of ``meta`` for header fields that mounted services get.

    :param names: of the fields.
    """
    meta: dict[str, str] = {}
    for name in names:
        values = headers.get(canonical_name(name))
        if values:
            joined = (b"; " if name.lower() == "cookie" else b", ").join(values)
            meta[name.lower()] = joined.decode("latin-1")
    return meta


def decode_path(path: bytes) -> str:
    """The path of a message; percent-escapes are kept.

    :raises Malformed: if it is not a path.
    """
    try:
        text = path.decode()
    except UnicodeDecodeError:
        raise Malformed("path: not valid UTF-8") from None
    if not text.startswith("/"):
        raise Malformed([{"field": "path", "message": "starts with '/'"}])
    return text


def decode_request(
    method: bytes,
    path: str,
    query: bytes,
    facts: HeaderFacts,
    body: bytes,
    meta: dict[str, str],
    peer: object | None = None,
    spec: BodySpec | None = None,
) -> Request:
    """The message that a request stands for.

    :param path: as :func:`decode_path` returns it.
    :param query: of the URL.
    :param meta: that of the header fields, and what is known besides.
    :param peer: the address of the connection.
    :param spec: how the route takes the body; None for a JSON object.
    :raises Malformed: if a header, the query or the body cannot be parsed.
    :raises UnsupportedMediaType: if the body is neither JSON nor a form.
    :raises Invalid: if a form has files.
    """
    data, query_text, raw = EMPTY, "", b""
    if query:
        query_text = decode_utf8(query, "query")
    if body:
        if spec is None:
            data, query_text = decode_body(facts.headers, body, query_text)
        else:
            data, query_text, raw = decode_special_body(facts.headers, body, query_text, spec)
    if facts.malformed:
        raise Malformed(facts.malformed)
    name = _METHODS.get(method) or method.decode("latin-1")
    # All by position: a Struct takes twice as long for arguments with names.
    return Request(
        name, path, data, query_text, facts.token, facts.timeout, meta, Caller(), facts.headers, peer, raw
    )


def _decode_token(headers: RequestHeaders) -> str | None:
    """The bearer token; None for another scheme, as a reverse proxy may use."""
    values = headers[b"Authorization"]
    if len(values) > 1:
        raise Malformed("Authorization: more than one")
    scheme, _, token = values[0].partition(b" ")
    return token.strip().decode("latin-1") if scheme.lower() == b"bearer" else None


def _decode_timeout(headers: RequestHeaders) -> float:
    value = headers[b"X-Request-Timeout"][-1].strip()
    seconds = float(value) if _SECONDS.fullmatch(value) else 0.0
    if not seconds > 0:
        raise Malformed("X-Request-Timeout: not a number of seconds above 0")
    return seconds
