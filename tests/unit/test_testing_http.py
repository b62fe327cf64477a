"""The HTTP client for an application in memory."""

from __future__ import annotations

import asyncio
import http.client
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.test_testing_calls import _APP as WAITING
from unixsvc import GET, POST, App, Cancelled, Created, Group, NotFound, ServiceContext
from unixsvc.config.http import Http
from unixsvc.testing import HttpFactory, MemoryHttp, MemoryService

_endings: list[type[BaseException]] = []


class _Things:
    def __init__(self, reactor: IReactorTime) -> None:
        self._reactor = reactor

    async def show(self, id: int, unit: str = "kg") -> str:
        if id > 9:
            raise NotFound(f"no thing {id}")
        return f"{id} {unit}"

    async def create(self, name: str) -> Created[str]:
        return Created(name, "/things/1")

    async def tick(self, fail: bool = False) -> AsyncIterator[int]:
        try:
            for number in range(3):
                await deferLater(self._reactor, 1)
                yield number
            if fail:
                raise NotFound("the rest")
        except Cancelled as error:
            _endings.append(type(error))
            raise


_THINGS = App(
    [
        Group(
            "/things",
            _Things,
            [
                GET("/{id:int}", _Things.show, public=True),
                POST("", _Things.create),
                GET("/ticks", _Things.tick),
            ],
        )
    ]
)


class RequestTests(SynchronousTestCase):
    """Requests and responses."""

    def setUp(self) -> None:
        """Connect to the application."""
        self.client = MemoryHttp(_THINGS)

    def tearDown(self) -> None:
        """Disconnect."""
        self.successResultOf(self.client.close())

    def test_response(self) -> None:
        """A response has a code, headers in any case, and a body."""
        response = self.client.get("/things/7", params={"unit": "lb"}).wait()
        self.assertEqual((response.status_code, response.text, response.json()), (200, '"7 lb"', "7 lb"))
        self.assertEqual(response.headers["content-type"], "application/json")
        self.assertTrue(response.complete)
        response = self.client.head("/things/7").wait()
        self.assertEqual((response.status_code, response.content), (200, b""))

    def test_bodies(self) -> None:
        """A body is JSON, a form, or bytes."""
        for options in (
            {"json": {"name": "Pen"}},
            {"data": {"name": "Pen"}},
            {"content": b'{"name":"Pen"}', "headers": {"content-type": "application/json"}},
        ):
            response = self.client.post("/things", **options).wait()
            self.assertEqual((response.status_code, response.json()), (201, "Pen"))
            self.assertEqual(response.headers["Location"], "/things/1")

    def test_errors(self) -> None:
        """An error is a response."""
        response = self.client.get("/things/70").wait()
        self.assertEqual(response.status_code, 404)
        self.assertEqual(response.headers["Content-Type"], "application/problem+json")
        for method in (self.client.put, self.client.patch, self.client.delete):
            self.assertEqual(method("/things/7").wait().status_code, 405)

    def test_parser(self) -> None:
        """The parser of the server sees the request."""
        response = self.client.get("/things/7", headers={"Content-Length": "x"}).wait()
        self.assertEqual(response.status_code, 400)

    def test_token(self) -> None:
        """The token is shown, another one, or none; the policy is that of the settings."""
        for client in (MemoryHttp(_THINGS, token=None), MemoryHttp(_THINGS, token="1" * 64)):
            self.assertEqual(client.post("/things", json={"name": "Pen"}).wait().status_code, 401)
        headers = {"authorization": "Bearer wrong"}
        response = self.client.post("/things", json={"name": "Pen"}, headers=headers).wait()
        self.assertEqual(response.status_code, 401)
        client = MemoryHttp(_THINGS, token=None, http=Http(token="off"))
        self.assertEqual(client.post("/things", json={"name": "Pen"}).wait().status_code, 201)

    def test_mounts(self) -> None:
        """Mounted services are those in memory."""
        things = MemoryService(_THINGS)
        client = MemoryHttp(App([]), mounts={"/things": "shop"}, services={"shop": things})
        self.assertEqual(client.get("/things/7").wait().json(), "7 kg")


class StreamTests(SynchronousTestCase):
    """Responses that arrive in parts."""

    def test_items(self) -> None:
        """Items of a running stream are there as they arrive, in both formats."""
        for media_type in ("application/jsonl", "text/event-stream"):
            client = MemoryHttp(_THINGS)
            stream = client.stream("GET", "/things/ticks", headers={"Accept": media_type})
            with self.assertRaises(http.client.HTTPException):
                stream.response  # noqa: B018 # there is no head yet
            client.clock.pump([1, 0.1])
            self.assertEqual((stream.response.items(), stream.response.complete), ([0], False))
            self.assertNoResult(stream.ended)
            client.clock.pump([1] * 3)
            response = self.successResultOf(stream.ended)
            self.assertEqual((response.items(), response.complete), ([0, 1, 2], True))
            self.assertEqual(response.headers.get_content_type(), media_type)

    def test_fails(self) -> None:
        """A stream of lines that fails is not complete."""
        client = MemoryHttp(_THINGS)
        call = client.get("/things/ticks", params={"fail": "true"})
        client.clock.pump([1] * 4)
        response = self.successResultOf(call)
        self.assertFalse(response.complete)

    def test_disconnect(self) -> None:
        """A client that disconnects cancels the action; so does the end of the test."""
        for end in (lambda stream, client: stream.close(), lambda stream, client: client.close()):
            _endings.clear()
            client = MemoryHttp(_THINGS)
            stream = client.stream("GET", "/things/ticks")
            client.clock.pump([1, 0.1])
            end(stream, client)
            self.assertEqual(_endings, [Cancelled])


class FactoryTests(SynchronousTestCase):
    """Clients of the fixture."""

    def test_asyncio(self) -> None:
        """Actions that wait for asyncio have an event loop."""
        factory = HttpFactory()
        client = factory(WAITING)
        self.assertEqual(client.get("/sleep", params={"seconds": 0}).wait().json(), "slept")
        call = client.get("/late")
        client.clock.advance(5)
        self.assertEqual(call.wait().json(), "late")
        client.get("/sleep", params={"seconds": 60})
        self.successResultOf(factory.close())

    def test_lifespan(self) -> None:
        """The lifespan is entered before the first request, and has been left when the factory is closed."""
        events: list[str] = []

        @asynccontextmanager
        async def lifespan(context: ServiceContext) -> AsyncIterator[None]:
            await asyncio.sleep(0)
            events.append("entered")
            yield
            await asyncio.sleep(0)
            events.append("left")

        factory = HttpFactory()
        factory(App([], lifespan=lifespan))
        self.assertEqual(events, ["entered"])
        self.successResultOf(factory.close())
        self.assertEqual(events, ["entered", "left"])
