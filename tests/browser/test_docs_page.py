"""The page ``/docs`` in a real browser.

With ``NAME.png`` in ``UNIXSVC_SCREENSHOT``, a picture of the demo's page is put there, and one of a request
with its answer into ``NAME.answer.png``.
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.browser.chromium import browser
from tests.browser.demo_server import Served, serving_demo, serving_small
from tests.browser.docs_page import DocsPage

_FILES = ("/docs", "/docs/swagger-ui.css", "/docs/swagger-ui-bundle.js", "/docs/init.js", "/openapi.json")
_ICON = "/docs/favicon-32x32.png"  # a browser without a window need not ask for it


class SmallPageTests(SynchronousTestCase):
    """The page of a small API, which is below a prefix, too."""

    def serving(self) -> AbstractContextManager[Served]:
        """Starts the service."""
        return serving_small()

    def setUp(self) -> None:
        """The service, and a browser that has never seen it."""
        self.served = self.enterContext(self.serving())
        self.context = self.enterContext(browser())
        self.docs = DocsPage(self.context)

    def open(self, prefix: str | None = None, more: str = "") -> None:
        """Opens the page: below the first prefix, where none is said."""
        prefix = self.served.prefixes[0] if prefix is None else prefix
        self.docs.open(f"{self.served.origin}{prefix}/docs{more}")

    def assertQuiet(self) -> None:
        """The console has no warning and no error, and no other host was asked."""
        self.assertEqual(self.docs.said, [])
        local = (f"{self.served.origin}/", "data:", "blob:")
        self.assertEqual([each for each in self.docs.asked if not each.startswith(local)], [])
        self.assertNotEqual(self.docs.asked, [])

    def assertAnswer(self, shown: tuple[int, Any], code: int, answer: Any) -> None:
        """The page shows this status and body, or a body that has at least these members."""
        self.assertEqual(shown[0], code)
        body = shown[1]
        if isinstance(answer, dict):
            body = {name: body.get(name) for name in answer}
        self.assertEqual(body, answer)

    def test_opens(self) -> None:
        """Below each prefix it opens, asks for nothing outside of that prefix, and lacks nothing."""
        for prefix in self.served.prefixes:
            self.docs.asked.clear()
            self.open(prefix)
            self.assertEqual(self.docs.page.title(), self.served.title)
            self.assertEqual(
                {each.partition("?")[0] for each in self.docs.asked}
                | {f"{self.served.origin}{prefix}{_ICON}"},
                {f"{self.served.origin}{prefix}{each}" for each in (*_FILES, _ICON)},
            )
            self.assertEqual(self.docs.refused, [])
            self.assertQuiet()

    def test_routes(self) -> None:
        """It lists every route, once, and unfolding each of them and every model breaks no rule."""
        self.open()
        routes = self.docs.routes()
        self.assertEqual(sorted(routes), sorted(self.served.routes))
        for route in routes:
            self.docs.unfold(*route.split(" "))
        models = self.docs.page.locator(".models .json-schema-2020-12-expand-deep-button").all()
        self.assertNotEqual(models, [])
        for each in models:
            each.click()
        self.assertQuiet()

    def test_public(self) -> None:
        """A request that needs no token is made from the page, below each prefix."""
        trial = self.served.public
        for prefix in self.served.prefixes:
            self.open(prefix)
            self.assertAnswer(self.docs.try_out(trial), trial.code, trial.answer)
            self.assertTrue(self.docs.asked[-1].startswith(f"{self.served.origin}{prefix}/"))
        self.assertQuiet()

    def test_private(self) -> None:
        """One that needs it is refused until the page is given the token."""
        trial = self.served.private
        self.open()
        self.assertAnswer(self.docs.try_out(trial), 401, {"status": 401, "title": "Unauthorized"})
        self.docs.authorize(self.served.token)
        self.assertAnswer(self.docs.try_out(trial), trial.code, trial.answer)
        self.assertQuiet()

    def test_token_is_forgotten(self) -> None:
        """The token is in no storage of the browser, and gone once the page is loaded again."""
        self.open()
        self.docs.authorize(self.served.token)
        self.assertEqual(self.docs.try_out(self.served.private)[0], self.served.private.code)
        stored = (
            "() => [JSON.stringify(localStorage), JSON.stringify(sessionStorage), document.cookie].join()"
        )
        self.assertNotIn(self.served.token, self.docs.page.evaluate(stored))
        self.open()  # not "reload": the address has become that of the operation, which unfolds by itself
        self.assertEqual(self.docs.try_out(self.served.private)[0], 401)

    def test_invalid(self) -> None:
        """What is wrong with arguments is shown field by field."""
        trial = self.served.invalid
        self.open()
        self.docs.authorize(self.served.token)
        shown = self.docs.try_out(trial)
        self.assertAnswer(shown, trial.code, trial.answer)
        self.assertEqual([each["field"] for each in shown[1]["errors"]], [self.served.field])
        self.assertQuiet()

    def test_other_document(self) -> None:
        """No link makes the page show the document, or take the settings, of another host."""
        other = "http://other.example/openapi.json"
        self.open(more=f"?url={other}&configUrl={other}")
        self.assertEqual(sorted(self.docs.routes()), sorted(self.served.routes))
        self.assertQuiet()

    def test_link(self) -> None:
        """An operation that is unfolded has an address of its own, which unfolds it elsewhere."""
        trial = self.served.public
        self.open()
        self.docs.unfold(trial.method, trial.path)
        address = self.docs.page.url
        self.assertIn("#/", address)
        other = DocsPage(self.context)
        other.open(address)
        other.operation(trial.method, trial.path).locator(".opblock-body").wait_for()


class DemoPageTests(SmallPageTests):
    """The page of the demo, as ``twistd unixsvc`` shows it."""

    def serving(self) -> AbstractContextManager[Served]:
        """Starts the demo."""
        return serving_demo()

    def test_picture(self) -> None:
        """With all of it in use it is still quiet; this is what pictures are made of."""
        self.open()
        self.docs.authorize(self.served.token)
        path = os.environ.get("UNIXSVC_SCREENSHOT")
        operations = self.docs.page.locator(".opblock")
        if path:
            self.docs.picture(path, self.docs.page.locator("#swagger-ui"), operations.last)
        trial = self.served.private
        self.assertAnswer(self.docs.try_out(trial), trial.code, trial.answer)
        if path:
            found = self.docs.operation(trial.method, trial.path)
            answer = found.locator(".live-responses-table")
            self.docs.picture(str(Path(path).with_suffix(".answer.png")), found, answer)
        self.assertQuiet()
