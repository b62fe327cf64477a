"""The live page in a real browser: a shop under load, and many services with generated figures.

With a folder in ``UNIXSVC_SCREENSHOT``, the pictures of the documentation are written there.
"""

from __future__ import annotations

import os
import re
import signal
import statistics
import time
from functools import cache
from importlib.resources import files
from typing import Final
from unittest import SkipTest

from twisted.trial.unittest import SynchronousTestCase

from tests.browser.chromium import run_browser
from tests.browser.dashboard_harness import SERVICES
from tests.browser.dashboard_load import fetch, run_load, slow_request
from tests.browser.dashboard_page import DashboardPage
from tests.browser.dashboard_server import TOKEN, Shop, run_harness, run_shop

_PHONE: Final = (375, 740)  # pixels
_DESKTOP: Final = (1400, 1000)
_WALL: Final = (2560, 1440)
_BACKGROUNDS: Final = {"light": "rgb(246, 248, 250)", "dark": "rgb(13, 17, 23)"}
_DRAWN: Final = 200.0  # milliseconds, once a second
_FRAME: Final = 50.0  # milliseconds: 20 frames a second, on a machine that does other things too
_RECORD_STATES: Final = """() => {
    const element = document.querySelector("#connection")
    window.states = []
    new MutationObserver(() => window.states.push(element.textContent)).observe(element, {childList: true})
}"""


@cache
def _axe() -> str:
    """The source of axe-core, if the package is installed that has it."""
    try:
        return files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")
    except ModuleNotFoundError:
        raise SkipTest("axe-playwright-python is not installed") from None


