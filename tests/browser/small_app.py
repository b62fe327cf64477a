"""A small API with the documentation pages, in a process of its own; prints ``{"port": …}`` when it listens.

It is at the root and below ``/api``, as behind a proxy that passes a prefix on.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from klein import Klein
from twisted.web.resource import Resource
from twisted.web.server import Request, Site

from unixsvc.rest.docs_pages import add_pages
from unixsvc.rest.problem import PROBLEM, problem

__all__ = ["DOCUMENT", "ITEMS", "TOKEN", "main"]

TOKEN = "a-token-for-the-browser"
ITEMS = [{"id": 1, "name": "Anvil", "price": 49.5}, {"id": 2, "name": "Bucket", "price": 7.25}]


def _json(schema: dict[str, Any], words: str, kind: str = "application/json") -> dict[str, Any]:
    return {"description": words, "content": {kind: {"schema": schema}}}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _problems(*codes: int) -> dict[str, Any]:
    words = {401: "Unauthorized", 404: "Not found", 422: "Invalid arguments"}
    return {str(code): _json(_ref("Problem"), words[code], "application/problem+json") for code in codes}


_PRICE = {"type": "number", "exclusiveMinimum": 0}
_NAME = {"type": "string", "minLength": 1, "maxLength": 80}
_ITEM_FIELDS = {"id": {"type": "integer"}, "name": _NAME, "price": _PRICE}
_PROBLEM_FIELDS = {"type": {"type": "string"}, "title": {"type": "string"}, "status": {"type": "integer"}}

_PATHS: dict[str, Any] = {
    "/items": {
        "get": {
            "tags": ["items"],
            "summary": "All items",
            "parameters": [
                {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "default": 20}}
            ],
            "responses": {"200": _json({"type": "array", "items": _ref("Item")}, "The items")},
        },
        "post": {
            "tags": ["items"],
            "summary": "A new item",
            "security": [{"token": []}],
            "requestBody": {"required": True, "content": {"application/json": {"schema": _ref("NewItem")}}},
            "responses": {"201": _json(_ref("Item"), "It is there"), **_problems(401, 422)},
        },
    },
    "/items/{id}": {
        "get": {
            "tags": ["items"],
            "summary": "One item",
            "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}],
            "responses": {"200": _json(_ref("Item"), "The item"), **_problems(404)},
        },
    },
}

DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {
        "title": "Shop & Co",
        "version": "1.0",
        "description": "What the shop has, and what it costs.",
    },
    "servers": [{"url": "."}],
    "paths": _PATHS,
    "components": {
        "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        "schemas": {
            "Item": {"type": "object", "properties": _ITEM_FIELDS, "required": ["id", "name", "price"]},
            "NewItem": {
                "type": "object",
                "properties": {"name": _NAME, "price": _PRICE},
                "required": ["name", "price"],
                "examples": [{"name": "Candle", "price": 2.5}],
            },
            "Problem": {"type": "object", "properties": _PROBLEM_FIELDS},
        },
    },
}

app = Klein()


async def _openapi() -> dict[str, Any]:
    return DOCUMENT


add_pages(app, _openapi)


def _answer(request: Request, code: int, body: bytes, kind: bytes = b"application/json") -> bytes:
    request.setResponseCode(code)
    request.setHeader(b"Content-Type", kind)
    return body


@app.route("/items", methods=["GET"])
def index(request: Request) -> bytes:
    """All items."""
    limit = int((request.args or {}).get(b"limit", [b"20"])[0])
    return _answer(request, 200, json.dumps(ITEMS[:limit]).encode())


@app.route("/items/<int:number>", methods=["GET"])
def show(request: Request, number: int) -> bytes:
    """One item."""
    for item in ITEMS:
        if item["id"] == number:
            return _answer(request, 200, json.dumps(item).encode())
    return _answer(request, 404, problem(404, "Not found", f"no item {number}"), PROBLEM)


@app.route("/items", methods=["POST"])
def create(request: Request) -> bytes:
    """A new item; needs the token."""
    if request.getHeader("Authorization") != f"Bearer {TOKEN}":
        return _answer(request, 401, problem(401, "Unauthorized"), PROBLEM)
    assert request.content is not None  # it has been read by now
    new = json.loads(request.content.read())
    if new["price"] <= 0:
        wrong = [{"field": "price", "message": "Expected `float` > 0.0"}]
        return _answer(request, 422, problem(422, "Invalid arguments", wrong), PROBLEM)
    return _answer(request, 201, json.dumps({"id": len(ITEMS) + 1, **new}).encode())


class _Root(Resource):
    """The API at the root and below a prefix."""

    def getChild(self, path: bytes, request: Request) -> Resource:
        if path != b"api":
            request.postpath = [path, *(request.postpath or [])]
            request.prepath = []
        return app.resource()


def main(reactor: Any) -> None:
    """Listen, and print the port."""
    port = reactor.listenTCP(0, Site(_Root()), interface="127.0.0.1")
    sys.stdout.write(json.dumps({"port": port.getHost().port}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    from twisted.internet import reactor

    main(reactor)
    reactor.run()
