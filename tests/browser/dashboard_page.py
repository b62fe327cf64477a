"""The live page, used as an operator would (page object)."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from playwright.sync_api import BrowserContext, ConsoleMessage, Locator, Page, Request

__all__ = ["DashboardPage"]

_TIMEOUT: Final = 30_000  # milliseconds; only reached if something is broken
_POLL: Final = 20  # milliseconds

# What a browser has to lay out is wider than the page, or cut off where nothing scrolls.
_TOO_WIDE: Final = """() => {
    const page = document.documentElement
    const canScroll = element => ["auto", "scroll"].includes(getComputedStyle(element).overflowX)
    const scrolls = element => element !== null && (canScroll(element) || scrolls(element.parentElement))
    const cut = [...document.querySelectorAll("body *")].filter(element => element.checkVisibility()
        && element.getBoundingClientRect().right > page.clientWidth + 1 && !scrolls(element.parentElement)
        && !element.closest(".uplot, dialog, .skip"))
    return {page: page.scrollWidth - page.clientWidth, cut: cut.map(each => each.outerHTML.slice(0, 120))}
}"""

# Both tables, as they are drawn at one moment.
_SKEW: Final = """service => {
    const column = (table, title) => [...document.querySelectorAll(`#${table}-table thead th`)]
        .findIndex(each => each.textContent === title)
    const row = [...document.querySelectorAll("#service-table tbody tr")]
        .find(each => each.cells[0].textContent === service)
    const connections = [...document.querySelectorAll("#worker-table tbody tr")]
        .map(each => Number(each.cells[column("worker", "Connections")].textContent))
    return {connections, skew: row.cells[column("service", "Skew")].textContent}
}"""

# The times between frames, and those of drawing a snapshot, in milliseconds.
_MEASURE: Final = """seconds => new Promise(resolve => {
    const page = window.unixsvc, frames = [], drawn = []
    const draw = page.draw.bind(page)
    page.draw = () => {
        const start = performance.now()
        draw()
        document.body.offsetHeight  // lays it out
        drawn.push(performance.now() - start)
    }
    const end = performance.now() + seconds * 1000
    let last = performance.now()
    const frame = now => {
        frames.push(now - last)
        last = now
        if (performance.now() < end) requestAnimationFrame(frame)
        else resolve({frames, drawn})
    }
    requestAnimationFrame(frame)
})"""


class DashboardPage:
    """One page of a browser.

    :ivar page: the page.
    :ivar problems: warnings and errors on its console, exceptions of scripts, and requests to other hosts.
    """

    def __init__(self, context: BrowserContext, address: str) -> None:
        self.problems: list[str] = []
        self._address = address
        self.page: Page = context.new_page()
        self.page.set_default_timeout(_TIMEOUT)
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        context.on("request", self._on_request)

    def open(self, fragment: str = "", snapshots: int = 2) -> None:
        """Open the page, and wait for some snapshots."""
        self.page.goto(f"{self._address}/{fragment}")
        self.wait_for_snapshots(snapshots)

    def wait_for_snapshots(self, count: int) -> None:
        """Wait until so many more snapshots are drawn."""
        drawn = "Number(document.documentElement.dataset.drawn ?? 0)"
        wanted = self.page.evaluate(drawn) + count
        self.until(lambda: self.page.evaluate(drawn) >= wanted)

    def until(self, reached: Callable[[], bool], seconds: float = _TIMEOUT / 1000) -> None:
        """Wait for a condition. The page's Content-Security-Policy forbids to do that within it."""
        end = time.monotonic() + seconds
        while not reached():
            if time.monotonic() > end:
                raise AssertionError(f"it did not happen within {seconds} s")
            self.page.wait_for_timeout(_POLL)

    def log_in(self, token: str) -> None:
        """Log in."""
        self.page.locator("#session").click()
        self.page.locator("#token").fill(token)
        self.page.locator("#login-go").click()

    def confirm(self) -> None:
        """Confirm an action."""
        self.page.locator("#confirm-go").click()

    def notice(self, text: str) -> None:
        """Wait for the notice of an action."""
        self.page.locator("#notice", has_text=text).wait_for()

    def choose(self, table: str, name: str) -> None:
        """Click on the first cell of a row."""
        self.page.locator(f"#{table}-table tbody th", has_text=name).locator("button").first.click()

    def cells(self, table: str, name: str) -> dict[str, str]:
        """A row of a table, by the titles of its columns."""
        titles = self.page.locator(f"#{table}-table thead th").all_text_contents()
        row = self.page.locator(f"#{table}-table tbody tr", has_text=name).first
        return dict(zip(titles, row.locator("th, td").all_text_contents(), strict=True))

    def row(self, table: str, text: str) -> Locator:
        """The rows of a table that have a text."""
        return self.page.locator(f"#{table}-table tbody tr", has_text=text)

    def skew(self, service: str) -> tuple[list[int], float]:
        """The connections of the workers of the chosen service, and its skew, of the same snapshot."""
        found = self.page.evaluate(_SKEW, service)
        return found["connections"], float(found["skew"])

    def column(self, table: str, title: str) -> list[str]:
        """A column of a table; empty while the table is."""
        titles = self.page.locator(f"#{table}-table thead th").all_text_contents()
        place = titles.index(title) + 1
        return self.page.locator(f"#{table}-table tbody tr > :nth-child({place})").all_text_contents()

    def too_wide(self) -> Any:
        """What does not fit into the window."""
        return self.page.evaluate(_TOO_WIDE)

    def frame_times(self, seconds: float) -> tuple[list[float], list[float]]:
        """The times between frames, and those that snapshots take to be drawn, in milliseconds."""
        found = self.page.evaluate(_MEASURE, seconds)
        return found["frames"], found["drawn"]

    def accessibility(self, script: str) -> list[str]:
        """What axe-core finds that is serious or critical.

        :param script: axe-core. It is added past the page's Content-Security-Policy.
        """
        self.page.evaluate(script)
        found = self.page.evaluate("axe.run({resultTypes: ['violations']})")
        return [
            f"{each['id']}: {each['help']}: {[node['html'][:150] for node in each['nodes'][:3]]}"
            for each in found["violations"]
            if each["impact"] in ("serious", "critical")
        ]

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in {"warning", "error"} and "responded with a status of" not in message.text:
            self.problems.append(message.text)

    def _on_request(self, request: Request) -> None:
        if not request.url.startswith(f"{self._address}/"):
            self.problems.append(request.url)