class ShopTests(SynchronousTestCase):
    """A shop under load."""

    shop: Shop

    def setUp(self) -> None:
        """Start the shop, and a browser."""
        self.shop = self.enterContext(run_shop())
        self.enterContext(run_load(self.shop.port))

    def browse(self, size: tuple[int, int] = _DESKTOP) -> DashboardPage:
        """Open the page in a browser of its own."""
        page = DashboardPage(self.enterContext(run_browser(*size)), self.shop.page)
        page.open()
        return page

    def test_from_alert_to_cause(self) -> None:
        """Three clicks lead from a service with errors to the call that fails; nothing else is loaded."""
        page = self.browse()
        page.wait_for_snapshots(8)
        self.assertNotEqual(page.cells("service", "shop")["Errors/s"], "0")
        self.picture(page, "alert-1")
        page.choose("service", "shop")
        self.assertNotEqual(page.cells("route", "GET /products/{product:int}")["Errors"], "0")
        self.assertEqual(page.cells("route", "GET /report")["Errors"], "0")
        page.choose("route", "GET /products/{product:int}")
        self.assertIn("#shop/GET%20%2Fproducts", page.page.url)
        page.wait_for_snapshots(2)
        self.picture(page, "alert-2", "#detail")
        self.assertNotEqual(page.cells("call", "shop → stock")["Failed"], "0")
        self.picture(page, "alert-3", "#graph")
        page.choose("call", "shop → stock")
        self.assertEqual(page.page.locator("#detail-title").inner_text(), "stock")
        self.assertNotEqual(page.cells("route", "GET /amount/{product:int}")["Errors"], "0")
        self.assertEqual(page.problems, [])

    def test_death(self) -> None:
        """Under load, the death of a worker is on the page within a second, with its reason."""
        page = self.browse()
        page.choose("service", "shop")
        page.wait_for_snapshots(2)
        pid = page.page.locator("#worker-table tbody tr td").first.inner_text()
        died = page.page.locator("#event-table tr", has_text="worker.died").filter(has_text=pid)
        start = time.monotonic()
        os.kill(int(pid), signal.SIGKILL)
        died.wait_for(timeout=1000)
        ready = page.page.locator("#worker-table tbody tr", has_text=pid).filter(has_text="ready")
        page.until(lambda: ready.count() == 0, 1.0)
        self.assertLess(time.monotonic() - start, 1.0)
        page.page.locator("#service-table td.warn", has_text="1").first.wait_for()
        self.assertEqual(page.cells("service", "shop")["Restarts"], "1")

    def test_actions(self) -> None:
        """After a log-in, an operator scales a service and sets the log level; others need a token."""
        page = self.browse()
        page.choose("service", "stock")
        scale = page.page.locator("#detail button", has_text="Scale")
        scale.click()
        page.page.locator("#login").wait_for()
        page.page.keyboard.press("Escape")
        page.log_in("wrong")
        page.page.locator("#login-problem", has_text="not the token").wait_for()
        page.page.keyboard.press("Escape")
        page.log_in(TOKEN)
        page.page.locator("#session", has_text="Log out").wait_for()
        scale.click()
        page.page.locator("#workers").fill("3")
        page.confirm()
        page.notice("Scale stock: done")
        page.wait_for_snapshots(2)
        self.assertEqual(page.page.locator("#worker-table tbody tr").count(), 3)
        page.page.locator("header button", has_text="Log level").click()
        page.page.locator("#level").select_option("debug")
        page.confirm()
        page.notice("done")
        page.page.locator("#session").click()
        page.page.locator("#session", has_text="Log in").wait_for()
        self.assertEqual(page.problems, [])

    def test_slowest_calls(self) -> None:
        """The slowest and the failed calls are read while on the screen, and lead to their logs."""
        page = self.browse()
        asked: list[str] = []
        page.page.on("request", lambda request: asked.append(request.url))
        page.wait_for_snapshots(7)
        self.assertEqual([each for each in asked if "/requests/" in each], [])
        page.log_in(TOKEN)
        page.page.locator("#session", has_text="Log out").wait_for()
        page.page.locator("#ended").scroll_into_view_if_needed()
        row = page.page.locator("#ended-table tbody tr", has_text="GET /report")
        row.first.wait_for()
        found = page.cells("ended", "GET /report")
        self.assertEqual((found["Service"], found["Code"]), ("shop", "200"))
        self.assertGreaterEqual(float(found["Took"].removesuffix(" ms")), 50.0)
        page.page.locator("#ended-kind").select_option("failed")
        page.page.locator("#ended-filter").check()
        page.choose("service", "shop")
        page.page.locator("#ended").scroll_into_view_if_needed()
        page.until(lambda: set(page.column("ended", "Code")) == {"500"})
        self.assertEqual(set(page.column("ended", "Service")), {"shop"})
        request_id = page.cells("ended", "GET /products")["Id"]
        page.page.locator("#ended-table tbody button", has_text=request_id).click()
        self.assertEqual(page.page.locator("#log-request").input_value(), request_id)
        page.until(lambda: set(page.column("log", "Request")) == {request_id})
        self.assertEqual(page.problems, [])

    def test_log(self) -> None:
        """The log is a stream for operators: of a service, a level and a request, with a pause."""
        page = self.browse()
        asked: list[str] = []
        page.page.on("request", lambda request: asked.append(request.url.partition("/logs?")[2]))
        page.choose("service", "shop")
        page.page.locator("#log-on").check()
        page.page.locator("#login").wait_for()
        page.page.locator("#token").fill(TOKEN)
        page.page.locator("#login-go").click()
        page.until(lambda: {"info", "error"} <= set(page.column("log", "Level")))
        self.assertEqual({each.partition("[")[0] for each in page.column("log", "From")}, {"shop"})
        self.assertIn("code=500", "".join(page.column("log", "Message")))
        page.page.locator("#log-level").select_option("error")
        page.until(lambda: set(page.column("log", "Level")) == {"error"})
        page.page.locator("#log-table summary").first.click()
        self.assertIn("Traceback", page.page.locator("#log-table pre").first.inner_text())
        page.page.locator("#log-level").select_option("info")
        page.page.locator("#log-pause").click()
        page.page.locator("#log-note", has_text=re.compile("paused, [1-9]")).wait_for()
        shown = page.column("log", "Request")
        page.wait_for_snapshots(2)
        self.assertEqual(page.column("log", "Request"), shown)
        page.page.locator("#log-pause").click()
        page.until(lambda: page.column("log", "Request") != shown)
        request_id = page.column("log", "Request")[0]
        page.page.locator("#log-request").fill(request_id)
        page.page.keyboard.press("Enter")
        page.until(lambda: set(page.column("log", "Request")) == {request_id})
        services = {each.partition("[")[0] for each in page.column("log", "From")}
        self.assertEqual(services, {"shop", "stock", "http"})  # the id is that of all calls of the request
        self.assertEqual(len([each for each in asked if each]), 4)  # a stream for each choice: no polling
        page.page.locator("#session").click()
        page.page.locator("#log-table", has_text="No event").wait_for()
        self.assertEqual(page.problems, [])

    def test_traces(self) -> None:
        """Log lines and calls with a trace lead to it, on a page of its own; the others have no link."""
        page = self.browse()
        trace = f"{7:032x}"
        headers = {"traceparent": f"00-{trace}-{8:016x}-01", "X-Request-ID": "traced"}
        fetch(self.shop.port, "/products/13", headers)
        page.log_in(TOKEN)
        page.page.locator("#session", has_text="Log out").wait_for()
        page.page.locator("#ended-kind").select_option("failed")
        page.page.locator("#ended").scroll_into_view_if_needed()
        page.row("ended", "traced").get_by_role("button", name="Log of the request traced").first.click()
        page.row("log", "traced").first.wait_for()
        address = f"http://traces.example/trace/{trace}"
        for table in "ended", "log":
            link = page.row(table, "traced").get_by_role("link", name=f"Trace {trace}").first
            self.assertEqual(link.get_attribute("href"), address)
        self.assertIn("", page.column("ended", "Trace"))
        page.page.context.route("http://traces.example/**", lambda route: route.fulfill(body="a trace"))
        with page.page.expect_popup() as popup:
            link.click()
        popup.value.get_by_text("a trace").wait_for()
        self.assertIsNone(popup.value.evaluate("window.opener"))
        self.assertEqual(page.problems, [address])

    def test_cancel(self) -> None:
        """A request in flight is cancelled after a confirmation; its caller gets 499."""
        page = self.browse()
        page.log_in(TOKEN)
        page.page.locator("#session", has_text="Log out").wait_for()
        page.page.locator("#flight-on").check()
        codes = self.enterContext(slow_request(self.shop.port, "slow-one"))
        row = page.row("flight", "slow-one").filter(has_text="shop")
        row.get_by_role("button", name="Cancel GET /report").click()
        page.page.locator("#confirm-title", has_text="Cancel GET /report?").wait_for()
        page.page.keyboard.press("Escape")
        page.wait_for_snapshots(2)
        self.assertEqual((codes, row.count()), ([], 1))
        row.get_by_role("button", name="Cancel GET /report").click()
        page.confirm()
        page.notice("Cancel GET /report: done")
        page.until(lambda: codes == [499])
        page.until(lambda: row.count() == 0)

    def test_keyboard(self) -> None:
        """The page can be used with the keyboard alone."""
        page = self.browse()
        page.page.keyboard.press("Tab")
        self.assertIn("Skip", page.page.evaluate("document.activeElement.textContent"))
        page.page.locator("#service-table tbody button", has_text="stock").focus()
        page.page.keyboard.press("Enter")
        self.assertEqual(page.page.locator("#detail-title").inner_text(), "stock")
        page.page.locator("#service-table thead button", has_text="Requests/s").focus()
        page.page.keyboard.press("Enter")
        head = page.page.locator("#service-table thead th[aria-sort=descending]")
        self.assertIn("Requests/s", head.inner_text())

    def test_sizes(self) -> None:
        """Nothing is wider than the window, on a phone, a desktop and a large screen, light and dark."""
        page = self.browse()
        page.choose("service", "shop")
        for name, (width, height) in {"desktop": _DESKTOP, "phone": _PHONE, "wall": _WALL}.items():
            page.page.set_viewport_size({"width": width, "height": height})
            for scheme, background in _BACKGROUNDS.items():
                page.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
                page.wait_for_snapshots(3)
                self.assertEqual(page.too_wide(), {"page": 0, "cut": []}, name)
                color = page.page.evaluate("getComputedStyle(document.body).backgroundColor")
                self.assertEqual(color, background, name)
                self.picture(page, f"dashboard-{name}-{scheme}")
        self.assertEqual(page.problems, [])

    def test_accessibility(self) -> None:
        """axe-core finds nothing serious, in both color schemes, with and without a dialog."""
        script = _axe()
        page = self.browse()
        for scheme in ("light", "dark"):
            page.page.emulate_media(color_scheme="light" if scheme == "light" else "dark")
            page.wait_for_snapshots(1)
            self.assertEqual(page.accessibility(script), [], scheme)
            page.page.locator("#session").click()
            self.assertEqual(page.accessibility(script), [], f"{scheme}, log-in")
            page.page.keyboard.press("Escape")

    def test_accessible_panels(self) -> None:
        """So it does with the log, the calls and the requests in flight open, and with a confirmation."""
        script = _axe()
        page = self.browse()
        page.log_in(TOKEN)
        page.page.locator("#session", has_text="Log out").wait_for()
        page.page.locator("#log-on").check()
        page.page.locator("#flight-on").check()
        self.enterContext(slow_request(self.shop.port, "slow-one"))
        page.page.locator("#flight-table", has_text="slow-one").wait_for()
        page.page.locator("#log-table details").first.wait_for()
        page.page.locator("#ended").scroll_into_view_if_needed()
        page.page.locator("#ended-table", has_text="GET /report").wait_for()
        for scheme in ("light", "dark"):
            page.page.emulate_media(color_scheme="light" if scheme == "light" else "dark")
            page.wait_for_snapshots(1)
            self.assertEqual(page.accessibility(script), [], scheme)
            # Another one, as the check takes so long on a busy machine that the first one may have ended.
            self.enterContext(slow_request(self.shop.port, f"slow-{scheme}"))
            page.row("flight", f"slow-{scheme}").get_by_role("button", name="Cancel").first.click()
            self.assertEqual(page.accessibility(script), [], f"{scheme}, confirmation")
            page.page.keyboard.press("Escape")

    def picture(self, page: DashboardPage, name: str, part: str = "") -> None:
        """Write a picture of the page or a part, if pictures are wanted."""
        folder = os.environ.get("UNIXSVC_SCREENSHOT")
        if folder and os.path.isdir(folder):
            path = os.path.join(folder, f"{name}.png")
            page.page.mouse.move(0, 0)
            if part:
                page.page.locator(part).screenshot(path=path, animations="disabled")
            else:
                page.page.screenshot(path=path, animations="disabled")


