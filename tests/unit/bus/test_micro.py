"""A service as a micro service of NATS."""

from __future__ import annotations

import json
from typing import Any, Final

from tests.unit.bus.test_calls import ClusterCase
from unixsvc.bus.connection import BusMessage
from unixsvc.bus.micro import MicroInfo, MicroService
from unixsvc.bus.subjects import Subjects

_INFO: Final = MicroInfo("shop", "other-1", "1.2.3", {"host": "other", "slot": "1", "pid": "7"})


class MicroTests(ClusterCase):
    def setUp(self) -> None:
        """The service of the other host, and a program that knows nothing of circuits."""
        super().setUp()
        micro = MicroService(_INFO, Subjects("test", "other"), self.other.handler, self.other.times)
        self.other.serve_also(micro.subscriptions)
        self.settle()
        self.program = self.broker.connections[0]
        self.program.subscribe("inbox", self.received)
        self.replies: list[BusMessage] = []

    def received(self, message: BusMessage) -> None:
        """A reply."""
        self.replies.append(message)

    def ask(self, subject: str, data: bytes = b"") -> Any:
        """Ask; the reply, decoded."""
        self.replies.clear()
        self.broker.headers.clear()
        self.program.publish(subject, data, "inbox")
        self.settle()
        [reply] = self.replies
        return json.loads(reply.data) if reply.data else reply.status

    def test_discovery(self) -> None:
        """It is found among all, by its name, and by its id."""
        for verb in ("PING", "INFO", "STATS"):
            for rest in ("", ".shop", ".shop.other-1"):
                found = self.ask(f"$SRV.{verb}{rest}")
                self.assertEqual(found["type"], f"io.nats.micro.v1.{verb.lower()}_response")
                self.assertEqual(
                    [found[key] for key in ("name", "id", "version", "metadata")],
                    ["shop", "other-1", "1.2.3", {"host": "other", "slot": "1", "pid": "7"}],
                )
            self.assertEqual(self.ask(f"$SRV.{verb}.stock"), 503)

    def test_call(self) -> None:
        """A request is answered with the bare result, with or without a line end, on one line or on many."""
        subject = self.ask("$SRV.INFO.shop")["endpoints"][0]["subject"]
        for text in ('{"path":"/now","data":{"n":7}}', '{"path":"/now",\n "data":{"n":7}}\n'):
            self.assertEqual(self.ask(subject, text.encode()), {"n": 7})
        self.assertEqual(self.broker.headers, {})

    def test_error(self) -> None:
        """An error is in the header fields too."""
        for data, code in ((b'{"path":"/wrong"}', 401), (b"nothing", 400)):
            self.assertEqual(self.ask("test.svc.shop", data)["code"], code)
            self.assertEqual(self.broker.headers["inbox"]["Nats-Service-Error-Code"], str(code))

    def test_waits(self) -> None:
        """An action may wait; its reply comes when it is done."""
        self.program.publish("test.svc.shop", b'{"path":"/wait","data":{"n":1}}', "inbox")
        self.settle()
        self.assertEqual(self.replies, [])
        self.reply_to()
        self.settle()
        self.assertEqual([each.data for each in self.replies], [b'"done"'])

    def test_large(self) -> None:
        """A reply that NATS would refuse is 413."""
        data = json.dumps({"path": "/now", "data": {"text": "x" * 1_048_000}}).encode()
        self.assertEqual(self.ask("test.svc.shop", data)["code"], 413)

    def test_stats(self) -> None:
        """Requests, errors and their time are counted."""
        self.ask("test.svc.shop", b'{"path":"/now"}')
        self.ask("test.svc.shop", b'{"path":"/wrong"}')
        [endpoint] = self.ask("$SRV.STATS.shop")["endpoints"]
        self.assertEqual((endpoint["num_requests"], endpoint["num_errors"]), (2, 1))
        self.assertEqual(endpoint["last_error"], "401:Unauthorized")
        self.assertEqual(endpoint["queue_group"], "shop")

    def test_withdrawn(self) -> None:
        """A worker that drains is no longer found."""
        self.other.node.withdraw("shop")
        self.settle()
        self.assertEqual(self.ask("$SRV.PING.shop"), 503)
        self.assertEqual(self.ask("test.svc.shop", b"{}"), 503)
