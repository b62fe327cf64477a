"""Services that call each other, each in its own worker."""

from __future__ import annotations

import json
import signal
import time
from typing import Any

from tests.functional.orchestrator_process import OrchestratorTestCase

_EXCEEDED = "exceeded its deadline"
_SERVICES = "".join(
    f'[services.{each}]\napp = "chain:{each}"\nrequest_timeout = 20.0\n'
    for each in ("first", "second", "third")
)


class ChainTestCase(OrchestratorTestCase):
    """The first service calls the second, the second the third."""

    config = _SERVICES

    def setUp(self) -> None:
        """Start the services."""
        super().setUp()
        self.running = self.start()

    def cancelled_services(self, *ways: str, count: int = 3) -> dict[str, dict[str, Any]]:
        """Wait for this number of services with such a log event; returns the events."""

        def found() -> dict[str, dict[str, Any]]:
            events = [each for words in ways for each in self.running.logged(words)]
            return {each["namespace"].partition("[")[0].split()[0]: each for each in events}

        self.eventually(lambda: len(found()) >= count)
        return found()


class ChainTests(ChainTestCase):
    """One deadline and one request id for a chain of calls."""

    def test_deadline(self) -> None:
        """A deadline of half a second cancels the last action in time; all logs have the same request id."""
        with self.talk("first") as talk:
            started = time.time()
            reply = talk.ask(id=1, path="/wait", timeout=0.5, meta={"request_id": "top"})
            self.assertEqual(reply["code"], 504)
        # Those below may hear first that the one above has taken its call back: it is the same moment.
        events = self.cancelled_services(_EXCEEDED, "was cancelled")
        self.assertEqual(set(events), {"first", "second", "third"})
        for event in events.values():
            self.assertEqual((event["request_id"], event["level"]), ("top", "info"))
            self.assertGreater(event["time"] - started, 0.4)
            self.assertLess(event["time"] - started, 0.7)

    def test_disconnect(self) -> None:
        """A disconnect cancels the last action; all logs have the same generated request id."""
        with self.talk("first") as talk:
            talk.send(id=1, path="/wait")
            started = self.running.until("the third begins")
        events = self.cancelled_services("was cancelled")
        self.assertEqual(set(events), {"first", "second", "third"})
        self.assertEqual({each["request_id"] for each in events.values()}, {started["request_id"]})
        self.assertLess(max(each["time"] for each in events.values()) - started["time"], 5)

    def test_cancel(self) -> None:
        """A cancelled request cancels the last action; the connection stays."""
        with self.talk("first") as talk:
            talk.send(id=1, path="/wait")
            self.running.until("the third begins")
            self.assertEqual(talk.ask(id=1, cancel=True)["code"], 499)
            self.cancelled_services("was cancelled")
            self.assertEqual(talk.ask(id=2, path="/-/ping")["data"], "pong")

    def test_shield(self) -> None:
        """A shielded action finishes although the client has disconnected."""
        with self.talk("first") as talk:
            talk.send(id=1, path="/shielded", data={"seconds": 0.3})
            self.running.until("the third begins")
        self.running.until("the third has done it")
        self.assertEqual(self.running.logged("was cancelled"), [])

    def test_shield_and_deadline(self) -> None:
        """A shield does not protect against the deadline."""
        timeout = self.on_busy_machine(0.5)  # the third service has to begin before that
        reply = self.talk("first").ask(id=1, path="/shielded", data={"seconds": 60}, timeout=timeout)
        self.assertEqual(reply["code"], 504)
        self.assertEqual(
            set(self.cancelled_services(_EXCEEDED, "was cancelled")), {"first", "second", "third"}
        )

    def test_shield_and_stop(self) -> None:
        """A worker does not exit before its shielded actions have finished."""
        with self.talk("third") as talk:
            talk.send(id=1, path="/shielded", data={"seconds": 1.5})
            self.running.until("the third begins")
        self.running.signal(signal.SIGTERM)
        self.assertEqual(self.running.wait(), 0)
        self.assertEqual(len(self.running.logged("the third has done it")), 1)

    def test_request_id(self) -> None:
        """Request id and trace are inherited; the remaining time decreases."""
        meta = {"request_id": "abc", "traceparent": "00-1-2-01", "other": "x"}
        with self.talk("first") as talk:
            second, third = talk.ask(id=1, path="/names", meta=meta, timeout=5)["data"]
        carried = {"request_id": "abc", "traceparent": "00-1-2-01"}
        self.assertEqual((second[0], third[0]), (carried, carried))
        self.assertGreater(5, second[1])
        self.assertGreater(second[1], third[1])
        self.assertGreater(third[1], 3)

    def test_stream(self) -> None:
        """A stream arrives item by item, with the same request id."""
        first, *rest = self.talk("first").ask(id=1, path="/items", meta={"request_id": "s"})["data"]
        self.assertEqual((first, rest), ({"request_id": "s"}, list(range(200))))

    def test_absent(self) -> None:
        """A missing service is a 503."""
        self.assertEqual(self.talk("first").ask(id=1, path="/absent")["code"], 503)


