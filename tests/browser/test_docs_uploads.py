"""The file choosers of the page ``/docs``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from playwright.sync_api import FilePayload, Locator
from twisted.trial.unittest import SynchronousTestCase

from tests.browser.chromium import run_browser
from tests.browser.demo_server import TryOut, run_application
from tests.browser.docs_page import DocsPage

_FIRST: FilePayload = {"name": 'Ü "1".txt', "mimeType": "text/plain", "buffer": b"first"}
_SECOND: FilePayload = {"name": "two.csv", "mimeType": "text/csv", "buffer": b"a,b\r\n"}
_RECEIVED = [
    {"filename": "Ü _1_.txt", "content_type": "text/plain", "content": "first"},
    {"filename": "two.csv", "content_type": "text/csv", "content": "a,b\r\n"},
]
# Of Swagger UI: the component for such strings is optional, and the chooser is shown in its place.
_OPTIONAL_COMPONENT = "Could not find component: JsonSchema_string_binary"


class UploadTests(SynchronousTestCase):
    """Files that a user chooses, and texts beside them."""

    def setUp(self) -> None:
        """Start the application, and open its page in a browser with an empty profile."""
        origin = self.enterContext(run_application("users_app"))
        self.docs = DocsPage(self.enterContext(run_browser()))
        self.docs.open(f"{origin}/docs")

    def field(self, path: str, name: str) -> Locator:
        """A field of a form."""
        return self.docs.expand("POST", path).locator(f"[data-property-name='{name}']")

    def add(self, path: str, name: str, values: Sequence[str | FilePayload]) -> None:
        """Add items to a field that takes several."""
        field = self.field(path, name)
        for number, value in enumerate(values):
            item = field.locator(".json-schema-form-item").nth(number)
            if not item.count():
                field.locator(".json-schema-form-item-add").click()
            if isinstance(value, str):
                item.locator("input").fill(value)
            else:
                item.locator("input[type=file]").set_input_files(value)

    def send(self, path: str) -> tuple[int, Any]:
        """Send the form; returns the status code and the body of the response."""
        return self.docs.try_out(TryOut("POST", path, 200, None))

    def test_one_file(self) -> None:
        """One file and a text are received, with name, type and content."""
        self.field("/one", "photo").locator("input").set_input_files(_FIRST)
        self.field("/one", "title").locator("input[type=text]").fill("a & b")
        described = {"filename": "a & b", "content_type": "", "content": ""}
        self.assertEqual(self.send("/one"), (200, [_RECEIVED[0], described]))
        self.assertEqual(self.docs.messages, [])

    def test_many_files(self) -> None:
        """Several files are chosen one by one, and received in that order; texts too."""
        self.add("/many", "photos", [_FIRST, _SECOND])
        self.add("/many", "labels", ["x", "y z"])
        code, body = self.send("/many")
        self.assertEqual((code, body[:-1]), (200, _RECEIVED))
        self.assertEqual(body[-1]["filename"], "x|y z")
        self.assertEqual(set(self.docs.messages) - {_OPTIONAL_COMPONENT}, set())

    def test_no_file(self) -> None:
        """A file that is optional can be left out, and is received if it is chosen."""
        self.assertEqual(self.send("/optional"), (200, []))
        self.field("/optional", "photo").locator("input[type=file]").set_input_files(_SECOND)
        self.assertEqual(self.send("/optional"), (200, _RECEIVED[1:]))

    def test_missing_file(self) -> None:
        """Without a file that is required nothing is sent, until it is chosen."""
        self.docs.expand("POST", "/one").locator("button.execute").click()
        self.field("/one", "photo").locator("input").set_input_files(_SECOND)
        self.assertEqual(self.send("/one")[0], 200)
        self.assertEqual([each.rpartition("/")[2] for each in self.docs.requested].count("one"), 1)

    def test_form(self) -> None:
        """A form without files is sent in both of its media types."""
        chooser = self.docs.expand("POST", "/form").locator("select[aria-label='Request content type']")
        for media_type in ("multipart/form-data", "application/x-www-form-urlencoded"):
            chooser.select_option(media_type)
            self.field("/form", "name").locator("input[type=text]").fill("a & b")
            self.add("/form", "labels", ["x", "y z"])
            self.assertEqual(self.send("/form"), (200, {"name": "a & b", "labels": ["x", "y z"]}), media_type)
