"""A gateway with a Klein application beside its routes."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from klein import Klein
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.static import Data
from werkzeug.exceptions import Conflict, TooManyRequests, abort

from tests.unit.rest.http_requests import GatewayHarness, RawClient
from unixsvc.config.http import Http
from unixsvc.errors import NotFound, RateLimited
from unixsvc.routing.route import GET

__all__ = ["KleinRoutes", "KleinTestCase"]


class Thing(msgspec.Struct):
    """A result of a route."""

    name: str


class KleinRoutes:
    """The routes of an application's Klein.

    :ivar pending: fires when ``/wait`` is to go on.
    :ivar cancelled: whether that was cancelled.
    """

    def __init__(self) -> None:
        self.cancelled = False
        self.pending: Deferred[Any] = Deferred(self._cancel)
        self.request: Any = None

    def _cancel(self, pending: Deferred[Any]) -> None:
        self.cancelled = True

    def add(self, app: Klein) -> None:
        """Add the routes."""
        results: dict[str, Any] = {
            "text": "text", "bytes": b"bytes", "dict": {"a": 1}, "list": [1], "thing": Thing("a"),
            "none": None, "unspeakable": {"a": object()}, "resource": Data(b"data", "text/plain"),
        }  # fmt: skip
        for name, result in results.items():
            app.route(f"/own/{name}", endpoint=name)(lambda request, result=result: result)
        raised: dict[str, Any] = {
            "crash": RuntimeError("the secret"), "conflict": Conflict("two of them"),
            "notfound": NotFound("x"), "limited": RateLimited(1.5), "toomany": TooManyRequests(),
            "exit": SystemExit("the secret"), "cancel": asyncio.CancelledError("the secret"),
        }  # fmt: skip
        for name, error in raised.items():
            app.route(f"/raise/{name}", endpoint=name)(
                lambda request, error=error: Failure(error).raiseException()
            )
        app.route("/own/made", methods=["POST"])(self.made)
        app.route("/own/later")(self.later)
        app.route("/own/wait")(self.wait)
        app.route("/own/half")(self.half)
        app.route("/own/abort")(lambda request: abort(404, "nothing here"))
        app.route("/own/<int:number>/")(self.number)
        app.route("/hello")(self.hidden)

    def made(self, request: Any) -> Any:
        """Sets a status code and a header."""
        request.setResponseCode(201)
        request.setHeader(b"Location", b"/own/1")
        request.setHeader(b"Content-Type", b"application/vnd.shop+json")
        return {"made": True}

    async def later(self, request: Any) -> Any:
        """Waits before it returns data."""
        await self.pending
        return {"later": True}

    def wait(self, request: Any) -> Any:
        """Waits."""
        self.request = request
        return self.pending

    def half(self, request: Any) -> Any:
        """Fails after the start of its response."""
        request.write(b"half")
        raise RuntimeError("the secret")

    def number(self, request: Any, number: int) -> Any:
        """Has a variable."""
        return [number]

    def hidden(self, request: Any) -> Any:
        """Has the path of an action."""
        return "hidden"


def hello() -> str:
    """An action."""
    return "hello"


class KleinTestCase(SynchronousTestCase):
    """A test case with a gateway that has a Klein application."""

    http = Http(docs=False)

    def setUp(self) -> None:
        """Start a gateway, and connect a client."""
        self.own = KleinRoutes()
        self.harness = GatewayHarness(GET("/hello", hello, public=True), web=self.own.add, http=self.http)
        self.request = self.harness.request
        self.site = self.harness.site
        self.client = RawClient(self.site)
