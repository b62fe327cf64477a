"""Streams that come through a mount, each service in a worker of its own."""

from __future__ import annotations

import json
import time
from functools import partial
from typing import Any

from tests.functional.orchestrator_process import RunningTestCase, full
from tests.functional.raw_client import Talk
from unixsvc.client.connection import WINDOW

_ITEMS = 1_000_000 if full() else 50_000


class MountedStreamsTests(RunningTestCase):
    """Has a service with streams, and one that has mounted it, whose own time for an answer is short."""

    config = (
        '[services.streaming]\napp = "streaming:app"\n'
        '[services.mounting]\napp = "mounting:app"\nrequest_timeout = 0.6\n'
    )

    def setUp(self) -> None:
        """Start them."""
        super().setUp()
        self.running = self.start()

    def seen(self) -> Any:
        """What the last stream has done, at the bottom."""
        return self.ask("streaming", "/seen")

    def stopped(self) -> bool:
        """Whether the generator at the bottom has been left."""
        return bool(self.seen()["ended"] == "stopped")

    def assert_idle(self) -> None:
        """Neither service has anything unanswered but what it is asked for that."""
        for each in ("streaming", "mounting"):
            self.eventually(partial(self.is_idle, each), 5.0)

    def is_idle(self, service: str) -> bool:
        """Whether one is."""
        return bool(self.ask(service, "/-/stats")["inflight"] == 0)

    def read(self, talk: Talk, id: int, credit: int) -> tuple[list[int], Any]:
        """Read a stream, with so much credit at a time; its numbers, and its last line."""
        numbers = []
        while (line := talk.receive()).get("more"):
            numbers.append(line["data"]["number"])
            if len(numbers) % credit == 0:
                talk.send(id=id, credit=credit)
        return numbers, line

    def test_many(self) -> None:
        """Very many items come once, in order, byte for byte; other calls go through meanwhile."""
        with self.talk("mounting") as talk, self.talk("streaming") as direct:
            for each in (talk, direct):
                each.send(id=1, path="/count", data={"to": 1})
            self.assertEqual(talk.receive(), direct.receive())
            self.assertEqual(talk.receive(), direct.receive())
            suspended = time.monotonic()
            talk.send(id=2, path="/count", data={"to": _ITEMS}, credit=100)
            numbers = [talk.receive()["data"]["number"] for _ in range(100)]
            talk.send(id=3, path="/seen")
            self.assertEqual(talk.receive()["id"], 3)
            talk.send(id=2, credit=100)
            rest, last = self.read(talk, 2, 100)
            seconds = time.monotonic() - suspended
        self.assertEqual(numbers + rest, list(range(_ITEMS)))
        self.assertEqual(last, {"id": 2, "code": 200, "data": None})
        self.assertEqual(self.seen(), {"given": _ITEMS, "ended": "done"})
        self.figure(f"{_ITEMS / seconds:,.0f} items/s through a mount")

    def test_slow_reader(self) -> None:
        """Of what its reader has no credit for, the generator makes no more than a window holds."""
        with self.talk("mounting") as talk:
            talk.send(id=1, path="/count", data={"to": _ITEMS}, credit=10)
            for _ in range(10):
                talk.receive()
            time.sleep(0.8)
            given = self.seen()["given"]
            self.assertLessEqual(given, 10 + 2 * WINDOW)
            talk.send(id=1, credit=_ITEMS)
            self.assertEqual(self.read(talk, 1, _ITEMS)[0], list(range(10, _ITEMS)))

    def test_sleeping_reader(self) -> None:
        """A reader that gives no credit, and does not take what is sent, stops it as well."""
        with self.talk("mounting") as talk:
            talk.send(id=1, path="/count", data={"to": 1_000_000_000})
            given: list[int] = []

            def still() -> bool:
                given.append(self.seen()["given"])
                time.sleep(0.1)
                return len(given) > 2 and given[-3:] == given[-1:] * 3

            self.eventually(still, 10.0)
            self.assertLess(given[-1], 20_000)
        self.eventually(self.stopped, 5.0)

    def test_cancel(self) -> None:
        """What is taken back ends with 499, and at the bottom; whether it waits there, or stands still."""
        for path, message in (("/tick", {}), ("/count", {"data": {"to": 1_000_000_000}, "credit": 3})):
            with self.talk("mounting") as talk:
                talk.send(id=1, path=path, **message)
                for _ in range(3):
                    self.assertTrue(talk.receive()["more"])
                self.assertEqual(self.seen()["ended"], "")
                talk.send(id=1, cancel=True)
                while (line := talk.receive()).get("more"):
                    pass
                self.assertEqual((line["id"], line["code"]), (1, 499))
                self.eventually(self.stopped, 5.0)
        self.assert_idle()

    def test_gone(self) -> None:
        """A client that goes away ends it; so does one that cannot be sent a stream."""
        with self.talk("mounting") as talk:
            talk.send(id=1, path="/tick")
            talk.receive()
        self.eventually(self.stopped, 5.0)
        with self.talk("mounting") as talk:
            self.assertEqual(talk.ask(path="/count", data={"to": 1_000_000_000})["code"], 400)
            self.eventually(self.stopped, 5.0)
        self.assert_idle()

    def test_failures(self) -> None:
        """A failure at the end comes with its code and detail, behind the items; one inside tells nothing."""
        with self.talk("mounting") as talk:
            self.assertEqual(talk.ask(id=1, path="/fail")["data"], 1)
            line = talk.receive()
            self.assertEqual((line["code"], line["message"], line["detail"]), (404, "Not found", "the rest"))
            self.assertEqual(talk.ask(id=2, path="/fail", data={"secret": True})["data"], 1)
            line = talk.receive()
            self.assertEqual((line["code"], line["detail"]), (500, None))
            self.assertNotIn("secret", json.dumps(line))
            wrong = talk.ask(id=3, path="/count", data={"to": "x"})
            self.assertEqual((wrong["code"], wrong["detail"][0]["field"]), (422, "to"))

    def test_empty(self) -> None:
        """One without items is an end without items."""
        talk = self.talk("mounting")
        reply = talk.ask(id=1, path="/count", data={"to": 0}, credit=5)
        self.assertEqual(reply, {"id": 1, "code": 200, "data": None})

    def test_name(self) -> None:
        """The name comes through; so does the caller's time, and none if it has set none."""
        with self.talk("mounting") as talk:
            meta, timeout = talk.ask(id=1, path="/named", meta={"request_id": "r", "own": "x"}, timeout=9)[
                "data"
            ]
            self.assertEqual(meta, {"request_id": "r", "own": "x"})
            self.assertTrue(8 < timeout <= 9, timeout)
            talk.receive()
            meta, timeout = talk.ask(id=2, path="/named")["data"]
            self.assertEqual((list(meta), timeout), (["request_id"], None))

    def test_time(self) -> None:
        """It goes on for longer than a call may take; the caller's own time ends it, at the bottom too."""
        with self.talk("mounting") as talk:
            talk.send(id=1, path="/tick", data={"seconds": 0.05})
            suspended = time.monotonic()
            while time.monotonic() - suspended < 1.2:
                self.assertTrue(talk.receive()["more"])
            talk.send(id=1, cancel=True)
            while talk.receive().get("more"):
                pass
            talk.send(id=2, path="/tick", data={"seconds": 0.05}, timeout=0.9)
            suspended = time.monotonic()
            while (line := talk.receive()).get("more"):
                pass
            self.assertEqual((line["id"], line["code"]), (2, 504))
            self.assertTrue(0.85 < time.monotonic() - suspended < 1.2)
            self.eventually(self.stopped, 5.0)

    def test_first_item(self) -> None:
        """The first item has the time that an answer has."""
        reply = self.talk("mounting").ask(id=1, path="/tick", data={"seconds": 60})
        self.assertEqual((reply["id"], reply["code"]), (1, 504))
        self.eventually(self.stopped, 5.0)
