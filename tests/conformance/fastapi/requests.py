"""The requests that both applications get, in their order."""

from __future__ import annotations

from itertools import product
from typing import Any, Final

import httpx
from msgspec import Struct

from tests.conformance.fastapi.theirs.dependencies import create_token

__all__ = ["REQUESTS", "Call", "comparable"]


class Call(Struct, frozen=True):
    """A request.

    :ivar options: as of :meth:`httpx.Client.request`.
    """

    method: str
    path: str
    options: dict[str, Any] = {}


def comparable(call: Call, response: httpx.Response) -> dict[str, object]:
    """The parts of an answer that must be equal.

    Of an error these are the status and the scheme of authentication: the body is ``{"detail": ...}`` there,
    and a problem (RFC 9457) here.
    """
    if call.method == "OPTIONS":  # whether a page may send the request that it announces
        wanted = call.options["headers"]["Access-Control-Request-Method"]
        methods = response.headers.get("access-control-allow-methods", "").split(", ")
        origin = response.headers.get("access-control-allow-origin")
        return {"allowed": response.is_success and origin is not None and wanted in methods}
    found: dict[str, object] = {"status": response.status_code}
    if response.status_code >= 400:
        return found | {"authenticate": response.headers.get("www-authenticate", "").partition(" ")[0]}
    if response.content:  # FastAPI sends a media type with 204
        found["type"] = response.headers.get("content-type", "").partition(";")[0]
    found["location"] = response.headers.get("location")
    found["cookies"] = dict(response.cookies)
    found["origin"] = response.headers.get("access-control-allow-origin")
    if found.get("type") == "application/json":
        found["body"] = response.json()
        if call.path == "/login":  # the token has the time in it
            found["body"] = sorted(response.json())
    return found


def _user(name: str) -> dict[str, Any]:
    return {"headers": {"Authorization": f"Bearer {create_token(name)}"}}


_GOOD: Final = {"name": "Cup", "price": 2, "tags": ["kitchen", "blue"]}
_BODIES: Final[list[Any]] = [
    _GOOD, {"name": "Cup", "price": 2.5, "description": "Large"}, {"name": "", "price": 2}, {"name": "Cup"},
    {"price": 1}, {"name": "Cup", "price": 0}, {"name": "x" * 51, "price": 1}, {**_GOOD, "tags": [1]},
    {**_GOOD, "more": 1}, {},
]  # fmt: skip


def _requests() -> list[Call]:
    calls = [Call("GET", path) for path in ("/", "/users", "/users/rick", "/users/J%C3%BCrgen", "/nope")]
    for q, skip, limit in product((None, "p", "PORTAL", "zz"), (None, 0, 1, -1, "x"), (None, 1, 100, 0, 101)):
        given = {"q": q, "skip": skip, "limit": limit}
        calls.append(
            Call(
                "GET",
                "/items",
                {"params": {name: value for name, value in given.items() if value is not None}},
            )
        )
    calls += [Call("GET", f"/items/{item}") for item in (1, 2, 99, "abc", "1.5", -1)]
    users = [
        {},
        _user("ada"),
        _user("root"),
        {"headers": {"Authorization": "Bearer x.y.z"}},
        {"headers": {"Authorization": "Basic YTpi"}},
    ]
    for user in users:
        calls += [
            Call("GET", "/users/me", user),
            Call("POST", "/admin", user),
            Call("POST", "/items", {**user, "json": _GOOD}),
        ]
    calls += [Call("POST", "/items", {**_user("ada"), "json": body}) for body in _BODIES]
    calls += [
        Call("PUT", f"/items/{item}", {**_user("ada"), "json": body})
        for item in (2, 99, "abc")
        for body in _BODIES[:4]
    ]
    calls += [
        Call("DELETE", f"/items/{item}", user) for item in (3, 3, 99, "abc") for user in (_user("ada"), {})
    ]
    for name, password in product(("ada", "nobody"), ("analytical", "wrong")):
        calls.append(Call("POST", "/login", {"data": {"username": name, "password": password}}))
    calls.append(Call("POST", "/login", {"data": {"username": "ada"}}))
    headers: list[list[tuple[str, str]]] = [
        [], [("X-Token", "a")], [("X-Token", "a"), ("X-Token", "b")], [("User-Agent", "curl")],
        [("Strange", "7")], [("Strange", "x")], [("x-TOKEN", "c d")],
    ]  # fmt: skip
    calls += [Call("GET", "/headers", {"headers": each}) for each in headers]
    calls += [
        Call("GET", "/cookies", {"headers": {"Cookie": each}})
        for each in ("ads_id=abc", "a=1; ads_id=2", "other=1", "ads_id=")
    ]
    calls += [
        Call("GET", "/cookies"),
        Call("POST", "/cookies", {"params": {"ads_id": "foo"}}),
        Call("POST", "/cookies"),
    ]
    for email in ("a@example.org", "b"):
        calls.append(Call("POST", f"/notifications/{email}"))
    for name, content in (
        ("a.txt", b"abc"),
        ("empty", b""),
        ("big.bin", b"x" * 300_000),
        ("J\u00fcrgen.txt", b"1"),
    ):
        files = {"files": [("file", (name, content))]}
        calls += [Call("POST", "/files", {**files, "data": {"token": "t"}}), Call("POST", "/files", files)]
        calls.append(
            Call("POST", "/uploadfiles", {"files": [("files", (name, content)), ("files", ("b", b"1"))]})
        )
    calls += [
        Call("POST", "/files", {"data": {"token": "t"}}),
    ]
    for origin, method in product(
        ("https://shop.example", "https://evil.example"), ("GET", "POST", "DELETE")
    ):
        preflight = {"Origin": origin, "Access-Control-Request-Method": method}
        calls.append(Call("OPTIONS", "/items", {"headers": preflight}))
        calls.append(Call("GET", "/items/1", {"headers": {"Origin": origin}}))
    calls += [Call(method, path) for method, path in (("PATCH", "/items/1"), ("POST", "/users"))]
    return [*calls, Call("GET", "/notifications")]  # the background work has been done long ago


REQUESTS: Final = _requests()
