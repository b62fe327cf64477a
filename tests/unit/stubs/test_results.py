"""The methods of generated clients for results with status, headers and media types."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.conformance.every_kind.results import ROUTES
from tests.unit.routing.serving import Serving
from tests.unit.stubs.stub_harness import Recorder, load_module, made_from, outcome


class ResultTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Generate a client."""
        self.text = made_from(Serving(*ROUTES).router.contract())
        self.module: Any = load_module(self.text)

    def call(self, method: str, answer: object, *arguments: object, **named: object) -> object:
        """The result of a method, if the service answers like this."""
        client = self.module.Client(Recorder(answer))
        return outcome(getattr(client, method)(*arguments, **named))

    def test_values(self) -> None:
        """A method returns the value, whatever is around it."""
        item = self.module.Item(id=7, name="Pen")
        pen = {"id": 7, "name": "Pen"}
        self.assertEqual(self.call("post_results_accepted", pen, name="Pen"), item)
        self.assertEqual(self.call("get_results_items", [pen], limit=1), [item])
        self.assertEqual(self.call("post_results_items", pen, name="Pen"), item)
        self.assertEqual(self.call("get_results_maybe_by_id", pen, 7), item)
        self.assertIsNone(self.call("get_results_maybe_by_id", None, 7))
        self.assertIsNone(self.call("get_results_moved_by_id", None, 7))
        self.assertEqual(self.call("get_results_picture_by_id", "/w==", 7), b"\xff")
        self.assertEqual(self.call("get_results_page_by_id", "<p>", 7), "<p>")

    def test_streams(self) -> None:
        """Streams of bytes yield bytes, and streams of events the events."""
        self.assertIn("-> AsyncIterator[bytes]:", self.text)
        ticks = self.module.Client(
            Recorder({"data": {"id": 7, "name": "Pen"}, "id": "7"})
        ).get_results_ticks()
        event = outcome(ticks.__anext__())
        self.assertEqual((event.data, event.id), (self.module.Item(id=7, name="Pen"), "7"))
