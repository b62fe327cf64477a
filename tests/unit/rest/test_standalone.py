"""The gateway as a resource, without an orchestrator."""

from __future__ import annotations

import os
from typing import Any

from treq.testing import RequestTraversalAgent, StubTreq
from twisted.internet.defer import Deferred
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource

from unixsvc import GET, POST, App, NotFound
from unixsvc.config.http import Http
from unixsvc.errors import ConfigError
from unixsvc.rest import klein

TOKEN = "f" * 64


async def show(id: int) -> dict[str, int]:
    """Returns an object."""
    if id > 9:
        raise NotFound(f"no thing {id}")
    return {"id": id}


def make(name: str) -> str:
    """Returns another object."""
    return name


_counted: list[str] = []


def count(name: str) -> int:
    """Returns the number of calls."""
    _counted.append(name)
    return len(_counted)


APP = App(
    [
        GET("/thing/{id:int}", show, public=True),
        POST("/thing", make),
        POST("/count", count, public=True),
    ],
    title="Things",
)


class ResourceTests(SynchronousTestCase):
    """Under a site of an application."""

    def setUp(self) -> None:
        """Create the root of a site."""
        self.reactor = MemoryReactorClock()
        folder = self.mktemp()
        os.mkdir(folder)
        self.addCleanup(_counted.clear)
        self.resource = klein(APP, token=TOKEN, socket_dir=folder, reactor=self.reactor).resource()
        self.client: Any = StubTreq(self.resource)

    def request(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        """The status code and the data of a response."""
        response = self.successResultOf(self.client.request(method, f"http://localhost{path}", **options))
        return response.code, self.successResultOf(response.json())

    def test_answers(self) -> None:
        """Public routes are open, others need the token."""
        self.assertEqual(self.request("GET", "/thing/7"), (200, {"id": 7}))
        self.assertEqual(self.request("GET", "/thing/70")[1]["detail"], "no thing 70")
        self.assertEqual(self.request("POST", "/thing", json={"name": "x"})[0], 401)
        headers = {"Authorization": f"Bearer {TOKEN}"}
        self.assertEqual(self.request("POST", "/thing", json={"name": "x"}, headers=headers), (200, "x"))

    def test_idempotency_keys(self) -> None:
        """A key belongs to the token; without one, where none is required, to the request."""
        headers = {"Idempotency-Key": "k"}
        known = headers | {"Authorization": f"Bearer {TOKEN}"}

        def count(name: str, headers: dict[str, str]) -> Any:
            return self.request("POST", "/count", json={"name": name}, headers=headers)

        self.assertEqual([count("a", known), count("a", known)], [(200, 1), (200, 1)])
        self.assertEqual(count("b", known)[0], 422)
        self.assertEqual([count("a", headers), count("b", headers)], [(200, 2), (200, 3)])
        self.assertEqual([count("a", headers), count("b", headers)], [(200, 2), (200, 3)])
        thing: Any = {"json": {"name": "x"}, "headers": known | {"Idempotency-Key": "l"}}
        self.assertEqual(self.request("POST", "/thing", **thing), (200, "x"))
        del thing["headers"]["Authorization"]
        self.assertEqual(self.request("POST", "/thing", **thing)[0], 401)

    def test_document(self) -> None:
        """The OpenAPI document has the routes."""
        code, document = self.request("GET", "/openapi.json")
        self.assertEqual((code, document["info"]["title"]), (200, "Things"))
        self.assertEqual(set(document["paths"]), {"/count", "/thing", "/thing/{id}"})

    def test_prefix(self) -> None:
        """The resource may be below a path of a site."""
        root = Resource()
        root.putChild(b"api", self.resource)
        agent: Any = RequestTraversalAgent(root)
        response = self.successResultOf(agent.request(b"GET", b"http://localhost/api/thing/7"))
        self.assertEqual(response.code, 200)

    def test_settings(self) -> None:
        """The settings of ``[http]`` apply, as no pages and no token."""
        opened = klein(APP, token=TOKEN, http=Http(token="off", docs=False), reactor=MemoryReactorClock())
        self.client = StubTreq(opened.resource())
        self.assertEqual(self.request("POST", "/thing", json={"name": "x"})[0], 200)
        self.assertEqual(self.request("GET", "/openapi.json")[0], 404)

    def test_stops(self) -> None:
        """When the reactor stops, pending requests are 503."""
        pending: Deferred[int] = Deferred()

        async def wait() -> int:
            return await pending

        waiting = klein(App([GET("/wait", wait, public=True)]), token=TOKEN, reactor=self.reactor)
        client: Any = StubTreq(waiting.resource())
        calls = client.get("http://localhost/wait")
        self.assertNoResult(calls)
        for phase, event, call in list(self.reactor.triggers["before"]["shutdown"]):
            phase(*event, **call)
        self.reactor.pump([1, 1])
        client.flush()
        self.assertEqual(self.successResultOf(calls).code, 503)

    def test_no_token(self) -> None:
        """A missing token is an error."""
        folder = os.path.abspath(self.mktemp())
        os.mkdir(folder)
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(folder)
        error = self.assertRaises(ConfigError, klein, APP, socket_dir=folder, reactor=self.reactor)
        self.assertIn(f"{folder}/.auth_token: there is no token", str(error))
