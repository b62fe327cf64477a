"""The page ``/docs``, driven as a user would (page object)."""

from __future__ import annotations

import json
from typing import Any

from playwright.sync_api import BrowserContext, ConsoleMessage, Locator, Page, Request, Response

from tests.browser.demo_server import TryOut

__all__ = ["DocsPage"]

_TIMEOUT = 30_000  # milliseconds; only reached if something is broken
_WIDTH, _MARGIN = 1280, 8  # pixels


class DocsPage:
    """One page of a browser.

    :ivar page: the page.
    :ivar messages: the warnings and errors on its console, and exceptions of scripts.
    :ivar requested: the URLs that the browser has requested, in their order.
    :ivar failed: those of them with a status code from 400, or without a response.
    """

    def __init__(self, context: BrowserContext) -> None:
        self.messages: list[str] = []
        self.requested: list[str] = []
        self.failed: list[str] = []
        self.page: Page = context.new_page()
        self.page.set_default_timeout(_TIMEOUT)
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self.messages.append(str(error)))
        # Of the context, not of the page: every request of the browser counts.
        context.on("request", lambda request: self.requested.append(request.url))
        context.on("response", self._on_response)
        context.on("requestfailed", self._on_failure)

    def _on_console(self, message: ConsoleMessage) -> None:
        # Error responses of the service are listed in "failed", with their URLs.
        if message.type in {"warning", "error"} and "responded with a status of" not in message.text:
            self.messages.append(message.text)

    def _on_response(self, response: Response) -> None:
        if response.status >= 400:
            self.failed.append(f"{response.status} {response.url}")

    def _on_failure(self, request: Request) -> None:
        self.failed.append(f"{request.failure} {request.url}")

    def open(self, address: str) -> None:
        """Open the page, and wait for the first operation."""
        self.page.goto(address, wait_until="networkidle")
        self.page.wait_for_selector(".opblock")

    def routes(self) -> list[str]:
        """The operations that are listed, each as ``GET /path``."""
        found = self.page.locator(".opblock-summary").all()
        return [
            f"{each.locator('.opblock-summary-method').inner_text()} "
            f"{each.locator('[data-path]').get_attribute('data-path')}"
            for each in found
        ]

    def operation(self, method: str, path: str) -> Locator:
        """An operation."""
        having = (f"[data-path='{path}']", f".opblock-summary-method:text-is('{method}')")
        return self.page.locator(".opblock" + "".join(f":has({each})" for each in having))

    def expand(self, method: str, path: str) -> Locator:
        """Expand an operation."""
        found = self.operation(method, path)
        if not found.locator(".opblock-body").count():
            found.locator(".opblock-summary-control").click()
            found.locator(".opblock-body").wait_for()
        return found

    def authorize(self, token: str) -> None:
        """Enter a token."""
        self.page.locator(".auth-wrapper .authorize").first.click()
        form = self.page.locator(".dialog-ux")
        form.locator("input").fill(token)
        form.locator("button[type=submit]").click()
        form.locator("button.btn-done").click()

    def try_out(self, try_out: TryOut) -> tuple[int, Any]:
        """Make a request.

        :return: the status code and the body of the response, as the page shows them; None without a body.
        """
        found = self.expand(try_out.method, try_out.path)
        if found.locator(".btn-clear").count():
            found.locator(".btn-clear").click()
        for name, value in try_out.fill.items():
            found.locator(f"[data-param-name='{name}'] input").fill(value)
        if try_out.body is not None:
            found.locator("textarea.body-param__text").fill(json.dumps(try_out.body, indent=2))
        found.locator("button.execute").click()
        answer = found.locator(".live-responses-table .response")
        answer.wait_for()
        code = answer.locator(".response-col_status").inner_text().split()[0]
        body = answer.locator(".highlight-code pre")
        return int(code), json.loads(body.first.inner_text()) if body.count() else None

    def screenshot(self, path: str, begin: Locator, end: Locator) -> None:
        """Write a picture to a file, as PNG, from the top of one element to that of another."""
        self.page.mouse.move(0, 0)
        self.page.evaluate("scrollTo(0, 0)")  # the origin of bounding boxes
        first, last = begin.bounding_box(), end.bounding_box()
        assert first is not None and last is not None
        height = last["y"] + last["height"] + _MARGIN - first["y"]
        self.page.screenshot(
            path=path,
            full_page=True,
            animations="disabled",
            clip={"x": 0, "y": first["y"], "width": _WIDTH, "height": height},
        )
