"""The page ``/docs`` in a real browser.

With ``NAME.png`` in ``UNIXSVC_SCREENSHOT``, a picture of the demo's page is written there, and one of a
request with its response to ``NAME.answer.png``.
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.browser.chromium import run_browser
from tests.browser.demo_server import RunningService, run_demo, run_small_app
from tests.browser.docs_page import DocsPage

_FILES = ("/docs", "/docs/swagger-ui.css", "/docs/swagger-ui-bundle.js", "/docs/init.js", "/openapi.json")
_ICON = "/docs/favicon-32x32.png"  # a headless browser does not request it


class SmallPageTests(SynchronousTestCase):
    """The page of a small API, which is below a prefix, too."""

    def run_service(self) -> AbstractContextManager[RunningService]:
        """Run the service."""
        return run_small_app()

    def setUp(self) -> None:
        """Start the service, and a browser with an empty profile."""
        self.service = self.enterContext(self.run_service())
        self.context = self.enterContext(run_browser())
        self.docs = DocsPage(self.context)

    def open(self, prefix: str | None = None, more: str = "") -> None:
        """Open the page, by default below the first prefix."""
        prefix = self.service.prefixes[0] if prefix is None else prefix
        self.docs.open(f"{self.service.origin}{prefix}/docs{more}")

    def assert_quiet(self) -> None:
        """Assert that the console has no warnings and errors, and that no other host was requested."""
        self.assertEqual(self.docs.messages, [])
        local = (f"{self.service.origin}/", "data:", "blob:")
        self.assertEqual([each for each in self.docs.requested if not each.startswith(local)], [])
        self.assertNotEqual(self.docs.requested, [])

    def assert_response(self, response: tuple[int, Any], code: int, answer: Any) -> None:
        """Assert that the page shows this status code, and a body with at least these members."""
        self.assertEqual(response[0], code)
        body = response[1]
        if isinstance(answer, dict):
            body = {name: body.get(name) for name in answer}
        self.assertEqual(body, answer)

    def test_opens(self) -> None:
        """The page opens below each prefix, requests nothing outside of it, and nothing is missing."""
        for prefix in self.service.prefixes:
            self.docs.requested.clear()
            self.open(prefix)
            self.assertEqual(self.docs.page.title(), self.service.title)
            self.assertEqual(
                {each.partition("?")[0] for each in self.docs.requested}
                | {f"{self.service.origin}{prefix}{_ICON}"},
                {f"{self.service.origin}{prefix}{each}" for each in (*_FILES, _ICON)},
            )
            self.assertEqual(self.docs.failed, [])
            self.assert_quiet()

    def test_routes(self) -> None:
        """Every route is listed once, and expanding all operations and models violates no policy."""
        self.open()
        routes = self.docs.routes()
        self.assertEqual(sorted(routes), sorted(self.service.routes))
        for route in routes:
            self.docs.expand(*route.split(" "))
        models = self.docs.page.locator(".models .json-schema-2020-12-expand-deep-button").all()
        self.assertNotEqual(models, [])
        for each in models:
            each.click()
        self.assert_quiet()

    def test_public(self) -> None:
        """A request that needs no token can be made from the page, below each prefix."""
        try_out = self.service.public
        for prefix in self.service.prefixes:
            self.open(prefix)
            self.assert_response(self.docs.try_out(try_out), try_out.code, try_out.answer)
            self.assertTrue(self.docs.requested[-1].startswith(f"{self.service.origin}{prefix}/"))
        self.assert_quiet()

    def test_private(self) -> None:
        """A request that needs a token is rejected until the token is entered."""
        try_out = self.service.private
        self.open()
        self.assert_response(self.docs.try_out(try_out), 401, {"status": 401, "title": "Unauthorized"})
        self.docs.authorize(self.service.token)
        self.assert_response(self.docs.try_out(try_out), try_out.code, try_out.answer)
        self.assert_quiet()

    def test_token_is_forgotten(self) -> None:
        """The token is in no storage of the browser, and lost when the page is loaded again."""
        self.open()
        self.docs.authorize(self.service.token)
        self.assertEqual(self.docs.try_out(self.service.private)[0], self.service.private.code)
        stored = (
            "() => [JSON.stringify(localStorage), JSON.stringify(sessionStorage), document.cookie].join()"
        )
        self.assertNotIn(self.service.token, self.docs.page.evaluate(stored))
        self.open()  # not "reload": the URL is that of the operation by now, which expands by itself
        self.assertEqual(self.docs.try_out(self.service.private)[0], 401)

    def test_invalid(self) -> None:
        """Invalid arguments are shown by field."""
        try_out = self.service.invalid
        self.open()
        self.docs.authorize(self.service.token)
        response = self.docs.try_out(try_out)
        self.assert_response(response, try_out.code, try_out.answer)
        self.assertEqual([each["field"] for each in response[1]["errors"]], [self.service.field])
        self.assert_quiet()

    def test_other_document(self) -> None:
        """No link makes the page load the document or the settings of another host."""
        other = "http://other.example/openapi.json"
        self.open(more=f"?url={other}&configUrl={other}")
        self.assertEqual(sorted(self.docs.routes()), sorted(self.service.routes))
        self.assert_quiet()

    def test_link(self) -> None:
        """An expanded operation has a URL of its own, which expands it elsewhere."""
        try_out = self.service.public
        self.open()
        self.docs.expand(try_out.method, try_out.path)
        address = self.docs.page.url
        self.assertIn("#/", address)
        other = DocsPage(self.context)
        other.open(address)
        other.operation(try_out.method, try_out.path).locator(".opblock-body").wait_for()


class DemoPageTests(SmallPageTests):
    """The page of the demo, as ``twistd unixsvc`` serves it."""

    def run_service(self) -> AbstractContextManager[RunningService]:
        """Run the demo."""
        return run_demo()

    def test_screenshots(self) -> None:
        """The console is quiet while all of the page is used; the pictures are made here."""
        self.open()
        self.docs.authorize(self.service.token)
        path = os.environ.get("UNIXSVC_SCREENSHOT")
        operations = self.docs.page.locator(".opblock")
        if path:
            self.docs.screenshot(path, self.docs.page.locator("#swagger-ui"), operations.last)
        try_out = self.service.private
        self.assert_response(self.docs.try_out(try_out), try_out.code, try_out.answer)
        if path:
            found = self.docs.operation(try_out.method, try_out.path)
            answer = found.locator(".live-responses-table")
            self.docs.screenshot(str(Path(path).with_suffix(".answer.png")), found, answer)
        self.assert_quiet()
