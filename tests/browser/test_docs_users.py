"""The dialog "Authorize" of the page ``/docs``, with every kind of scheme that it can send."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from twisted.trial.unittest import SynchronousTestCase

from tests.browser.authorize_dialog import AuthorizeDialog
from tests.browser.chromium import run_browser
from tests.browser.demo_server import TryOut, run_application
from tests.browser.docs_page import DocsPage
from tests.browser.users_app import SECRET

_VALUE: Final = {"auth-bearer-value": SECRET}
_KEY: Final = {"api_key_value": SECRET}
_OAUTH: Final = {"oauth_username": "ada", "oauth_password": SECRET}
_BASIC: Final = {"auth-basic-username": "ada", "auth-basic-password": SECRET}


class DocsTestCase(SynchronousTestCase):
    """The page of an application."""

    app = "app"

    def setUp(self) -> None:
        """Start the application, and open its page in a browser with an empty profile."""
        self.origin = self.enterContext(run_application("users_app", self.app))
        self.context = self.enterContext(run_browser())
        self.open()

    def open(self) -> None:
        """Open the page in a tab of its own."""
        self.docs = DocsPage(self.context)
        self.docs.open(f"{self.origin}/docs")
        self.dialog = AuthorizeDialog(self.docs.page)

    def ask(self, method: str = "GET", path: str = "/me") -> tuple[int, Any]:
        """Make a request that needs a user."""
        return self.docs.try_out(TryOut(method, path, 200, None))


class AuthorizeTests(DocsTestCase):
    """What is entered for each scheme, but Basic."""

    schemes: Sequence[tuple[str, dict[str, str], str]] = (
        ("opaque", _VALUE, "bearer"),
        ("oauth", _OAUTH, "bearer"),
        ("key_in_header", _KEY, "header"),
        ("key_in_cookie", _KEY, "cookie"),
        ("key_in_query", _KEY, "query"),
    )

    def test_schemes(self) -> None:
        """What is entered for a scheme is sent, also where something changes, and not after "Logout"."""
        for scheme, fields, way in self.schemes:
            self.assertEqual(self.ask()[0], 401, scheme)
            self.dialog.log_in(scheme, fields)
            for method, path in (("GET", "/me"), ("POST", "/changes")):
                self.assertEqual(self.ask(method, path), (200, {"name": "ada", "way": way}), scheme)
            self.dialog.log_out(scheme)
            self.assertEqual(self.ask()[0], 401, scheme)
        self.assertEqual(self.docs.messages, [])

    def test_wrong(self) -> None:
        """What is wrong is 401, for each scheme."""
        for scheme, fields, _ in self.schemes:
            self.dialog.log_in(scheme, {name: value[1:] for name, value in fields.items()})
            self.assertEqual(self.ask()[0], 401, scheme)
            self.dialog.log_out(scheme)

    def test_forgotten(self) -> None:
        """What was entered is lost when the page is closed; nothing of it stays in the browser."""
        for scheme, fields, _ in self.schemes:
            self.dialog.log_in(scheme, fields)
        self.docs.page.goto(f"{self.origin}/openapi.json")
        stored = (
            "() => [JSON.stringify(localStorage), JSON.stringify(sessionStorage), document.cookie].join()"
        )
        self.assertEqual(self.docs.page.evaluate(stored), "{},{},")
        self.assertEqual(self.context.cookies(), [])
        self.open()
        self.assertEqual(self.ask()[0], 401)


class SessionTests(DocsTestCase):
    """Users who have logged in."""

    def test_session(self) -> None:
        """A route that logs in sets a cookie that the page then sends, and that no script can read."""
        log_in = TryOut("POST", "/login", 204, None, body={"username": "ada"})
        self.assertEqual(self.docs.try_out(log_in)[0], 204)
        self.assertEqual(self.docs.page.evaluate("document.cookie"), "")
        for method, path in (("GET", "/me"), ("POST", "/changes")):
            self.assertEqual(self.ask(method, path), (200, {"name": "ada", "way": "session"}))
        self.docs.try_out(TryOut("POST", "/logout", 204, None))
        self.assertEqual(self.ask()[0], 401)

    def test_session_of_another_browser(self) -> None:
        """A session that was begun elsewhere can be entered."""
        self.docs.try_out(TryOut("POST", "/login", 204, None, body={"username": "ada"}))
        [cookie] = self.context.cookies()
        self.context.clear_cookies()
        self.dialog.log_in("browser_session", {"api_key_value": cookie.get("value", "")})
        self.assertEqual(self.ask(), (200, {"name": "ada", "way": "session"}))
        self.dialog.log_out("browser_session")
        self.assertEqual(self.context.cookies(), [])


class BasicTests(AuthorizeTests):
    """Passwords, where a browser would ask for one in a dialog of its own, which a response waits for."""

    app = "basic"
    schemes = (("password", _BASIC, "basic"), ("opaque", _VALUE, "bearer"))
