from __future__ import annotations

import msgspec
from twisted.trial.unittest import SynchronousTestCase

from unixsvc import Event
from unixsvc.rest.headers.event_fields import event_lines


def sent(*events: object) -> str:
    """Events as they are sent."""
    return event_lines([msgspec.json.encode(each) for each in events]).decode()


class EventLinesTests(SynchronousTestCase):
    def test_fields(self) -> None:
        """An event has its fields, and its data as JSON."""
        self.assertEqual(
            sent(Event({"a": 1}, id="7", event="price", retry=1500), Event(None)),
            'id: 7\nevent: price\nretry: 1500\ndata: {"a":1}\n\ndata: null\n\n',
        )

    def test_empty_id(self) -> None:
        """An empty id resets the last one of the browser."""
        self.assertEqual(sent(Event(1, id="")), "id: \ndata: 1\n\n")

    def test_text(self) -> None:
        """A text is sent as it is; each of its lines is one of the data, whatever ends it."""
        text = Event("one\ntwo\r\nthree\rfour\n", text=True)
        self.assertEqual(sent(text), "data: one\ndata: two\ndata: three\ndata: four\ndata: \n\n")
        self.assertEqual(sent(Event("a\nb")), 'data: "a\\nb"\n\n')

    def test_injection(self) -> None:
        """An object of another service cannot begin another field or event."""
        wrong = {"data": 1, "id": "a\n\ndata: evil", "event": "b\revil: 1", "retry": -5}
        self.assertEqual(sent(wrong), "data: 1\n\n")
        self.assertEqual(
            sent({"data": "a\n\nevent: evil", "text": True}), "data: a\ndata: \ndata: event: evil\n\n"
        )

    def test_no_event(self) -> None:
        """Items of another service that are no events are sent as data."""
        self.assertEqual(sent([1]), "data: [1]\n\n")
        self.assertEqual(sent({"data": 7, "text": True}), 'data: {"data":7,"text":true}\n\n')

    def test_line_ends_in_json(self) -> None:
        """JSON with line ends is data on several lines."""
        self.assertEqual(event_lines([b'{"data":{\r"a": 1}}']), b'data: {\ndata: "a": 1}\n\n')
