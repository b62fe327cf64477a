"""A drain that load balancers notice before the listener closes."""

from __future__ import annotations

from typing import Any

import msgspec

from tests.unit.service.served import ServedCase, code_of
from unixsvc import App
from unixsvc.config.http import Http


class DrainDelayTests(ServedCase):
    """A gateway without dependencies."""

    def setUp(self) -> None:
        """Serve."""
        self.closed: list[float] = []
        self.host = self.serve(App([]), http=Http())

    def drain(self, **options: Any) -> Any:
        """Drain; :attr:`closed` gets the time at which nothing can connect any more."""
        return self.host.drain(on_closed=lambda: self.closed.append(self.clock.seconds()), **options)

    def test_delay(self) -> None:
        """During the delay new connections are served, and see that the service is not ready."""
        self.assertEqual(code_of(self.request("GET", "/-/ready")), 200)
        self.drain(delay=3)
        self.clock.advance(2)
        self.assertEqual(code_of(self.request("GET", "/-/ready")), 503)
        self.assertEqual(code_of(self.request("GET", "/-/live")), 200)
        self.assertEqual(code_of(self.request("GET", "/-/health")), 200)
        self.assertTrue(self.endpoint.listening)
        self.assertEqual(self.closed, [])
        self.clock.advance(1)
        self.clock.pump([0.1] * 3)
        self.assertFalse(self.endpoint.listening)
        self.assertEqual(len(self.closed), 1)

    def test_no_delay(self) -> None:
        """Without a delay the listener closes at once; a client that is still connected gets 503."""
        self.request("GET", "/-/live")
        self.connection.dataReceived(b"GET /-/")  # a request that has begun before the drain
        self.transport.clear()
        self.drain()
        self.clock.pump([0.1] * 3)
        self.assertEqual(len(self.closed), 1)
        self.connection.dataReceived(b"ready HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.assertEqual(code_of(self.transport.value()), 503)

    def test_replaced(self) -> None:
        """A worker that another one replaces stays ready: the service is."""
        self.request("GET", "/-/live")
        self.drain(wait_for_idle=True)
        self.connection.dataReceived(b"GET /-/ready HTTP/1.1\r\nHost: localhost\r\n\r\n")
        body = self.transport.value().rpartition(b"\r\n\r\n")[2]
        self.assertEqual(msgspec.json.decode(body), {"state": "ready"})

    def test_abort(self) -> None:
        """An abort ends the delay."""
        self.drain(delay=3)
        self.host.abort()
        self.clock.pump([0.1] * 3)
        self.assertEqual(len(self.closed), 1)
