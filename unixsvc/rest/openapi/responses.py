"""What an operation may answer, as OpenAPI says it: what it gives, and each failure that is really sent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from msgspec import Struct

from unixsvc.contract.model import ErrorContract
from unixsvc.rest.problem import PROBLEM

__all__ = ["HEADERS", "PROBLEMS", "failures", "problem_responses", "success"]

JSON: Final = "application/json"
EVENTS: Final = "text/event-stream"
LINES: Final = "application/jsonl"

# In the form of a contract's: they are merged with those of the contracts, as the first.
PROBLEMS: Final[dict[str, Any]] = {
    "Problem": {
        "title": "Problem",
        "description": "A failure, as in RFC 9457. It may have further members.",
        "type": "object",
        "properties": {
            "type": {"type": "string", "format": "uri-reference"},
            "title": {"type": "string", "description": "The standard words for the status."},
            "status": {"type": "integer", "minimum": 400, "maximum": 599},
            "detail": {"type": "string", "description": "What is particular to this failure."},
            "instance": {"type": "string", "description": "Names the request, as the log does."},
        },
        "required": ["type", "title", "status"],
    },
    "InvalidProblem": {
        "title": "InvalidProblem",
        "description": "A failure that lists what is wrong.",
        "allOf": [{"$ref": "#/schemas/Problem"}],
        "type": "object",
        "properties": {"errors": {"type": "array", "items": {"$ref": "#/schemas/InvalidField"}}},
    },
    "InvalidField": {
        "title": "InvalidField",
        "description": "One field, as `address.city` or `tags[0]`, and what is wrong with it.",
        "type": "object",
        "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
        "required": ["field", "message"],
    },
}

HEADERS: Final[dict[str, Any]] = {
    "ETag": {
        "description": "Of what is answered, for `If-None-Match`.",
        "schema": {"type": "string"},
    },
    "Location": {
        "description": "Where that is which was made.",
        "schema": {"type": "string", "format": "uri-reference"},
    },
    "Retry-After": {
        "description": "In seconds, after which another try makes sense.",
        "schema": {"type": "integer", "minimum": 0},
    },
    "WWW-Authenticate": {
        "description": "How to say who asks.",
        "schema": {"type": "string"},
    },
    "X-Request-Id": {
        "description": "Names the request, as the log does: that of the request, if it had one.",
        "schema": {"type": "string"},
    },
}


class _Failure(Struct, frozen=True):
    """What the framework itself says with a code: the name of the component, and its description."""

    name: str
    description: str
    header: str = ""


_FAILURES: Final = {
    400: _Failure("BadRequest", "What was sent cannot be read: a header, the query, or the body."),
    401: _Failure("Unauthorized", "There is no token, or a wrong one.", "WWW-Authenticate"),
    404: _Failure("NotFound", "There is nothing at this path."),
    409: _Failure(
        "Conflict",
        "An earlier request with this `Idempotency-Key` was cut short; what came of it is not known.",
    ),
    413: _Failure("TooLarge", "The body is larger than `max_message_bytes`."),
    415: _Failure("UnsupportedMediaType", "The body is of a type, or in a charset, that is not read."),
    422: _Failure("Invalid", "A value is not what it has to be; `errors` lists all that is wrong."),
    500: _Failure("InternalServerError", "The action failed. The log has the rest, under the request's id."),
    502: _Failure("BadGateway", "The service behind answered nonsense."),
    503: _Failure("Unavailable", "Overloaded, starting, or about to end.", "Retry-After"),
    504: _Failure("DeadlineExceeded", "It took longer than `X-Request-Timeout`, or than the server allows."),
}  # fmt: skip
_RETRY: Final = frozenset({429, 503})


def success(method: str, result: Any, *, null: bool, stream: bool, created: bool) -> dict[str, Any]:
    """The responses to what went well, by code.

    :param result: what can be answered beside null; None if that is nothing.
    :param null: whether null can be.
    """
    if stream:
        return {"200": _stream(result)}
    found: dict[str, Any] = {}
    cached = method == "GET" and not created
    headers = ["ETag", "X-Request-Id"] if cached else ["X-Request-Id"]
    if created:
        found["201"] = _response("Made.", ["Location", "X-Request-Id"], result)
    elif result is not None:
        found["200"] = _response("Done.", headers, result)
    if null and not created:
        found["204"] = _response("Done; there is nothing to tell.", ["X-Request-Id"], None)
    if cached and result is not None:
        found["304"] = _response("It is still what `If-None-Match` says.", headers, None)
    if method == "HEAD":
        for each in found.values():
            each.pop("content", None)
    return found


def failures(codes: Iterable[int], declared: Sequence[ErrorContract]) -> dict[str, Any]:
    """The responses to what went wrong, by code.

    :param codes: what the framework itself may answer; those that nobody declares are components.
    :param declared: what the action says that it raises.
    """
    found: dict[str, Any] = {}
    said: dict[int, list[str]] = {}
    for each in declared:
        said.setdefault(each.code, []).append(each.description.strip() or f"{each.message}.")
    for code in sorted({*codes, *said}):
        if code not in said:
            found[str(code)] = {"$ref": f"#/components/responses/{_FAILURES[code].name}"}
            continue
        own = [_FAILURES[code].description] if code in codes else []
        words = dict.fromkeys([*said[code], *own])
        found[str(code)] = _problem(code, " ".join(words), "Retry-After" if code in _RETRY else "")
    return found


def problem_responses() -> dict[str, Any]:
    """The components that :func:`failures` refers to, by name."""
    return {each.name: _problem(code, each.description, each.header) for code, each in _FAILURES.items()}


def _response(description: str, headers: list[str], schema: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"description": description, "headers": _headers(headers)}
    if schema is not None:
        found["content"] = {JSON: {"schema": schema}}
    return found


def _stream(item: Any) -> dict[str, Any]:
    # OpenAPI 3.1 has no words for streams; 3.2 says this as itemSchema.
    content = {"schema": {"type": "string"}, "x-item-schema": item}
    return {
        "description": f"A stream: each item is a line, or with `Accept: {EVENTS}` the data of an event. If "
        "it fails after the first item, the last line is a Problem, or the last event an `error` with one.",
        "headers": _headers(["X-Request-Id"]),
        "content": {LINES: content, EVENTS: content},
    }  # fmt: skip


def _problem(code: int, description: str, header: str) -> dict[str, Any]:
    schema = "InvalidProblem" if code == 422 else "Problem"
    return {
        "description": description,
        "headers": _headers([header, "X-Request-Id"] if header else ["X-Request-Id"]),
        "content": {PROBLEM.decode(): {"schema": {"$ref": f"#/components/schemas/{schema}"}}},
    }


def _headers(names: list[str]) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}
