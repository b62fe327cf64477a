"""Messages from HTTP requests. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final
from urllib.parse import unquote_to_bytes

import msgspec
from msgspec import Struct

from unixsvc.domain.body_spec import BodySpec
from unixsvc.domain.message import EMPTY, Request
from unixsvc.errors import Malformed, ServiceError
from unixsvc.rest.forms import MAX_FIELDS, query_of_form

__all__ = [
    "HeaderFacts",
    "RequestHeaders",
    "UnsupportedMediaType",
    "decode_path",
    "decode_request",
    "decode_urlencoded",
    "read_content_type",
    "read_headers",
]

RequestHeaders = Mapping[bytes, Sequence[bytes]]
"""The values of each header, by its name in twisted.web's spelling."""

# No spaces and no brackets: the log has it in brackets, and other text could be forged there.
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")
_SECONDS: Final = re.compile(rb"[0-9]{1,9}(?:\.[0-9]{0,9})?|\.[0-9]{1,9}")
# https://www.w3.org/TR/trace-context/#traceparent-header: later versions may have more after the flags.
_IDS: Final = "-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
_TRACEPARENT: Final = re.compile(rf"00{_IDS}|(?!00|ff)[0-9a-f]{{2}}{_IDS}(?:-[\x21-\x7e]{{0,200}})?")
_METHODS: Final = {
    method.encode(): method for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
}
# Each mention of a charset has to match the second pattern, so that no parser can find another charset.
_CHARSET: Final = re.compile(rb"charset", re.IGNORECASE)
_UTF_8: Final = re.compile(rb';[ \t]*charset=(?:utf-?8|"utf-?8")[ \t]*(?=;|$)', re.IGNORECASE)
_NOT_JSON: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_CONTENT_TYPES: Final = ("application/json", "application/x-www-form-urlencoded", "multipart/form-data")


class UnsupportedMediaType(ServiceError):
    """The media type, charset or content coding of the body is not supported."""

    code = 415
    message = "Unsupported media type"


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
        if _TRACEPARENT.fullmatch(traceparent):
            meta["traceparent"] = traceparent
    if b"Idempotency-Key" in headers:
        meta["idempotency_key"] = headers[b"Idempotency-Key"][-1].decode("latin-1")
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
    data, query_text = EMPTY, ""
    if query:
        query_text = _decode_utf8(query, "query")
    if body:
        data, query_text = _decode_body(facts.headers, body, query_text)
    if facts.malformed:
        raise Malformed(facts.malformed)
    name = _METHODS.get(method) or method.decode("latin-1")
    return Request(
        name,
        path,
        data,
        query_text,
        facts.token,
        facts.timeout,
        meta,
        headers=facts.headers,
        peer_address=peer,
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


def _decode_body(headers: RequestHeaders, body: bytes, query: str) -> tuple[msgspec.Raw, str]:
    """The data and the query that a body stands for.

    :param query: of the URL.
    """
    content_type, media_type = read_content_type(headers)
    decode = _DECODERS.get(media_type)
    if decode is None and media_type.startswith(b"application/") and media_type.endswith(b"+json"):
        decode = _decode_json
    if decode is None:
        raise UnsupportedMediaType(f"the Content-Type must be one of {', '.join(_CONTENT_TYPES)}")
    return decode(content_type, body, query)


def read_content_type(headers: RequestHeaders) -> tuple[bytes, bytes]:
    """The ``Content-Type`` of a request, and the media type in it, in lower case.

    :raises Malformed: if there is more than one.
    :raises UnsupportedMediaType: if the body is compressed, or in another charset than UTF-8.
    """
    content_type, *others = headers.get(b"Content-Type", (b"",))
    if others:
        raise Malformed("Content-Type: more than one")
    coding = headers.get(b"Content-Encoding", (b"identity",))[-1].strip().lower()
    if len(_CHARSET.findall(content_type)) != len(_UTF_8.findall(content_type)):
        raise UnsupportedMediaType("the charset must be utf-8")
    if coding != b"identity":
        raise UnsupportedMediaType("the body must not be compressed")
    return content_type, content_type.partition(b";")[0].strip().lower()


def _decode_json(content_type: bytes, body: bytes, query: str) -> tuple[msgspec.Raw, str]:
    # The action decodes it. A mount forwards it as it is: there a line end would end the message, and what
    # follows would be another message.
    try:
        msgspec.json.decode(body, type=msgspec.Raw)
        if not body.isascii():
            body.decode()
    except _NOT_JSON:
        raise Malformed("body: not valid JSON") from None
    body = body.strip()
    if not body.startswith(b"{"):
        raise Malformed([{"field": "data", "message": "Expected `object`"}])
    if b"\n" in body or b"\r" in body:
        body = body.replace(b"\r", b" ").replace(b"\n", b" ")
    return msgspec.Raw(body), query


def _decode_form(content_type: bytes, body: bytes, query: str) -> tuple[msgspec.Raw, str]:
    return EMPTY, decode_urlencoded(body)


def decode_urlencoded(body: bytes) -> str:
    """A form of the type ``application/x-www-form-urlencoded``, as text.

    :raises Malformed: if it cannot be decoded.
    """
    text = _decode_utf8(body, "body")
    if text.startswith("{") and text.rstrip().endswith("}"):  # a form would have these escaped
        raise Malformed("body: looks like JSON, but the Content-Type is that of a form")
    if text.count("&") >= MAX_FIELDS:
        raise Malformed(f"body: the form has more than {MAX_FIELDS} fields")
    if "%" in text:
        _decode_utf8(unquote_to_bytes(text), "body")
    return text


def _decode_multipart(content_type: bytes, body: bytes, query: str) -> tuple[msgspec.Raw, str]:
    return EMPTY, query_of_form(content_type, body)


_DECODERS: Final[dict[bytes, Callable[[bytes, bytes, str], tuple[msgspec.Raw, str]]]] = {
    b"application/json": _decode_json,
    b"application/x-www-form-urlencoded": _decode_form,
    b"multipart/form-data": _decode_multipart,
}


def _decode_utf8(data: bytes, field: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise Malformed(f"{field}: not valid UTF-8") from None
