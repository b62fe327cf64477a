"""The gateway in a real browser, behind nginx that strips a prefix, and on 127.0.0.1."""

from __future__ import annotations

import json
import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from twisted.trial.unittest import SynchronousTestCase

from tests.browser.chromium import run_browser
from tests.browser.demo_server import TryOut
from tests.browser.docs_page import DocsPage
from tests.functional.nginx import Nginx
from tests.functional.orchestrator_process import OrchestratorProcess

# Names with plain HTTP: browsers send Sec-Fetch-Site to neither.
_NAME: Final = "shop.example"
_OTHER_NAME: Final = "other.example"
_CONFIGURATION: Final = """\
socket_dir = "run"

[services.user]
app = "unix_app.user:app"
boot_timeout = 120

[http]
app = "tests.browser.order_app:app"
boot_timeout = 120
listen = ["unix:web.sock", "tcp:0:interface=127.0.0.1"]
mounts = { "/my files" = "user:/user" }
"""
_ORDERED: Final = {
    "amount": 1, "chosen_amount": 3, "day": None, "note": "", "gift": False, "chosen_gift": True,
    "size": "large",
}  # fmt: skip
_POST: Final = "url => fetch(url, {method: 'POST', mode: 'no-cors'}).then(() => null)"


class BehindNginxTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Start the services, nginx, and a browser in which two names lead to this machine."""
        self.folder = self.enterContext(TemporaryDirectory(prefix="unixsvc-orders-"))
        Path(self.folder, "unixsvc.toml").write_text(_CONFIGURATION)
        running = OrchestratorProcess(self.folder)
        self.addCleanup(running.end)
        where = running.until("listens on")["message"]
        running.until("ready: ")
        found = re.search(r"http://127\.0\.0\.1:(\d+)", where)
        assert found is not None
        self.own_port = found[1]
        port = self.enterContext(Nginx(f"{self.folder}/web.sock")).port
        self.api = f"http://{_NAME}:{port}/api"
        self.other_api = f"http://{_OTHER_NAME}:{port}/api"
        self.context = self.enterContext(run_browser(names=(_NAME, _OTHER_NAME)))
        self.docs = DocsPage(self.context)

    def test_try_out(self) -> None:
        """Requests from the page go below the prefix, also to a mount whose prefix has a space."""
        self.docs.open(f"{self.api}/docs")
        self.docs.authorize(Path(self.folder, ".auth_token").read_text().strip())
        self.assertIn("GET /my%20files/{id}", self.docs.routes())
        for try_out in (
            TryOut("POST", "/orders", 200, None, body={"amount": 2}),
            TryOut("GET", "/my%20files/{id}", 200, None, fill={"id": "1"}),
            TryOut("PUT", "/my%20files/{id}", 200, None, fill={"id": "1"}, body={"name": "Ada"}),
        ):
            code, _ = self.docs.try_out(try_out)
            self.assertEqual(code, try_out.code)
        self.assertEqual([each for each in self.docs.requested if not each.startswith(f"{self.api}/")], [])
        self.assertEqual(self.docs.failed + self.docs.messages, [])

    def test_form(self) -> None:
        """Empty fields, checkboxes and file inputs of a form arrive as the user means them."""
        page = self.docs.page
        page.goto(f"{self.api}/form")
        page.locator("button").click()
        page.wait_for_url(f"{self.api}/orders")
        self.assertEqual(json.loads(page.locator("pre").inner_text()), _ORDERED)

    def test_other_origin(self) -> None:
        """A page of another origin cannot send requests that change something; one of the same origin can."""
        page = self.docs.page
        for api, failed in ((self.api, []), (self.other_api, [f"403 {self.api}/orders"])):
            page.goto(f"{api}/form")
            self.docs.failed.clear()
            page.evaluate(_POST, f"{self.api}/orders")
            self.assertEqual(self.docs.failed, failed)

    def test_rebinding(self) -> None:
        """On 127.0.0.1 no host names but those of the loopback interface are served."""
        for host, code in ((_NAME, 421), ("127.0.0.1", 200)):
            response = self.docs.page.goto(f"http://{host}:{self.own_port}/openapi.json")
            assert response is not None
            self.assertEqual(response.status, code)
