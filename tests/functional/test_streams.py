"""Streams over real sockets: memory is bounded, and no generator runs without a reader."""

from __future__ import annotations

import time
from typing import Any

import psutil

from tests.functional.cli_process import start_command
from tests.functional.orchestrator_process import OrchestratorTestCase, full
from tests.functional.raw_client import RawConnection

_MIB = 1 << 20
_GROWTH = 4 * _MIB
_WARM_UP = 5_000  # items


class StreamTests(OrchestratorTestCase):
    """A service with one worker and streams."""

    config = '[services.streaming]\napp = "streaming:app"\n'

    def setUp(self) -> None:
        """Start the service."""
        super().setUp()
        self.running = self.start()
        self.items = 1_000_000 if full() else 100_000

    def last_stream(self) -> Any:
        """The state of the last stream."""
        return self.ask("streaming", "/seen")

    def memory(self) -> psutil.Process:
        """The memory of the worker after a warm-up."""
        with self.talk("streaming") as talk:
            talk.send(id=1, path="/count", data={"to": _WARM_UP})
            self.read(talk, 1, _WARM_UP)
        [pid] = self.worker_pids("streaming")
        return psutil.Process(pid)

    def read(self, talk: RawConnection, id: int, items: int, credit: int = 0) -> int:
        """Read a stream to its end.

        :param credit: grant this number of items each time that many have arrived.
        :returns: the number of items, which arrive in order.
        """
        number = 0
        while (line := talk.receive()).get("more"):
            self.assertEqual((line["id"], line["data"]["number"]), (id, number))
            number += 1
            if credit and number % credit == 0:
                talk.send(id=id, credit=credit)
        self.assertEqual(line, {"id": id, "code": 200, "data": None})
        self.assertEqual(number, items)
        return number

    def assert_stands_still(self) -> int:
        """The stream is suspended; returns its number of items."""
        given: list[int] = []

        def still() -> bool:
            time.sleep(0.2)
            given.append(self.last_stream()["given"])
            return given[-2:] == [given[-1]] * 2

        self.eventually(still)
        return given[-1]

    def test_without_credit(self) -> None:
        """A client that sleeps gets all items, and the memory of the worker is bounded."""
        worker = self.memory()
        before = worker.memory_info().rss
        with self.talk("streaming") as talk:
            talk.send(id=1, path="/count", data={"to": self.items})
            given = self.assert_stands_still()
            asleep = worker.memory_info().rss - before
            self.assertLess(given, 20_000)
            began = time.monotonic()
            self.read(talk, 1, self.items)
            seconds = time.monotonic() - began
        growth = worker.memory_info().rss - before
        self.assertLess(max(asleep, growth), _GROWTH)
        self.assertEqual(self.last_stream(), {"given": self.items, "ended": "done"})
        self.record_value(
            f"{self.items} items without credit: {given} made while the client slept,"
            f" +{asleep / _MIB:.2f} MiB then, +{growth / _MIB:.2f} MiB at the end,"
            f" {self.items / seconds:,.0f} items/s"
        )

    def test_with_credit(self) -> None:
        """With credit the worker computes as many items, and serves other requests on the connection."""
        worker = self.memory()
        before = worker.memory_info().rss
        with self.talk("streaming") as talk:
            talk.send(id=1, path="/count", data={"to": self.items}, credit=100)
            self.assertEqual(self.assert_stands_still(), 100)
            began = time.monotonic()
            talk.send(id=2, path="/seen")
            lines = [talk.receive() for _ in range(101)]
            pause = time.monotonic() - began
            self.assertEqual([line["id"] for line in lines], [1] * 100 + [2])
            self.assertEqual(lines[-1]["data"]["given"], 100)
            asleep = worker.memory_info().rss - before
            talk.send(id=1, credit=100)
            began, number = time.monotonic(), 100
            while (line := talk.receive()).get("more"):
                self.assertEqual(line["data"]["number"], number)
                number += 1
                if number % 100 == 0:
                    talk.send(id=1, credit=100)
            seconds = time.monotonic() - began
        self.assertEqual((number, line["code"]), (self.items, 200))
        growth = worker.memory_info().rss - before
        self.assertLess(max(asleep, growth), _GROWTH)
        self.record_value(
            f"{self.items} items with credit 100: another call was answered after {pause * 1000:.1f} ms,"
            f" +{asleep / _MIB:.2f} MiB asleep, +{growth / _MIB:.2f} MiB at the end,"
            f" {self.items / seconds:,.0f} items/s"
        )

    def test_other_connections(self) -> None:
        """A stream that never waits does not block other connections."""
        with self.talk("streaming") as talk, self.talk("streaming") as other:
            talk.send(id=1, path="/count", data={"to": self.items}, credit=self.items + 1)
            slowest = 0.0
            for number in range(20):
                for _ in range(1000):
                    talk.receive()
                began = time.monotonic()
                other.ask(id=number, path="/-/ping")
                slowest = max(slowest, time.monotonic() - began)
        self.assertLess(slowest, 0.5)
        self.record_value(f"another connection was answered within {slowest * 1000:.1f} ms beside a stream")

    def test_cancel(self) -> None:
        """A cancelled stream ends with 499 and its cleanup runs, whether it waits or is blocked."""
        for path, credit in (("/tick", {}), ("/count", {"credit": 3})):
            with self.talk("streaming") as talk:
                talk.send(id=1, path=path, data={"to": 9} if credit else {}, **credit)
                for _ in range(3):
                    self.assertTrue(talk.receive()["more"])
                self.assertEqual(self.last_stream()["ended"], "")
                talk.send(id=1, cancel=True)
                while (line := talk.receive()).get("more"):
                    pass
                self.assertEqual((line["id"], line["code"]), (1, 499))
            self.assertEqual(self.last_stream()["ended"], "stopped")

    def test_disconnect(self) -> None:
        """A disconnect ends a stream, whether it waits, is blocked, or cannot send."""
        for path, message in (
            ("/tick", {}),
            ("/count", {"data": {"to": 9}, "credit": 3}),
            ("/count", {"data": {"to": 1_000_000_000}}),
        ):
            with self.talk("streaming") as talk:
                talk.send(id=1, path=path, **message)
                for _ in range(3):
                    self.assertTrue(talk.receive()["more"])
                self.assertEqual(self.last_stream()["ended"], "")
            self.eventually(lambda: self.last_stream()["ended"] == "stopped")
        self.eventually(lambda: self.ask("streaming", "/-/stats")["inflight"] == 0)

    def test_failures(self) -> None:
        """An error ends a stream; an unknown exception has no details."""
        with self.talk("streaming") as talk:
            self.assertEqual(talk.ask(id=1, path="/fail")["data"], 1)
            line = talk.receive()
            self.assertEqual((line["code"], line["detail"]), (404, "the rest"))
            talk.ask(id=2, path="/fail", data={"secret": True}, meta={"request_id": "r-77"})
            line = talk.receive()
            self.assertEqual((line["code"], line["detail"]), (500, None))
            talk.token = None
            self.assertEqual(talk.ask(path="/fail")["code"], 400)
        self.assertIn("r-77", str(self.running.until("the secret of the inside")))

    def test_drained(self) -> None:
        """A worker that is replaced finishes its streams, with credit."""
        with self.talk("streaming") as talk:
            talk.send(id=1, path="/count", data={"to": 500}, credit=100)
            for _ in range(100):
                talk.receive()
            self.assertDone("reload")
            talk.send(id=1, credit=1000)
            numbers = [talk.receive()["data"]["number"] for _ in range(400)]
            self.assertEqual(numbers, list(range(100, 500)))
            self.assertEqual(talk.receive()["code"], 200)
            self.assertTrue(talk.goaway_received)

    def test_command(self) -> None:
        """The command line prints items as they arrive, and handles a broken pipe."""
        done = self.command("call", "streaming", "/count", "to:=3", "--data", "{}")
        self.assertEqual(done.code, 2)
        done = self.command("call", "streaming", "GET", "/count", "to:=3")
        self.assertEqual((done.code, done.out.count("\n"), done.err), (0, 3, ""))
        process = start_command(self.folder, "call", "streaming", "GET", "/count", "to:=1000000")
        assert process.stdout is not None
        self.assertIn('"number": 0', process.stdout.readline())
        process.stdout.close()
        self.assertEqual(process.wait(20), 1)
        assert process.stderr is not None
        with process.stderr:
            self.assertEqual(process.stderr.read(), "")
