"""Traces of a chain of services: gateway, mounted service, another service."""

from __future__ import annotations

import signal
import socket
import time
from collections import Counter
from typing import Any

from tests.functional.http_stack import HttpTestCase
from tests.functional.otlp_receiver import OtlpReceiver, ReceivedSpan
from tests.unit.tracing.recorded import PARENT, SPAN, TRACE, UNSAMPLED, WITHOUT_EXTRA

_SERVICES = (
    '[services.shop]\napp = "traced:shop"\n[services.bank]\napp = "traced:bank"\n'
    '[http]\nlisten = ["tcp:0:interface=127.0.0.1"]\nmounts = { "/shop" = "shop:/" }\ntoken = "off"\n'
    '[tracing]\nexporter = "otlp"\ninterval = 0.1\n'
)


_BALANCE = ("bank/GET /balance/{id:int}", "ledger")


class TracingCase(HttpTestCase):
    """A collector, and the services."""

    skip = WITHOUT_EXTRA
    sample = 1.0

    def setUp(self) -> None:
        """Start them."""
        self.receiver = OtlpReceiver()
        self.addCleanup(self.receiver.close)
        self.config = f'{_SERVICES}endpoint = "{self.receiver.endpoint}"\nsample = {self.sample}\n'
        super().setUp()
        self.running = self.serve()

    def get(self, path: str, **headers: str) -> bytes:
        """The body of a response."""
        connection = self.connect()
        connection.request("GET", path, headers=headers)
        return connection.getresponse().read()

    def spans(self, number: int) -> dict[str, ReceivedSpan]:
        """Wait for a number of spans; by their names, to which a number is added if they are not unique."""
        self.eventually(lambda: len(self.receiver.spans) >= number)
        self.assertEqual(len(self.receiver.spans), number)
        found: dict[str, ReceivedSpan] = {}
        for each in self.receiver.spans:
            name = each.name if each.name not in found else f"{each.name} 2"
            found[name] = each
        return found

    def assert_chain(self, found: dict[str, ReceivedSpan], *names: str) -> None:
        """Each span is a child of the one before it, and the first one has no parent."""
        parent = ""
        for name in names:
            self.assertEqual((name, found[name].parent), (name, parent))
            parent = found[name].id

    def assert_one_trace(self) -> str:
        """All spans are of one trace; its id."""
        [trace] = {each.trace for each in self.receiver.spans}
        return trace


class ChainTests(TracingCase):
    def test_chain(self) -> None:
        """What the checks say; they share the services, as their start takes most of the time."""
        for check in (
            self.check_call,
            self.check_error,
            self.check_deadline,
            self.check_stream,
            self.check_blocking,
            self.check_mount_behind_mount,
        ):
            self.receiver.spans.clear()
            check()

    def check_call(self) -> None:
        """One trace from the gateway to the last service, with the kinds and attributes of each span."""
        headers = {"Baggage": "tenant=acme", "X-Request-Timeout": "5"}
        self.assertEqual(self.get("/shop/buy/7", **headers), b'[7,"acme"]')
        found = self.spans(6)
        trace = self.assert_one_trace()
        chain = ("GET /shop/*", "shop/GET", "shop/GET /buy/{id:int}", "bank/GET", *_BALANCE)
        self.assert_chain(found, *chain)
        kinds = ["server", "client", "server", "client", "server", "internal"]
        self.assertEqual([found[each].kind for each in chain], kinds)
        services = ["http", "http", "shop", "shop", "bank", "bank"]
        self.assertEqual([found[each].service for each in chain], services)
        self.assertEqual(found["GET /shop/*"].attributes["http.response.status_code"], 200)
        self.assertEqual(found["bank/GET"].attributes["rpc.method_original"], "bank/GET /balance/7")
        self.assertEqual(found["bank/GET /balance/{id:int}"].attributes["rpc.response.status_code"], "200")
        left = [found[each].attributes["unixsvc.deadline.left"] for each in chain[:5]]
        self.assertEqual((left[0], max(left)), (5.0, 5.0))
        self.assertLess(left[-1], 5.0)
        self.assertEqual([each.name for each in self.receiver.spans if each.error], [])
        event = self.running.until("bought")
        self.assertEqual((event["trace_id"], event["span_id"]), (trace, found[chain[2]].id))

    def check_error(self) -> None:
        """An exception is an error of each span; the one that has raised it has recorded it."""
        self.get("/shop/fail")
        found = self.spans(5)
        self.assert_one_trace()
        self.assertTrue(all(each.error for each in found.values()), found)
        failed = found["bank/GET /fail"]
        self.assertEqual(failed.attributes["error.type"], "builtins.ValueError")
        [(name, attributes)] = failed.events
        self.assertEqual((name, attributes["exception.message"]), ("exception", "no luck"))
        self.assertEqual(found["bank/GET"].attributes["error.type"], "500")
        event = self.running.until("GET /fail failed: ValueError")
        self.assertEqual((event["trace_id"], event["span_id"]), (failed.trace, failed.id))

    def check_deadline(self) -> None:
        """A call that takes too long is an error of the call; the service below sees that it is cancelled."""
        self.get("/shop/late")
        found = self.spans(5)
        self.assert_one_trace()
        self.assertEqual(found["bank/GET"].attributes["error.type"], "504")
        self.assertAlmostEqual(found["bank/GET"].attributes["unixsvc.deadline.left"], 0.2)
        self.assertIn(found["bank/GET /wait"].attributes["rpc.response.status_code"], ("499", "504"))
        self.assertEqual(found["GET /shop/*"].attributes["error.type"], "504")

    def check_stream(self) -> None:
        """Streams, and the calls that are made for their items, are one trace."""
        self.assertIn(b"[2,[2,null]]", self.get("/shop/prices"))
        found = self.spans(11)
        self.assert_one_trace()
        served = found["shop/GET /prices"]
        self.assert_chain(found, "GET /shop/*", "shop/GET", "shop/GET /prices")
        for name in ("GET /shop/*", "shop/GET", "shop/GET /prices", "bank/GET /rates"):
            self.assertEqual((name, found[name].attributes["unixsvc.stream.items"]), (name, 2))
        calls = [each for each in self.receiver.spans if each.name == "bank/GET"]
        self.assertEqual([each.parent for each in calls], [served.id] * 3)

    def check_blocking(self) -> None:
        """A blocking action asks for the spans of its calls, and they are part of the trace."""
        self.get("/shop/blocking")
        found = self.spans(6)
        self.assert_one_trace()
        self.assert_chain(
            found,
            "GET /shop/*",
            "shop/GET",
            "shop/GET /blocking",
            "bank/GET",
            "bank/GET /balance/{id:int}",
            "ledger",
        )

    def check_mount_behind_mount(self) -> None:
        """A mount of a mounted service is in the trace, and passes on what belongs to it."""
        body = self.get("/shop/bank/meta", Traceparent=PARENT, Tracestate="a=1", Baggage="tenant=acme")
        found = self.spans(5)
        self.assertEqual(self.assert_one_trace(), TRACE)
        self.assertEqual(found["GET /shop/*"].parent, SPAN)
        self.assertEqual({each.state for each in found.values()}, {"a=1"})
        last = found["bank/GET /meta"]
        self.assertIn(f'"traceparent":"00-{TRACE}-{last.id}-01"'.encode(), body)
        self.assertIn(b'"baggage":"tenant=acme"', body)

    def test_flush(self) -> None:
        """A worker that ends sends its last spans."""
        self.configure(self.config.replace("interval = 0.1", "interval = 1000.0"))
        self.assertDone("reload")
        self.get("/shop/buy/7")
        self.assertEqual(self.receiver.spans, [])
        self.running.signal(signal.SIGTERM)
        self.assertEqual(self.running.wait(), 0)
        self.assertEqual(len(self.receiver.spans), 6)


