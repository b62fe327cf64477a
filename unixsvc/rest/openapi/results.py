"""The responses of routes whose response is not simply 200 and JSON. Pure."""

from __future__ import annotations

from typing import Final

from unixsvc.contract.model import ResponseContract, RouteContract
from unixsvc.domain.json import Json, JsonObject
from unixsvc.rest.openapi.responses import JSON, headers_of, stream_content

__all__ = ["special_success"]

_REDIRECT: Final = "Redirect."


def special_success(
    route: RouteContract, response: ResponseContract, result: Json, *, null: bool
) -> JsonObject:
    """The responses of an action that succeeds, by code.

    :param result: the schema of results other than null; None if null is the only one.
    :param null: whether the result can be null.
    """
    responses: JsonObject = {}
    if response.redirects != "always":
        responses |= _results(route, response, result, null=null)
    if response.redirects != "never":
        always = response.redirects == "always" and response.status
        responses[str(always or "3XX")] = {
            "description": _REDIRECT,
            "headers": headers_of(["Location", "X-Request-Id"]) | _own_headers(response),
        }
    if route.method == "HEAD":
        for each in responses.values():
            each.pop("content", None)
    return responses


def _results(route: RouteContract, response: ResponseContract, result: Json, *, null: bool) -> JsonObject:
    status = response.status or (201 if route.created and not response.status else 0)
    code = str(status or "2XX")
    cached = route.method == "GET" and status in (0, 200) and not route.stream
    common = ["X-Request-Id", *(["ETag"] if cached else []), *(["Location"] if route.created else [])]
    headers = headers_of(sorted(common)) | _own_headers(response)
    found: JsonObject = {}
    if result is not None or status != 200:
        found[code] = {"description": "Created." if route.created else "Success.", "headers": headers}
        if result is not None:
            found[code]["content"] = _content(route, response, result)
    if null and status in (0, 200):
        found["204"] = {"description": "Success, without a result.", "headers": headers}
    if cached and result is not None:
        found["304"] = {
            "description": "The body still has the `ETag` of `If-None-Match`.",
            "headers": headers,
        }
    return found


def _content(route: RouteContract, response: ResponseContract, result: Json) -> JsonObject:
    if route.stream and not response.media_types:
        return stream_content(result)
    # Bytes have no schema in OpenAPI 3.1; over a socket they are base64.
    is_bytes = isinstance(result, dict) and result.get("contentEncoding") == "base64"
    media: JsonObject = {} if is_bytes else {"schema": result}
    return dict.fromkeys(response.media_types or [JSON], media)


def _own_headers(response: ResponseContract) -> JsonObject:
    return {
        name: {"description": description, "schema": {"type": "string"}}
        for name, description in response.headers.items()
    }
