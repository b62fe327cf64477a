"""Streams through a mount, each service in a worker of its own."""

from __future__ import annotations

import json
import time
from functools import partial
from typing import Any

from tests.functional.orchestrator_process import OrchestratorTestCase, full
from tests.functional.raw_client import RawConnection
from unixsvc.client.connection import WINDOW

_ITEMS = 1_000_000 if full() else 50_000


class MountedStreamsTests(OrchestratorTestCase):
    """A service with streams, and one that mounts it and has a short request time-out."""

    config = (
        '[services.streaming]\napp = "streaming:app"\n'
        '[services.mounting]\napp = "mounting:app"\nrequest_timeout = 0.6\n'
    )

    def setUp(self) -> None:
        """Start the services."""
        super().setUp()
        self.running = self.start()

    def last_stream(self) -> Any:
        """The state of the last stream in the mounted service."""
        return self.ask("streaming", "/seen")

    def stopped(self) -> bool:
        """Wait until the generator in the mounted service has ended."""
        return bool(self.last_stream()["ended"] == "stopped")

    def assert_idle(self) -> None:
        """Assert that neither service has a pending request other than that for its statistics."""
        for each in ("streaming", "mounting"):
            self.eventually(partial(self.is_idle, each), 5.0)

    def is_idle(self, service: str) -> bool:
        """Whether a service is idle."""
        return bool(self.ask(service, "/-/stats")["inflight"] == 0)

    def read(self, talk: RawConnection, id: int, credit: int) -> tuple[list[int], Any]:
        """Read a stream with this credit; returns its numbers, and its last message."""
        numbers = []
        while (line := talk.receive()).get("more"):
            numbers.append(line["data"]["number"])
            if len(numbers) % credit == 0:
                talk.send(id=id, credit=credit)
        return numbers, line

    def test_many(self) -> None:
        """A long stream arrives completely, in order and unchanged, while other calls are served."""
        with self.talk("mounting") as talk, self.talk("streaming") as direct:
            for each in (talk, direct):
                each.send(id=1, path="/count", data={"to": 1})
            self.assertEqual(talk.receive(), direct.receive())
            self.assertEqual(talk.receive(), direct.receive())
            started = time.monotonic()
            talk.send(id=2, path="/count", data={"to": _ITEMS}, credit=100)
            numbers = [talk.receive()["data"]["number"] for _ in range(100)]
            talk.send(id=3, path="/seen")
            self.assertEqual(talk.receive()["id"], 3)
            talk.send(id=2, credit=100)
            rest, last = self.read(talk, 2, 100)
            seconds = time.monotonic() - started
        self.assertEqual(numbers + rest, list(range(_ITEMS)))
        self.assertEqual(last, {"id": 2, "code": 200, "data": None})
        self.assertEqual(self.last_stream(), {"given": _ITEMS, "ended": "done"})
        self.record_value(f"{_ITEMS / seconds:,.0f} items/s through a mount")

    def test_slow_reader(self) -> None:
        """The generator makes no more items than the reader has credit for, and a window."""
        with self.talk("mounting") as talk:
            talk.send(id=1, path="/count", data={"to": _ITEMS}, credit=10)
            for _ in range(10):
                talk.receive()
            time.sleep(0.8)
            given = self.last_stream()["given"]
            self.assertLessEqual(given, 10 + 2 * WINDOW)
            talk.send(id=1, credit=_ITEMS)
            self.assertEqual(self.read(talk, 1, _ITEMS)[0], list(range(10, _ITEMS)))

    def test_stalled_reader(self) -> None:
        """A reader that gives no credit and does not read suspends the generator, too."""
        with self.talk("mounting") as talk:
            talk.send(id=1, path="/count", data={"to": 1_000_000_000})
            given: list[int] = []

            def still() -> bool:
                given.append(self.last_stream()["given"])
                time.sleep(0.1)
                return len(given) > 2 and given[-3:] == given[-1:] * 3

            self.eventually(still, 10.0)
            self.assertLess(given[-1], 20_000)
        self.eventually(self.stopped, 5.0)

    def test_cancel(self) -> None:
        """A cancelled stream ends with 499; the generator ends whether it waits or is suspended."""
        for path, message in (("/tick", {}), ("/count", {"data": {"to": 1_000_000_000}, "credit": 3})):
            with self.talk("mounting") as talk:
                talk.send(id=1, path=path, **message)
                for _ in range(3):
                    self.assertTrue(talk.receive()["more"])
                self.assertEqual(self.last_stream()["ended"], "")
                talk.send(id=1, cancel=True)
                while (line := talk.receive()).get("more"):
                    pass
                self.assertEqual((line["id"], line["code"]), (1, 499))
                self.eventually(self.stopped, 5.0)
        self.assert_idle()

    def test_disconnect(self) -> None:
        """A disconnect ends the stream, and so does a client that cannot receive streams."""
        with self.talk("mounting") as talk:
            talk.send(id=1, path="/tick")
            talk.receive()
        self.eventually(self.stopped, 5.0)
        with self.talk("mounting") as talk:
            self.assertEqual(talk.ask(path="/count", data={"to": 1_000_000_000})["code"], 400)
            self.eventually(self.stopped, 5.0)
        self.assert_idle()

    def test_failures(self) -> None:
        """An error arrives after the items, with code and detail; an unexpected exception without."""
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
        """An empty stream has an end."""
        talk = self.talk("mounting")
        reply = talk.ask(id=1, path="/count", data={"to": 0}, credit=5)
        self.assertEqual(reply, {"id": 1, "code": 200, "data": None})

    def test_meta(self) -> None:
        """The request id and the client's time-out are passed on."""
        with self.talk("mounting") as talk:
            meta, timeout = talk.ask(id=1, path="/named", meta={"request_id": "r", "own": "x"}, timeout=9)[
                "data"
            ]
            self.assertEqual(meta, {"request_id": "r", "own": "x"})
            self.assertTrue(8 < timeout <= 9, timeout)
            talk.receive()
            meta, timeout = talk.ask(id=2, path="/named")["data"]
            self.assertEqual((list(meta), timeout), (["request_id"], None))

    def test_timeout(self) -> None:
        """A stream may take longer than a call; the client's own time-out ends it everywhere."""
        with self.talk("mounting") as talk:
            talk.send(id=1, path="/tick", data={"seconds": 0.05})
            started = time.monotonic()
            while time.monotonic() - started < 1.2:
                self.assertTrue(talk.receive()["more"])
            talk.send(id=1, cancel=True)
            while talk.receive().get("more"):
                pass
            talk.send(id=2, path="/tick", data={"seconds": 0.05}, timeout=0.9)
            started = time.monotonic()
            while (line := talk.receive()).get("more"):
                pass
            self.assertEqual((line["id"], line["code"]), (2, 504))
            self.assertTrue(0.85 < time.monotonic() - started < 1.2)
            self.eventually(self.stopped, 5.0)

    def test_first_item(self) -> None:
        """The first item has the request time-out."""
        reply = self.talk("mounting").ask(id=1, path="/tick", data={"seconds": 60})
        self.assertEqual((reply["id"], reply["code"]), (1, 504))
        self.eventually(self.stopped, 5.0)
