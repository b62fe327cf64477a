"""The differences of two OpenAPI documents of the same API."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

__all__ = ["document_differences"]

# Headers that every operation takes here, beside those of the action.
_OWN_HEADERS: Final = frozenset({"X-Request-Timeout", "If-None-Match", "Idempotency-Key"})
_METHODS: Final = frozenset({"get", "put", "post", "delete", "patch", "head", "options"})


def document_differences(theirs: dict[str, Any], ours: dict[str, Any]) -> Iterator[str]:
    """Yield each operation whose parameters, body, results or security differ.

    Errors are left out: here each operation lists those that it can have, there only 422. So are tags that an
    operation has only here, the least length of path variables, and further media types of a body.
    """
    expected, found = _operations(theirs), _operations(ours)
    for name, operation in found.items():
        if name in expected:
            operation["tags"] = operation["tags"] if expected[name]["tags"] else []
            known = [media_type for media_type, _ in expected[name]["body"]]
            operation["body"] = [each for each in operation["body"] if each[0] in known]
    for name in sorted(expected.keys() | found.keys()):
        one, other = expected.get(name), found.get(name)
        if one != other:
            yield f"OpenAPI: {name}\n  theirs: {one}\n  ours:   {other}"


def _operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        f"{method.upper()} {path}": _described(operation, document)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in _METHODS
    }


def _described(operation: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    parameters = [_resolved(each, document) for each in operation.get("parameters", ())]
    body = operation.get("requestBody", {}).get("content", {})
    media_types = sorted(body)
    return {
        "tags": operation.get("tags", []),
        "parameters": sorted(
            (each["in"], each["name"].lower(), each["required"], _parameter_shape(each, document))
            for each in parameters
            if each["name"] not in _OWN_HEADERS
        ),
        "body": [(name, _shape(body[name].get("schema", {}), document)) for name in media_types],
        "results": sorted(
            (status, name, _shape(content.get("schema", {}), document))
            for status, response in operation["responses"].items()
            if status.startswith("2")
            for name, content in (response.get("content") or {"": {}}).items()
        ),
        "secured": bool(operation.get("security")),
    }


def _parameter_shape(parameter: dict[str, Any], document: dict[str, Any]) -> str:
    shape = _shape(parameter["schema"], document)
    return shape.removesuffix(" minLength=1") if parameter["in"] == "path" else shape


def _shape(schema: dict[str, Any], document: dict[str, Any]) -> str:
    """A schema as a short text: types, properties and what is required."""
    schema = _resolved(schema, document)
    options = schema.get("anyOf") or schema.get("oneOf")
    if options:
        return " | ".join(sorted(_shape(each, document) for each in options))
    if schema.get("type") == "array":
        return f"[{_shape(schema.get('items', {}), document)}]"
    if "properties" in schema:
        required = schema.get("required", [])
        fields = [
            f"{name}{'' if name in required else '?'}: {_shape(each, document)}"
            for name, each in sorted(schema["properties"].items())
        ]
        return f"{{{', '.join(fields)}}}"
    bounds = [
        f"{key}={float(schema[key]):g}"
        for key in ("minimum", "maximum", "exclusiveMinimum", "minLength", "maxLength")
        if key in schema
    ]
    return " ".join([str(schema.get("type", "any")), *bounds])


def _resolved(part: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in part:
        found: Any = document
        for step in part["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        part = found
    return part
