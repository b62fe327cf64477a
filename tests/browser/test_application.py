"""An application in a real browser: cookies, a form with files, events that resume, and a WebSocket."""

from __future__ import annotations

import json
from typing import Any

from playwright.sync_api import Page
from twisted.trial.unittest import SynchronousTestCase

from tests.browser.chromium import run_browser
from tests.browser.demo_server import run_application


class ApplicationTests(SynchronousTestCase):
    page: Page

    def setUp(self) -> None:
        """Start the application, and open its page in a browser with an empty profile."""
        # Browsers accept cookies from there that are Secure.
        self.origin = self.enterContext(run_application("page_app"))
        self.page = self.enterContext(run_browser()).new_page()
        self.messages: list[str] = []
        self.page.on("console", lambda message: self.messages.append(message.text))
        self.page.goto(f"{self.origin}/page")

    def run_script(self, expression: str) -> Any:
        """The result of a script of the page."""
        return self.page.evaluate(expression)

    def test_cookies(self) -> None:
        """A cookie that a response sets comes with the next request, and scripts cannot read it."""
        counts = [self.run_script("fetch('/visit').then(response => response.json())") for _ in range(3)]
        self.assertEqual(counts, [0, 1, 2])
        self.assertEqual(self.run_script("document.cookie"), "")

    def test_form(self) -> None:
        """A form with several files and a text is sent by its button."""
        files: list[Any] = [
            {"name": "Stück.png", "mimeType": "image/png", "buffer": b"\x89PNG" + bytes(200_000)},
            {"name": "b.txt", "mimeType": "text/plain", "buffer": b"b"},
        ]
        self.page.fill("[name=title]", "Two “pens”")
        self.page.set_input_files("[name=front]", files[0])
        self.page.set_input_files("[name=more]", files[1:])
        with self.page.expect_navigation():
            self.page.click("button")
        stored = json.loads(self.page.inner_text("body"))
        self.assertEqual(stored, {"title": "Two “pens”", "sizes": {"Stück.png": 200_004, "b.txt": 1}})

    def test_events(self) -> None:
        """EventSource goes on after the last event that it has seen, over several connections."""
        self.assertEqual(self.run_script("events(8)"), [f"{each}:{each * each}" for each in range(8)])

    def test_websocket(self) -> None:
        """Messages go both ways, and the page closes with a code of its own."""
        self.assertEqual(self.run_script("chat(['a', 'ü', ''])"), ["A", "Ü", "", "4001 done"])
        self.assertEqual(self.messages, [])
