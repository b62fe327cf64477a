"""The responses of OpenAPI operations: the result, and every error that is really sent. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Struct

from unixsvc.contract.model import ErrorContract
from unixsvc.domain.json import Json, JsonObject
from unixsvc.rest.problem import PROBLEM

__all__ = [
    "HEADERS",
    "JSON",
    "PROBLEMS",
    "failures",
    "headers_of",
    "problem_responses",
    "stream_content",
    "success",
]

JSON: Final = "application/json"
EVENTS: Final = "text/event-stream"
LINES: Final = "application/jsonl"

# As the schemas of a contract, with which they are merged.
PROBLEMS: Final[JsonObject] = {
    "Problem": {
        "title": "Problem",
        "description": "An error (RFC 9457). It may have further members.",
        "type": "object",
        "properties": {
            "type": {"type": "string", "format": "uri-reference"},
            "title": {"type": "string", "description": "The standard text for the status."},
            "status": {"type": "integer", "minimum": 400, "maximum": 599},
            "detail": {"type": "string", "description": "Details of this error."},
            "instance": {"type": "string", "description": "Identifies the request in the log."},
        },
        "required": ["type", "title", "status"],
    },
    "InvalidProblem": {
        "title": "InvalidProblem",
        "description": "An error that lists the invalid fields.",
        "allOf": [{"$ref": "#/schemas/Problem"}],
        "type": "object",
        "properties": {"errors": {"type": "array", "items": {"$ref": "#/schemas/InvalidField"}}},
    },
    "InvalidField": {
        "title": "InvalidField",
        "description": "An invalid field, as `address.city` or `tags[0]`, and the reason.",
        "type": "object",
        "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
        "required": ["field", "message"],
    },
}

HEADERS: Final[JsonObject] = {
    "ETag": {
        "description": "The entity tag of the result, for `If-None-Match`.",
        "schema": {"type": "string"},
    },
    "Location": {
        "description": "The URL of the resource that was created.",
        "schema": {"type": "string", "format": "uri-reference"},
    },
    "Retry-After": {
        "description": "The number of seconds after which to try again.",
        "schema": {"type": "integer", "minimum": 0},
    },
    "WWW-Authenticate": {
        "description": "The authentication scheme.",
        "schema": {"type": "string"},
    },
    "X-Request-Id": {
        "description": "Identifies the request in the log. It is that of the request, if it has one.",
        "schema": {"type": "string"},
    },
}


class _Failure(Struct, frozen=True):
    """An error of the framework itself: the name of its component, its description, and its header."""

    name: str
    description: str
    header: str = ""


_FAILURES: Final = {
    400: _Failure("BadRequest", "A header, the query or the body cannot be parsed."),
    401: _Failure("Unauthorized", "The token is missing or wrong.", "WWW-Authenticate"),
    403: _Failure(
        "Forbidden", "The token does not allow the operation; or a page of another origin sent the request."
    ),
    404: _Failure("NotFound", "There is no resource at this path."),
    409: _Failure(
        "Conflict",
        "An earlier request with this `Idempotency-Key` was interrupted; its result is not known.",
    ),
    412: _Failure("PreconditionFailed", "The file is not as `If-Match` or `If-Unmodified-Since` requires."),
    413: _Failure("TooLarge", "The body is larger than the limit, which the response has."),
    415: _Failure("UnsupportedMediaType", "The media type or the charset of the body is not supported."),
    416: _Failure("RangeNotSatisfiable", "No range is within the file, or there are too many."),
    421: _Failure("Misdirected", "The server has no such host name."),
    422: _Failure("Invalid", "A value is not valid; `errors` lists all of them."),
    500: _Failure("InternalServerError", "The action failed. The log has details, with the request's id."),
    502: _Failure("BadGateway", "The response of the mounted service is not valid."),
    503: _Failure("Unavailable", "The service is overloaded, starting or stopping.", "Retry-After"),
    504: _Failure("DeadlineExceeded", "It took longer than `X-Request-Timeout` or the server's time-out."),
}  # fmt: skip
_RETRY: Final = frozenset({429, 503})


def success(method: str, result: Json, *, null: bool, stream: bool, created: bool) -> JsonObject:
    """The responses of an action that succeeds, by code.

    :param result: the schema of results other than null; None if null is the only one.
    :param null: whether the result can be null.
    """
    if stream:
        return {"200": _stream(result)}
    responses: JsonObject = {}
    cached = method == "GET" and not created
    headers = ["ETag", "X-Request-Id"] if cached else ["X-Request-Id"]
    if created:
        responses["201"] = _response("Created.", ["Location", "X-Request-Id"], result)
    elif result is not None:
        responses["200"] = _response("Success.", headers, result)
    if null and not created:
        responses["204"] = _response("Success, without a result.", ["X-Request-Id"], None)
    if cached and result is not None:
        responses["304"] = _response("The result still has the `ETag` of `If-None-Match`.", headers, None)
    if method == "HEAD":
        for response in responses.values():
            response.pop("content", None)
    return responses


def failures(codes: Iterable[int], declared: Sequence[ErrorContract]) -> JsonObject:
    """The responses of errors, by code.

    :param codes: of the errors of the framework itself; those that the route does not declare are components.
    :param declared: the errors that the route declares.
    """
    responses: JsonObject = {}
    descriptions: dict[int, list[str]] = {}
    for error in declared:
        descriptions.setdefault(error.code, []).append(error.description.strip() or f"{error.message}.")
    for code in sorted({*codes, *descriptions}):
        if code not in descriptions:
            responses[str(code)] = {"$ref": f"#/components/responses/{_FAILURES[code].name}"}
            continue
        own = [_FAILURES[code].description] if code in codes else []
        sentences = dict.fromkeys([*descriptions[code], *own])
        responses[str(code)] = _problem(code, " ".join(sentences), "Retry-After" if code in _RETRY else "")
    return responses


def problem_responses() -> JsonObject:
    """The components that :func:`failures` refers to, by name."""
    return {
        failure.name: _problem(code, failure.description, failure.header)
        for code, failure in _FAILURES.items()
    }


def _response(description: str, headers: list[str], schema: Json) -> JsonObject:
    response: JsonObject = {"description": description, "headers": headers_of(headers)}
    if schema is not None:
        response["content"] = {JSON: {"schema": schema}}
    return response


def _stream(item: Json) -> JsonObject:
    return {
        "description": f"A stream: each item is a line or, with `Accept: {EVENTS}`, the data of an event. "
        "If it fails after the first item, the last line is a Problem, or the last event an `error`.",
        "headers": headers_of(["X-Request-Id"]),
        "content": stream_content(item),
    }  # fmt: skip


def stream_content(item: Json) -> JsonObject:
    """The content of a stream that is not bytes."""
    # OpenAPI 3.1 cannot describe streams; in 3.2 this is itemSchema.
    content = {"schema": {"type": "string"}, "x-item-schema": item}
    return {LINES: content, EVENTS: content}


def _problem(code: int, description: str, header: str) -> JsonObject:
    schema = "InvalidProblem" if code == 422 else "Problem"
    return {
        "description": description,
        "headers": headers_of([header, "X-Request-Id"] if header else ["X-Request-Id"]),
        "content": {PROBLEM.decode(): {"schema": {"$ref": f"#/components/schemas/{schema}"}}},
    }


def headers_of(names: list[str]) -> JsonObject:
    """References to header fields that the framework sets."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}