class RestartTests(SynchronousTestCase):
    """The page of an orchestrator that stops, and of the next one at its address."""

    def test_restart(self) -> None:
        """The page says that it shows old figures, and comes back by itself; operators log in again."""
        with run_shop() as shop:
            page = DashboardPage(self.enterContext(run_browser(*_DESKTOP)), shop.page)
            page.open()
            page.log_in(TOKEN)
            page.page.locator("#session", has_text="Log out").wait_for()
            page.page.locator("#log-on").check()
            page.page.locator("#log-table", has_text="ready").wait_for()
            page.page.evaluate(_RECORD_STATES)
            shop.keep_page()
            shop.process.signal(signal.SIGTERM)
            page.page.locator("#connection", has_text="lost: ").wait_for()
            page.page.locator("#log-note", has_text="trying again").wait_for()
            opacity = "getComputedStyle(document.querySelector('main')).opacity"
            self.assertEqual(page.page.evaluate(opacity), "0.55")
            self.assertEqual(shop.process.wait(), 0)
            page.page.locator("#connection", has_text="no data for").wait_for()
            self.assertIn("lost: connecting again", page.page.evaluate("window.states"))
            shop.start_again(self.addCleanup)
            page.page.locator("#connection", has_text="live").wait_for()
            page.wait_for_snapshots(2)
            page.page.locator("#session", has_text="Log in").wait_for()
            page.page.locator("#log-note", has_text="token of an operator").wait_for()
            page.log_in(TOKEN)
            page.page.locator("#log-table", has_text="ready").wait_for()


class ManyServicesTests(SynchronousTestCase):
    """50 services with 16 workers and 8 routes each."""

    def test_frame_time(self) -> None:
        """The page stays smooth while it draws a snapshot each second."""
        address = self.enterContext(run_harness())
        page = DashboardPage(self.enterContext(run_browser(*_DESKTOP)), address)
        page.open(snapshots=3)
        self.assertEqual(page.page.locator("#service-table tbody tr").count(), SERVICES)
        self.assertEqual(page.page.locator("#worker-table tbody tr").count(), 16)
        connections, skew = page.skew("service-00")
        self.assertEqual(len(connections), 16)
        # Two digits are shown.
        self.assertLess(abs(skew - max(connections) / statistics.mean(connections)), 0.051)
        frames, drawn = page.frame_times(8)
        self.assertGreater(len(drawn), 3)
        late = statistics.quantiles(frames, n=20)[-1]
        shown = f"95 % of frames within {late:.1f} ms; drawn in {statistics.median(drawn):.1f} ms"
        self.assertLess(late, _FRAME, shown)
        self.assertLess(statistics.median(drawn), _DRAWN, shown)
        self.assertEqual(page.problems, [])
