"""The page ``/docs`` as somebody uses it who knows what is on it."""

from __future__ import annotations

import json
from typing import Any

from playwright.sync_api import BrowserContext, ConsoleMessage, Locator, Page, Request, Response

from tests.browser.demo_server import Trial

__all__ = ["DocsPage"]

_PATIENCE = 30_000  # milliseconds; only ever waited for when something is broken
_WIDTH, _MARGIN = 1280, 8  # pixels


class DocsPage:
    """One page of a browser.

    :ivar page: the page.
    :ivar said: the warnings and errors on its console, and scripts that failed.
    :ivar asked: the addresses that the browser has asked for, in their order.
    :ivar refused: those of them that were answered with 400 or more, or not at all.
    """

    def __init__(self, context: BrowserContext) -> None:
        self.said: list[str] = []
        self.asked: list[str] = []
        self.refused: list[str] = []
        self.page: Page = context.new_page()
        self.page.set_default_timeout(_PATIENCE)
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        # The context's, not the page's: whatever the browser asks for counts.
        context.on("request", lambda request: self.asked.append(request.url))
        context.on("response", self._on_response)
        context.on("requestfailed", self._on_failure)

    def _on_console(self, message: ConsoleMessage) -> None:
        # The answers of a service are listed in "refused", with their addresses.
        if message.type in {"warning", "error"} and "responded with a status of" not in message.text:
            self.said.append(message.text)

    def _on_response(self, response: Response) -> None:
        if response.status >= 400:
            self.refused.append(f"{response.status} {response.url}")

    def _on_failure(self, request: Request) -> None:
        self.refused.append(f"{request.failure} {request.url}")

    def open(self, address: str) -> None:
        """Opens it, and waits for the first operation."""
        self.page.goto(address, wait_until="networkidle")
        self.page.wait_for_selector(".opblock")

    def routes(self) -> list[str]:
        """The operations that it lists, each as ``GET /path``."""
        found = self.page.locator(".opblock-summary").all()
        return [
            f"{each.locator('.opblock-summary-method').inner_text()} "
            f"{each.locator('[data-path]').get_attribute('data-path')}"
            for each in found
        ]

    def operation(self, method: str, path: str) -> Locator:
        """One of them."""
        having = (f"[data-path='{path}']", f".opblock-summary-method:text-is('{method}')")
        return self.page.locator(".opblock" + "".join(f":has({each})" for each in having))

    def unfold(self, method: str, path: str) -> Locator:
        """One of them, with what it holds in view."""
        found = self.operation(method, path)
        if not found.locator(".opblock-body").count():
            found.locator(".opblock-summary-control").click()
            found.locator(".opblock-body").wait_for()
        return found

    def authorize(self, token: str) -> None:
        """Gives it a token."""
        self.page.locator(".auth-wrapper .authorize").first.click()
        form = self.page.locator(".dialog-ux")
        form.locator("input").fill(token)
        form.locator("button[type=submit]").click()
        form.locator("button.btn-done").click()

    def try_out(self, trial: Trial) -> tuple[int, Any]:
        """Makes the request.

        :return: the status and the body of the answer, as the page shows them.
        """
        found = self.unfold(trial.method, trial.path)
        if found.locator(".btn-clear").count():
            found.locator(".btn-clear").click()
        for name, value in trial.fill.items():
            found.locator(f"[data-param-name='{name}'] input").fill(value)
        if trial.body is not None:
            found.locator("textarea.body-param__text").fill(json.dumps(trial.body, indent=2))
        found.locator("button.execute").click()
        answer = found.locator(".live-responses-table .response")
        answer.wait_for()
        code = answer.locator(".response-col_status").inner_text().split()[0]
        return int(code), json.loads(answer.locator(".highlight-code pre").first.inner_text())

    def picture(self, path: str, begin: Locator, end: Locator) -> None:
        """Puts a picture into a file, as a PNG: from where one thing begins to where another one ends."""
        self.page.mouse.move(0, 0)
        self.page.evaluate("scrollTo(0, 0)")  # from where boxes are measured
        first, last = begin.bounding_box(), end.bounding_box()
        assert first is not None and last is not None
        height = last["y"] + last["height"] + _MARGIN - first["y"]
        self.page.screenshot(
            path=path,
            full_page=True,
            animations="disabled",
            clip={"x": 0, "y": first["y"], "width": _WIDTH, "height": height},
        )
