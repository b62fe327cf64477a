"""From an HTTP request to a message. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final
from urllib.parse import unquote_to_bytes

import msgspec

from unixsvc.domain.message import EMPTY, Caller, Request
from unixsvc.errors import Malformed, ServiceError
from unixsvc.rest.forms import query_of_form

__all__ = ["Fields", "UnsupportedMediaType", "meta_of", "path_of", "request_of"]

# The headers of a request, by their names as Twisted writes them.
Fields = Mapping[bytes, Sequence[bytes]]

# No spaces and no brackets: it stands in the log, in brackets, and could forge what else stands there.
_ID: Final = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")
_SECONDS: Final = re.compile(rb"[0-9]{1,9}(?:\.[0-9]{0,9})?|\.[0-9]{1,9}")
# https://www.w3.org/TR/trace-context/#traceparent-header: later versions may go on after the flags.
_IDS: Final = "-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
_TRACE: Final = re.compile(rf"00{_IDS}|(?!00|ff)[0-9a-f]{{2}}{_IDS}(?:-[\x21-\x7e]{{0,200}})?")
_METHODS: Final = {
    each.encode(): each for each in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
}
# Whatever speaks of a charset says that it is UTF-8, in this way and no other.
_CHARSET: Final = re.compile(rb"charset", re.IGNORECASE)
_UTF_8: Final = re.compile(rb';[ \t]*charset=(?:utf-?8|"utf-?8")[ \t]*(?=;|$)', re.IGNORECASE)
_MAX_FIELDS: Final = 1000  # as of a query
_NOT_JSON: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_MEANT: Final = ("application/json", "application/x-www-form-urlencoded", "multipart/form-data")


class UnsupportedMediaType(ServiceError):
    """The body is of a kind that is not taken."""

    code = 415
    message = "Unsupported media type"


def meta_of(headers: Fields) -> dict[str, str]:
    """What a message says in its ``meta``; what is not well-formed is left out."""
    meta: dict[str, str] = {}
    if b"X-Request-Id" in headers:
        name = headers[b"X-Request-Id"][-1].decode("latin-1")
        if _ID.fullmatch(name):
            meta["request_id"] = name
    if b"Traceparent" in headers:
        trace = headers[b"Traceparent"][-1].decode("latin-1")
        if _TRACE.fullmatch(trace):
            meta["traceparent"] = trace
    if b"Idempotency-Key" in headers:
        meta["idempotency_key"] = headers[b"Idempotency-Key"][-1].decode("latin-1")
    return meta


def path_of(path: bytes, below: int = 0) -> str:
    """The path of a message, its percent-escapes as they are.

    :param path: of the request.
    :param below: how many segments lead to where we are.
    :raises Malformed: if it is none.
    """
    if below:
        path = b"/" + b"/".join(path.split(b"/")[below + 1 :])
    try:
        text = path.decode()
    except UnicodeDecodeError:
        raise Malformed("path: is no UTF-8") from None
    if not text.startswith("/"):
        raise Malformed([{"field": "path", "message": "starts with '/'"}])
    return text


def request_of(
    method: bytes, path: str, query: bytes, headers: Fields, body: bytes, meta: dict[str, str]
) -> Request:
    """The message.

    :param query: what stands behind ``?`` in the URL.
    :param meta: as :func:`meta_of` gives it.
    :raises Malformed: for what cannot be read.
    :raises UnsupportedMediaType: for a body of another kind than JSON and forms.
    :raises Invalid: for a form that has files.
    """
    data, text = EMPTY, ""
    if query:
        text = _decoded(query, "query")
    if body:
        data, text = _read_body(headers, body, text)
    return Request(
        _METHODS.get(method) or method.decode("latin-1"),
        path,
        data,
        text,
        _token_of(headers) if b"Authorization" in headers else None,
        _timeout_of(headers) if b"X-Request-Timeout" in headers else None,
        meta,
        Caller(),
    )


def _token_of(headers: Fields) -> str | None:
    """The token; None where another scheme than ours is used, as by a proxy in front."""
    values = headers[b"Authorization"]
    if len(values) > 1:
        raise Malformed("Authorization: is there twice")
    scheme, _, token = values[0].partition(b" ")
    return token.strip().decode("latin-1") if scheme.lower() == b"bearer" else None


def _timeout_of(headers: Fields) -> float:
    value = headers[b"X-Request-Timeout"][-1].strip()
    seconds = float(value) if _SECONDS.fullmatch(value) else 0.0
    if not seconds > 0:
        raise Malformed("X-Request-Timeout: is no number of seconds above 0")
    return seconds


def _read_body(headers: Fields, body: bytes, query: str) -> tuple[msgspec.Raw, str]:
    """The data and the query that a body stands for.

    :param query: that of the URL.
    """
    given, *others = headers.get(b"Content-Type", (b"",))
    if others:
        raise Malformed("Content-Type: is there twice")
    kind = given.partition(b";")[0].strip().lower()
    encoded = headers.get(b"Content-Encoding", (b"identity",))[-1].strip().lower()
    reader = _READERS.get(kind)
    if reader is None and kind.startswith(b"application/") and kind.endswith(b"+json"):
        reader = _read_json
    if reader is None:
        raise UnsupportedMediaType("the Content-Type is one of " + ", ".join(_MEANT))
    if len(_CHARSET.findall(given)) != len(_UTF_8.findall(given)):
        raise UnsupportedMediaType("the charset is utf-8")
    if encoded != b"identity":
        raise UnsupportedMediaType("a body is not compressed")
    return reader(given, body, query)


def _read_json(given: bytes, body: bytes, query: str) -> tuple[msgspec.Raw, str]:
    # An action decodes it. But it may go on to another service as it is, where a line end would end the
    # message, and what follows would be another one.
    try:
        msgspec.json.decode(body, type=msgspec.Raw)
        if not body.isascii():
            body.decode()
    except _NOT_JSON:
        raise Malformed("body: is not JSON") from None
    body = body.strip()
    if not body.startswith(b"{"):
        raise Malformed([{"field": "data", "message": "Expected `object`"}])
    if b"\n" in body or b"\r" in body:
        body = body.replace(b"\r", b" ").replace(b"\n", b" ")
    return msgspec.Raw(body), query


def _read_fields(given: bytes, body: bytes, query: str) -> tuple[msgspec.Raw, str]:
    text = _decoded(body, "body")
    if text.startswith("{") and text.rstrip().endswith("}"):  # a form would have these escaped
        raise Malformed("body: the Content-Type says that it is a form; is it JSON?")
    if text.count("&") >= _MAX_FIELDS:
        raise Malformed(f"body: the form has more than {_MAX_FIELDS} fields")
    if "%" in text:
        _decoded(unquote_to_bytes(text), "body")
    return EMPTY, text


def _read_parts(given: bytes, body: bytes, query: str) -> tuple[msgspec.Raw, str]:
    return EMPTY, query_of_form(given, body)


_READERS: Final[dict[bytes, Callable[[bytes, bytes, str], tuple[msgspec.Raw, str]]]] = {
    b"application/json": _read_json,
    b"application/x-www-form-urlencoded": _read_fields,
    b"multipart/form-data": _read_parts,
}


def _decoded(text: bytes, where: str) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError:
        raise Malformed(f"{where}: is no UTF-8") from None
