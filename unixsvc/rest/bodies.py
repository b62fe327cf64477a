"""The bodies of HTTP requests: what they are in a message. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias
from urllib.parse import unquote_to_bytes

import msgspec
from msgspec import Raw

from unixsvc.domain.body_spec import BodyKind, BodySpec
from unixsvc.domain.message import EMPTY
from unixsvc.errors import Malformed, ServiceError
from unixsvc.rest.multipart.text_form import MAX_FIELDS, query_of_form

__all__ = [
    "NotAnObject",
    "RequestHeaders",
    "UnsupportedMediaType",
    "decode_body",
    "decode_special_body",
    "decode_urlencoded",
    "decode_utf8",
    "read_content_type",
]

RequestHeaders: TypeAlias = Mapping[bytes, Sequence[bytes]]
"""The values of each header, by its name in twisted.web's spelling."""

_Decode: TypeAlias = Callable[[bytes, bytes, str], tuple[Raw, str]]

# Each mention of a charset has to match the second pattern, so that no parser can find another charset.
_CHARSET: Final = re.compile(rb"charset", re.IGNORECASE)
_UTF_8: Final = re.compile(rb';[ \t]*charset=(?:utf-?8|"utf-?8")[ \t]*(?=;|$)', re.IGNORECASE)
_NOT_JSON: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_JSON: Final = b"application/json"
_USUAL: Final = [_JSON]  # what most clients send, which takes 1 µs to take apart
_URLENCODED: Final = b"application/x-www-form-urlencoded"
_MULTIPART: Final = b"multipart/form-data"


class UnsupportedMediaType(ServiceError):
    """The media type, charset or content coding of the body is not supported."""

    code = 415
    message = "Unsupported media type"


class NotAnObject(Malformed):
    """The body is JSON, but no object, as most routes take it."""

    def __init__(self) -> None:
        super().__init__([{"field": "data", "message": "Expected `object`"}])


def decode_body(headers: RequestHeaders, body: bytes, query: str) -> tuple[Raw, str]:
    """The data and the query that a body stands for.

    :param query: of the URL.
    :raises Malformed: if the body cannot be parsed.
    :raises NotAnObject: if it is JSON of another type.
    :raises UnsupportedMediaType: if it is neither JSON nor a form.
    :raises Invalid: if a form has files.
    """
    if headers.get(b"Content-Type") == _USUAL and b"Content-Encoding" not in headers:
        return _decode_object(_JSON, body, query)
    content_type, media_type = read_content_type(headers)
    return _decoder(media_type, _DECODERS)(content_type, body, query)


def decode_special_body(
    headers: RequestHeaders, body: bytes, query: str, spec: BodySpec
) -> tuple[Raw, str, bytes]:
    """The data, the query and the raw body, for a route that does not take just an object.

    :param query: of the URL.
    :param spec: how the route takes the body.
    :raises ServiceError: as :func:`decode_body` does.
    """
    content_type, media_type = read_content_type(headers)
    if spec.kind is BodyKind.RAW:
        return EMPTY, query, body
    if spec.kind is BodyKind.ANY_JSON:
        return *_decoder(media_type, _JSON_ONLY)(content_type, body, query), b""
    decode = _decoder(media_type, _FORMS if spec.kind is BodyKind.TEXT_FORM else _DECODERS)
    if not spec.apart or decode is _decode_object:
        return *decode(content_type, body, query), b""
    data, form = decode(content_type, body, "")
    return data, query, form.encode()


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


def _decoder(media_type: bytes, decoders: Mapping[bytes, _Decode]) -> _Decode:
    decode = decoders.get(media_type)
    if decode is None and media_type.startswith(b"application/") and media_type.endswith(b"+json"):
        decode = decoders.get(_JSON)
    if decode is None:
        known = ", ".join(each.decode() for each in decoders)
        raise UnsupportedMediaType(f"the Content-Type must be one of {known}")
    return decode


def _decode_object(content_type: bytes, body: bytes, query: str) -> tuple[Raw, str]:
    data = _decode_json(content_type, body, query)
    if memoryview(data[0])[0] != 0x7B:
        raise NotAnObject
    return data


def _decode_json(content_type: bytes, body: bytes, query: str) -> tuple[Raw, str]:
    # The action decodes it. A mount forwards it as it is: there a line end would end the message, and what
    # follows would be another message.
    try:
        msgspec.json.decode(body, type=Raw)
        if not body.isascii():
            body.decode()
    except _NOT_JSON:
        raise Malformed("body: not valid JSON") from None
    body = body.strip()
    if b"\n" in body or b"\r" in body:
        body = body.replace(b"\r", b" ").replace(b"\n", b" ")
    return Raw(body), query


def _decode_form(content_type: bytes, body: bytes, query: str) -> tuple[Raw, str]:
    return EMPTY, decode_urlencoded(body)


def decode_urlencoded(body: bytes) -> str:
    """A form of the type ``application/x-www-form-urlencoded``, as text.

    :raises Malformed: if it cannot be decoded.
    """
    text = decode_utf8(body, "body")
    if text.startswith("{") and text.rstrip().endswith("}"):  # a form would have these escaped
        raise Malformed("body: looks like JSON, but the Content-Type is that of a form")
    if text.count("&") >= MAX_FIELDS:
        raise Malformed(f"body: the form has more than {MAX_FIELDS} fields")
    if "%" in text:
        decode_utf8(unquote_to_bytes(text), "body")
    return text


def _decode_multipart(content_type: bytes, body: bytes, query: str) -> tuple[Raw, str]:
    return EMPTY, query_of_form(content_type, body)


_FORMS: Final[dict[bytes, _Decode]] = {_URLENCODED: _decode_form, _MULTIPART: _decode_multipart}
_DECODERS: Final[dict[bytes, _Decode]] = {_JSON: _decode_object, **_FORMS}
_JSON_ONLY: Final[dict[bytes, _Decode]] = {_JSON: _decode_json}


def decode_utf8(data: bytes, field: str) -> str:
    """The text that a field of a request is.

    :raises Malformed: if it is not UTF-8.
    """
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise Malformed(f"{field}: not valid UTF-8") from None