class SampleTests(TracingCase):
    sample = 0.3

    def test_share(self) -> None:
        """A trace is recorded in all services or in none, and about the share of them is.

        A caller over the socket decides.
        """
        self.check_callers()
        self.receiver.spans.clear()
        connection = self.connect()
        for _ in range(200):
            connection.request("GET", "/shop/buy/7")
            connection.getresponse().read()
        self.running.signal(signal.SIGTERM)
        self.assertEqual(self.running.wait(), 0)
        traces = Counter(each.trace for each in self.receiver.spans)
        self.assertEqual(set(traces.values()), {6})
        self.assertTrue(25 < len(traces) < 100, len(traces))  # 1 in 10**7 is further away

    def check_callers(self) -> None:
        """A caller over the socket decides."""
        with self.talk("shop") as talk:
            for number in range(20):
                talk.ask(id=number, path="/buy/7", meta={"traceparent": UNSAMPLED})
            talk.ask(id=20, path="/buy/7", meta={"traceparent": PARENT})
        found = self.spans(4)
        self.assertEqual(found["shop/GET /buy/{id:int}"].parent, SPAN)


class NoCollectorTests(HttpTestCase):
    """Collectors that cannot be reached, or do not answer."""

    skip = WITHOUT_EXTRA

    def serve_with(self, endpoint: str, **settings: Any) -> None:
        """Start the services."""
        lines = "".join(f"{key} = {value}\n" for key, value in settings.items())
        self.configure(f'{_SERVICES}endpoint = "{endpoint}"\nsample = 1.0\n{lines}')
        self.running = self.serve()

    def test_unreachable(self) -> None:
        """One line in the log of each worker, and requests do not wait."""
        with socket.create_server(("127.0.0.1", 0)) as reserved:
            port = reserved.getsockname()[1]
        self.serve_with(f"http://127.0.0.1:{port}/v1/traces", timeout=0.5)
        connection = self.connect()
        started, number = time.monotonic(), 0
        while time.monotonic() < started + 2:
            connection.request("GET", "/shop/buy/7")
            self.assertEqual(connection.getresponse().read(), b"[7,null]")
            number += 1
        self.assertGreater(number, 10)
        self.running.until("spans are not sent", times=3)
        self.running.signal(signal.SIGTERM)
        self.assertEqual(self.running.wait(), 0)
        logged = self.running.logged("spans are not sent")
        events = Counter(each["namespace"] for each in logged if "more like" not in each["message"])
        self.assertEqual(set(events.values()), {1}, events)

    def test_silent(self) -> None:
        """The end of a worker waits for a collector that does not answer for a limited time."""
        with socket.create_server(("127.0.0.1", 0)) as silent:
            self.serve_with(f"http://127.0.0.1:{silent.getsockname()[1]}/x", flush_timeout=0.5, timeout=20.0)
            connection = self.connect()
            connection.request("GET", "/shop/buy/7")
            connection.getresponse().read()
            started = time.monotonic()
            self.running.signal(signal.SIGTERM)
            self.assertEqual(self.running.wait(), 0)
            self.assertLess(time.monotonic() - started, self.on_busy_machine(3.5))
