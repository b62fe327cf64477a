"""The OpenAPI description of routes that answer with files. Pure."""

from __future__ import annotations

from typing import Final

from unixsvc.contract.model import RouteContract
from unixsvc.domain.json import JsonObject

__all__ = ["file_parameters", "file_responses"]

_TEXT: Final[JsonObject] = {"type": "string"}
_CONTENT: Final[JsonObject] = {"schema": {"type": "string", "format": "binary"}}
_RANGE: Final[JsonObject] = {
    "name": "Range",
    "in": "header",
    "description": "The parts of the file that are wanted, as `bytes=0-1023` or `bytes=-500`.",
    "schema": _TEXT,
}
_HEADERS: Final[JsonObject] = {
    "Accept-Ranges": {"description": "`bytes`: the file can be requested in parts.", "schema": _TEXT},
    "Content-Disposition": {"description": "The name under which to save the file.", "schema": _TEXT},
    "Content-Range": {"description": "The part of the file, as `bytes 0-1023/4096`.", "schema": _TEXT},
    "Last-Modified": {
        "description": "The time of the last change, for `If-Modified-Since`.", "schema": _TEXT,
    },
}  # fmt: skip


def file_parameters(route: RouteContract) -> list[JsonObject]:
    """The header parameters that a file has besides ``If-None-Match``.

    They are not among those of the operation: test tools would generate ranges outside of the file.
    """
    return [_RANGE] if route.method == "GET" else []


def file_responses(route: RouteContract) -> JsonObject:
    """The responses for a file, by code."""
    media_types = route.response.media_types if route.response is not None else []
    content = dict.fromkeys(media_types, _CONTENT)
    found = _response("The file.", "Accept-Ranges", "Content-Disposition", "Last-Modified")
    if route.method == "HEAD":
        return {"200": found}
    found["content"] = content
    if route.method != "GET":
        return {"200": found}
    part = _response("The parts of the file that `Range` asks for.", "Content-Range", "Last-Modified")
    part["content"] = content | {"multipart/byteranges": _CONTENT}
    return {"200": found, "206": part, "304": _response("The client has the file.", "Last-Modified")}


def _response(description: str, *names: str) -> JsonObject:
    headers: JsonObject = {name: _HEADERS[name] for name in names}
    known = {name: {"$ref": f"#/components/headers/{name}"} for name in ("ETag", "X-Request-Id")}
    return {"description": description, "headers": headers | known}
