"""Parts of requests that pass through mounts."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Struct
from twisted.trial.unittest import SynchronousTestCase

from unixsvc import GET, POST, App, Body, Cookie, Form, Header, Query, Request
from unixsvc.config.http import Http
from unixsvc.testing import MemoryHttp, MemoryService


class Login(Struct):
    """A form."""

    name: str
    age: int = 0


def tenant(
    x_tenant: Annotated[str | None, Header()],
    x_ids: Annotated[list[int], Header()] = [],
    session: Annotated[str, Cookie()] = "none",
    page: Annotated[int, Query()] = 1,
) -> list[Any]:
    """Header fields, a cookie and a query."""
    return [x_tenant, x_ids, session, page]


def total(numbers: Annotated[list[int], Body()], page: Annotated[int, Query()] = 1) -> list[int]:
    """A body that is an array."""
    return [sum(numbers), page]


def login(form: Annotated[Login, Form()]) -> list[Any]:
    """A form."""
    return [form.name, form.age]


def plain(a: int = 0) -> int:
    """A body that is an object."""
    return a


def meta(request: Request) -> dict[str, str]:
    """What arrives."""
    return {name: value for name, value in request.meta.items() if name != "request_id"}


SERVICE = App([
    GET("/in/tenant", tenant), POST("/in/total", total), POST("/in/login", login), POST("/in/plain", plain),
    GET("/in/meta", meta),
])  # fmt: skip


class MountTests(SynchronousTestCase):
    def client(self, *forwarded: str) -> MemoryHttp:
        """A client of a gateway that mounts the service."""
        http = Http(forward_headers=forwarded)
        own = App([POST("/own", plain), GET("/own", meta)])
        return MemoryHttp(own, mounts={"/in": "inner"}, services={"inner": MemoryService(SERVICE)}, http=http)

    def test_headers(self) -> None:
        """The configured headers arrive as ``meta``; several values are joined, as HTTP does."""
        headers = {"X-Tenant": "acme", "x-ids": "1, 2", "Cookie": "a=1; session=s"}
        client = self.client("X-Tenant", "x-ids", "Cookie")
        self.assertEqual(
            client.get("/in/tenant?page=3", headers=headers).wait().json(), ["acme", [1, 2], "s", 3]
        )
        self.assertEqual(client.get("/in/tenant").wait().json(), [None, [], "none", 1])

    def test_no_headers(self) -> None:
        """By default none arrive, nor do those that are not listed."""
        headers = {"X-Tenant": "acme", "X-Ids": "1", "Cookie": "session=s", "Client-Address": "1.2.3.4"}
        client = self.client()
        self.assertEqual(client.get("/in/tenant", headers=headers).wait().json(), [None, [], "none", 1])
        expected = {"client_address": "192.168.1.1"}
        self.assertEqual(client.get("/in/meta", headers=headers).wait().json(), expected)
        found = self.client("X-Tenant").get("/in/meta", headers=headers).wait().json()
        self.assertEqual(found, {**expected, "x-tenant": "acme"})

    def test_array(self) -> None:
        """The mounted service decides whether it takes an array; others refuse it as the gateway does."""
        client = self.client()
        self.assertEqual(client.post("/in/total?page=2", json=[1, 2]).wait().json(), [3, 2])
        for path in ("/in/plain", "/own"):
            response = client.post(path, json=[1, 2]).wait()
            self.assertEqual(response.status_code, 400)
            self.assertEqual(response.json()["errors"], [{"field": "data", "message": "Expected `object`"}])

    def test_form(self) -> None:
        """A form arrives as the query."""
        found = self.client().post("/in/login", data={"name": "Ada", "age": "36"}).wait()
        self.assertEqual(found.json(), ["Ada", 36])

    def test_line_ends(self) -> None:
        """An array with line ends is one message."""
        headers = {"Content-Type": "application/json"}
        found = self.client().post("/in/total", content=b"[1,\n2\r\n]", headers=headers).wait()
        self.assertEqual(found.json(), [3, 1])
