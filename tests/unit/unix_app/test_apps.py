"""The services of the demo, from request to reply."""

from __future__ import annotations

import os
from typing import Any

import svcs
from treq.testing import StubTreq
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

import rest_app
import unix_app.home
import unix_app.user
from unix_app.user.memory import MemoryUsers
from unix_app.user.users import IUsers
from unixsvc import App, Group, Invalid, NotFound, ServiceContext, ServiceError, Unauthorized
from unixsvc.config.http import Http
from unixsvc.config.settings import Security
from unixsvc.errors import ConfigError
from unixsvc.rest import klein
from unixsvc.testing import MemoryHttp, MemoryService


class AppTestCase(SynchronousTestCase):
    """Starts services and asks them."""

    def start(self, app: App, folder: str = "", **options: Any) -> None:
        """Start the service for :meth:`ask`."""
        self.service = MemoryService(app, folder=folder, options=options)

    def ask(self, method: str, path: str, **data: Any) -> Any:
        """The result of an action."""
        return self.successResultOf(self.service.call(method, path, data))

    def refusal(self, kind: type[ServiceError], method: str, path: str, **data: Any) -> Any:
        """The details of the error of a call."""
        return self.failureResultOf(self.service.call(method, path, data), kind).value.detail

    def fields(self, method: str, path: str, **data: Any) -> list[str]:
        """The invalid fields of a call."""
        return [each["field"] for each in self.refusal(Invalid, method, path, **data)]


class HomeTests(AppTestCase):
    def test_index(self) -> None:
        """The greeting needs no token under the policy private."""
        service = MemoryService(unix_app.home.app, token=None, security=Security(token="private"))
        self.assertEqual(self.successResultOf(service.get("/")), {"message": "Hello World!"})


class PageTests(SynchronousTestCase):
    def test_form(self) -> None:
        """The form of the demo sends a file to an action, which leads back to the page with what was sent."""
        http = MemoryHttp(rest_app.app)
        self.assertIn('action="/pictures"', http.get("/form").wait().text)
        files = {"picture": ("<pen>.png", b"\x89PNG")}
        sent = http.post("/pictures", files=files).wait()
        self.assertEqual(sent.status_code, 303)
        page = http.get(sent.headers["Location"]).wait().text
        self.assertIn("<p>_pen_.png, 4</p>", page)

    def test_index(self) -> None:
        """The page of the demo over HTTP links to its routes, its mounts and itself."""
        folder = self.mktemp()
        os.mkdir(folder)
        http = Http(mounts={"/users": "user:/user"})
        there = klein(rest_app.app, token="0" * 64, http=http, folder=folder, reactor=MemoryReactorClock())
        client: Any = StubTreq(there.resource())
        response = self.successResultOf(client.get("http://localhost/index"))
        page = self.successResultOf(response.text())
        self.assertEqual(response.headers.getRawHeaders("Content-Type"), ["text/html; charset=utf-8"])
        for link in ("/", "/user", "/users", "/index", "/form", "/-/health", "/docs"):
            self.assertIn(f'<a href="{link}">', page)


class UserTests(AppTestCase):
    def setUp(self) -> None:
        """Serve the routes with a store in memory."""

        def register(registry: svcs.Registry, context: ServiceContext) -> None:
            registry.register_value(IUsers, MemoryUsers())

        self.start(App(routes=unix_app.user.app.routes, container=register))

    def test_index(self) -> None:
        """The list starts with one user."""
        self.assertEqual(self.ask("GET", "/user"), [{"id": 1, "name": "Zeki"}])

    def test_create(self) -> None:
        """A created user is returned and listed."""
        self.assertEqual(self.ask("POST", "/user", name="Ada"), {"id": 2, "name": "Ada"})
        self.assertEqual(len(self.ask("GET", "/user")), 2)

    def test_page(self) -> None:
        """Limit and offset come from the data or the query."""
        for name in "BCD":
            self.ask("POST", "/user", name=name)
        self.assertEqual([user["id"] for user in self.ask("GET", "/user", limit=2, offset=1)], [2, 3])
        self.assertEqual([user["id"] for user in self.ask("GET", "/user?limit=2&offset=1")], [2, 3])

    def test_show(self) -> None:
        """A user by id."""
        self.assertEqual(self.ask("GET", "/user/1"), {"id": 1, "name": "Zeki"})

    def test_update(self) -> None:
        """PUT and PATCH change the name of a user."""
        for method in ["PUT", "PATCH"]:
            self.assertEqual(self.ask(method, "/user/1", name=method), {"id": 1, "name": method})
            self.assertEqual(self.ask("GET", "/user/1")["name"], method)

    def test_delete(self) -> None:
        """A deleted user does not exist."""
        self.assertEqual(self.ask("DELETE", "/user/1"), None)
        self.assertEqual(self.ask("GET", "/user"), [])

    def test_unknown_id(self) -> None:
        """Each action on an unknown id is a 404 that names it."""
        for method in ["GET", "PUT", "PATCH", "DELETE"]:
            data = {"name": "x"} if method.startswith("P") else {}
            self.assertEqual(self.refusal(NotFound, method, "/user/7", **data), "no user 7")

    def test_names(self) -> None:
        """A name is a string of 1 to 80 characters."""
        for name in ["", "x" * 81, 7, None, ["x"]]:
            self.assertEqual(self.fields("POST", "/user", name=name), ["name"])
            self.assertEqual(self.fields("PUT", "/user/1", name=name), ["name"])
        self.assertEqual(self.ask("POST", "/user", name="x" * 80)["id"], 2)

    def test_fields(self) -> None:
        """Missing and unknown fields are reported."""
        self.assertEqual(self.fields("POST", "/user"), ["name"])
        self.assertEqual(self.fields("POST", "/user", name="Ada", id=9), ["id"])

    def test_limits(self) -> None:
        """Limit and offset have bounds; both errors are reported together."""
        self.assertEqual(self.fields("GET", "/user", limit=0, offset=-1), ["limit", "offset"])
        self.assertEqual(self.fields("GET", "/user", limit=101, offset=2**63), ["limit", "offset"])

    def test_private(self) -> None:
        """No action is open to callers without a token."""
        self.service = MemoryService(unix_app.user.app, token=None, security=Security(token="private"))
        [group] = unix_app.user.app.routes
        assert isinstance(group, Group)
        for route in group.routes:
            self.refusal(Unauthorized, route.method, "/user" + route.pattern.replace("{id:int}", "1"))


class ContainerTests(AppTestCase):
    def test_beside_the_configuration(self) -> None:
        """The path of the database is relative to the directory of the configuration."""
        folder = self.mktemp()
        os.mkdir(folder)
        self.start(unix_app.user.app, folder)
        self.ask("GET", "/user")
        self.start(unix_app.user.app, folder, database="other.db")
        self.ask("GET", "/user")
        names = {name for name in os.listdir(folder) if not name.endswith(("-shm", "-wal"))}
        self.assertEqual(names, {"users.sqlite3", "other.db"})

    def test_wrong_options(self) -> None:
        """An unknown or invalid option is an error that names it."""
        wrong: list[dict[str, Any]] = [{"databse": "x"}, {"database": 5}]
        for options in wrong:
            error = self.assertRaises(ConfigError, self.start, unix_app.user.app, "", **options)
            self.assertIn("services.memory.options: ", str(error))
            self.assertIn("datab", str(error))