class MountTests(ChainTestCase):
    """Mounts: the third service through the first."""

    def test_answers(self) -> None:
        """Path, query, method, data, meta and deadline are forwarded; the reply is returned."""
        meta = {"request_id": "m", "own": "x"}
        reply = self.talk("first").ask(id=1, path="/third?colour=red&number=7", meta=meta, timeout=9)["data"]
        self.assertLess(8, reply.pop("timeout"))
        self.assertEqual(
            reply, {"path": "/third", "method": "GET", "colour": "red", "number": 7, "meta": meta}
        )
        reply = self.talk("first").ask(
            id=1, path="/third/x", method="POST", data={"colour": "ü\n", "number": 8}
        )["data"]
        self.assertEqual((reply["path"], reply["method"], reply["colour"]), ("/third/x", "POST", "ü\n"))
        self.assertIsNone(reply["timeout"])

    def test_failures(self) -> None:
        """Errors are forwarded; a missing service is a 503 without details."""
        through, direct = self.talk("first"), self.talk("third")
        for message in (
            {"path": "/third", "data": {"colour": 1}},
            {"path": "/third/none"},
            {"path": "/third", "method": "PUT"},
        ):
            self.assertEqual(through.ask(id=1, **message), direct.ask(id=1, **message))
        reply = through.ask(id=1, path="/nobody/x")
        self.assertEqual((reply["code"], reply["detail"]), (503, {"retry_after": 1.0}))

    def test_deadline(self) -> None:
        """The caller's deadline applies in the mounted service."""
        reply = self.talk("first").ask(id=1, path="/third/wait", timeout=0.3)
        self.assertEqual(reply["code"], 504)
        self.assertEqual(
            set(self.cancelled_services(_EXCEEDED, "was cancelled", count=2)), {"first", "third"}
        )

    def test_server_limit(self) -> None:
        """Without a deadline of the caller, the service's request timeout applies."""
        self.configure(_SERVICES.replace("20.0", "0.4", 1))
        self.assertDone("reload", "first")
        started = time.monotonic()
        reply = self.talk("first").ask(id=1, path="/third/wait")
        self.assertEqual(reply["code"], 504)
        self.assertTrue(0.35 < time.monotonic() - started < 0.8)
        self.assertEqual(
            set(self.cancelled_services(_EXCEEDED, "was cancelled", count=2)), {"first", "third"}
        )

    def test_outside_prefix(self) -> None:
        """Paths outside the prefix belong to the service itself."""
        reply = self.talk("first").ask(id=1, path="/thirds")
        self.assertEqual(reply["code"], 404)
        self.assertEqual(json.dumps(reply["detail"]), "null")
