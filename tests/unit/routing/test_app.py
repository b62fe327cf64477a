"""Import of applications."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.errors import ConfigError
from unixsvc.routing.app import App, load_app, load_object
from unixsvc.routing.route import GET, Group, Route

HERE = "tests.unit.routing.test_app"

app = App(routes=[], title="Here")
not_an_app = [app]


class Namespace:
    """A namespace with an attribute."""

    app = app


class LoadTests(SynchronousTestCase):
    """Import by name."""

    def assert_refused(self, spec: str, *words: str) -> None:
        """Loading raises an error of one line with these words."""
        with self.assertRaises(ConfigError) as caught:
            load_app(spec)
        for word in (spec, *words):
            self.assertIn(word, str(caught.exception))

    def test_found(self) -> None:
        """An application is imported by its name."""
        self.assertIs(load_app(f"{HERE}:app"), app)
        self.assertIs(load_object(f"{HERE}:Namespace"), Namespace)

    def test_no_name(self) -> None:
        """The error for an invalid name shows the format."""
        for spec in ("", ":", "app", f"{HERE}:", ":app", HERE):
            self.assert_refused(spec, "package.module:name")

    def test_missing(self) -> None:
        """The error names the missing module or attribute."""
        self.assert_refused("no_such_package:app", "there is no module 'no_such_package'")
        self.assert_refused("no_such_package.sub:app", "there is no module 'no_such_package'")
        self.assert_refused("tests.unit.no_such:app", "there is no module 'tests.unit.no_such'")
        self.assert_refused(f"{HERE}:nothing", "has no 'nothing'")

    def test_no_app(self) -> None:
        """An object that is not an App is refused."""
        self.assert_refused(f"{HERE}:not_an_app", "is not an App but a list")
        self.assert_refused(f"{HERE}:App", "is not an App but a StructMeta")

    def test_errors_of_the_module(self) -> None:
        """Exceptions of the imported module propagate, including its own failed imports."""
        with self.assertRaises(ModuleNotFoundError) as caught:
            load_app("tests.unit.routing.importing:app")
        self.assertEqual(caught.exception.name, "unixsvc_has_no_such_dependency")


class RouteTests(SynchronousTestCase):
    """Route declarations."""

    def test_route(self) -> None:
        """A route has the given options, and defaults for the others."""
        plain = GET("/x", app_action)
        self.assertEqual(plain, Route("GET", "/x", app_action, False, "", "", False, {}))
        self.assertEqual(plain, Route("GET", "/x", app_action))
        full = GET("/x", app_action, public=True, title="T", description="D", blocking=True, meta={"a": 1})
        self.assertEqual(full, Route("GET", "/x", app_action, True, "T", "D", True, {"a": 1}))

    def test_meta_is_not_shared(self) -> None:
        """Routes do not share the default of ``meta``."""
        GET("/x", app_action).meta["a"] = 1
        self.assertEqual(GET("/y", app_action).meta, {})

    def test_group(self) -> None:
        """A group has a prefix, a controller and routes."""
        group = Group("/p", Namespace, [GET("", app_action)])
        self.assertEqual((group.prefix, group.controller, len(group.routes)), ("/p", Namespace, 1))


def app_action() -> int:
    """Return a text."""
    return 0
