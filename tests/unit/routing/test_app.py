"""Finding applications."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.errors import ConfigError
from unixsvc.routing.app import App, load_app, load_object
from unixsvc.routing.route import GET, Group, Route

HERE = "tests.unit.routing.test_app"

app = App(routes=[], title="Here")
not_an_app = [app]


class Namespace:
    """Has something inside."""

    app = app


class LoadTests(SynchronousTestCase):
    """Applications by name."""

    def assert_refused(self, spec: str, *words: str) -> None:
        """It cannot be loaded, and the error says so in one line."""
        with self.assertRaises(ConfigError) as caught:
            load_app(spec)
        for word in (spec, *words):
            self.assertIn(word, str(caught.exception))

    def test_found(self) -> None:
        """What the name says is loaded."""
        self.assertIs(load_app(f"{HERE}:app"), app)
        self.assertIs(load_object(f"{HERE}:Namespace"), Namespace)

    def test_no_name(self) -> None:
        """A name of the wrong form is refused with the right one."""
        for spec in ("", ":", "app", f"{HERE}:", ":app", HERE):
            self.assert_refused(spec, "package.module:name")

    def test_missing(self) -> None:
        """A module or a name that is not there is named."""
        self.assert_refused("no_such_package:app", "there is no module 'no_such_package'")
        self.assert_refused("no_such_package.sub:app", "there is no module 'no_such_package'")
        self.assert_refused("tests.unit.no_such:app", "there is no module 'tests.unit.no_such'")
        self.assert_refused(f"{HERE}:nothing", "has no 'nothing'")

    def test_no_app(self) -> None:
        """What is no App is refused."""
        self.assert_refused(f"{HERE}:not_an_app", "is not an App but a list")
        self.assert_refused(f"{HERE}:App", "is not an App but a StructMeta")

    def test_errors_of_the_module(self) -> None:
        """What a module raises when it is imported is its author's, also an import of its own that fails."""
        with self.assertRaises(ModuleNotFoundError) as caught:
            load_app("tests.unit.routing.importing:app")
        self.assertEqual(caught.exception.name, "unixsvc_has_no_such_dependency")


class RouteTests(SynchronousTestCase):
    """Routes as they are written."""

    def test_route(self) -> None:
        """A route keeps what was said of it, and says nothing that was not."""
        plain = GET("/x", app_action)
        self.assertEqual(plain, Route("GET", "/x", app_action, False, "", "", False, {}))
        self.assertEqual(plain, Route("GET", "/x", app_action))
        full = GET("/x", app_action, public=True, title="T", description="D", blocking=True, meta={"a": 1})
        self.assertEqual(full, Route("GET", "/x", app_action, True, "T", "D", True, {"a": 1}))

    def test_meta_is_not_shared(self) -> None:
        """The meta of one route is not that of another."""
        GET("/x", app_action).meta["a"] = 1
        self.assertEqual(GET("/y", app_action).meta, {})

    def test_group(self) -> None:
        """A group is a prefix, a controller and routes."""
        group = Group("/p", Namespace, [GET("", app_action)])
        self.assertEqual((group.prefix, group.controller, len(group.routes)), ("/p", Namespace, 1))


def app_action() -> int:
    """Answer."""
    return 0
