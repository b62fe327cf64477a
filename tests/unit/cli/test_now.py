"""Commands that show what happens now."""

from __future__ import annotations

import msgspec
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.cli.command_runner import CommandTestCase, failure, success
from unixsvc.cli.now.requests import short_place

_LIBRARY = "/usr/lib/python3.11/asyncio/tasks.py:649 sleep"
_OWN = "/srv/shop/orders.py:12 Orders.buy"
_REQUEST = {
    "service": "shop",
    "pid": 12,
    "id": "abc",
    "kind": "call",
    "method": "GET",
    "path": "/orders/7",
    "route": "GET /orders/{id:int}",
    "age": 75.2,
    "deadline": 4.004,
    "caller": "uid:1000",
    "where": _LIBRARY,
    "stack": ["/srv/shop/app.py:3 show", _OWN, _LIBRARY],
}


class RequestsTests(CommandTestCase):
    """``unixsvc ps`` and ``unixsvc cancel``."""

    def setUp(self) -> None:
        """Start an orchestrator."""
        super().setUp()
        self.write("service_orchestrator.sock")
        self.listed = {"requests": [_REQUEST], "silent": []}

    def show(self, *options: str) -> list[str]:
        """The lines that ps prints."""
        self.answer = success(self.listed)
        outcome = self.run_command("ps", *options)
        self.assertEqual((outcome.code, outcome.err), (0, ""))
        return outcome.out.splitlines()

    def test_table(self) -> None:
        """Each request is a row, with the place in the application and the innermost one."""
        head, row = self.show("shop")
        self.assertEqual(head.split()[:4], ["SERVICE", "PID", "ID", "REQUEST"])
        expected = "shop 12 abc GET /orders/7 1m 15s 4.00s uid:1000"
        place = "shop/orders.py:12 Orders.buy > asyncio/tasks.py:649 sleep"
        self.assertEqual(" ".join(row.split()), f"{expected} {place}")
        self.assertEqual(msgspec.json.decode(self.calls[-1].call.data), {"service": "shop"})

    def test_verbose(self) -> None:
        """With -v each has its route and its whole stack."""
        first, *lines = self.show("-v")
        self.assertEqual(first, "shop (pid 12): abc: GET /orders/7")
        self.assertIn("  route: GET /orders/{id:int}", lines)
        self.assertEqual(lines[-2:], [f"  at {_OWN}", f"  at {_LIBRARY}"])

    def test_silent(self) -> None:
        """Workers that have not answered are named."""
        self.listed = {
            "requests": [],
            "silent": [{"service": "shop", "pid": 9, "problem": "no answer within 1 s"}],
        }
        self.assertEqual(self.show()[-1], "shop (pid 9): no answer within 1 s; its event loop may be blocked")

    def test_ended(self) -> None:
        """With --slowest or --failed, requests that have ended are shown, with code and duration."""
        ended = {"ended": 0.0, "seconds": 0.0123, "code": 503}
        self.listed = {"requests": [_REQUEST | ended], "silent": []}
        for option in ("slowest", "failed"):
            _, row = self.show(f"--{option}", "shop")
            self.assertIn("shop 12 abc GET /orders/7 503 12.3 uid:1000", " ".join(row.split()))
            self.assertEqual(self.calls[-1].call.path, f"/requests/{option}")

    def test_json(self) -> None:
        """JSON is what the control API has sent."""
        self.assertEqual(msgspec.json.decode("".join(self.show("--json"))), self.listed)

    def test_cancel(self) -> None:
        """The id may be in one service only; shielded requests are mentioned."""
        self.answer = success({"cancelled": 2, "shielded": 1})
        outcome = self.run_command("cancel", "ab", "--service", "shop")
        self.assertEqual(
            outcome.out, "cancelled 2 requests\n1 are not cancelled, as their routes have a shield\n"
        )
        call = self.calls[-1].call
        self.assertEqual((call.method, call.path), ("POST", "/requests/cancel"))
        self.assertEqual(msgspec.json.decode(call.data), {"id": "ab", "service": "shop"})

    def test_cancel_unknown(self) -> None:
        """The error of the orchestrator is shown."""
        self.answer = failure(404, "no request in flight has the id 'ab'; see: unixsvc ps")
        self.assertError(self.run_command("cancel", "ab"), 4, "no request in flight")

    def test_other_reply(self) -> None:
        """A reply that is not the expected one is an error."""
        self.answer = success({"requests": 5})
        self.assertError(self.run_command("ps"), 5, "cannot be read")


class PlaceTests(SynchronousTestCase):
    """The place where a request waits, in a table."""

    def test_relative(self) -> None:
        """Files of the current folder are relative to it."""
        self.assertEqual(
            short_place(_OWN, ["/srv/shop/app.py:3 show", _OWN], "/srv"), "shop/orders.py:12 Orders.buy"
        )

    def test_libraries_only(self) -> None:
        """Without a frame of the application, the innermost one is shown."""
        self.assertEqual(short_place(_LIBRARY, [_LIBRARY], "/srv"), "asyncio/tasks.py:649 sleep")

    def test_text(self) -> None:
        """A text that is not a place is shown as it is."""
        self.assertEqual(short_place("waits for its a/b/c", [], "/srv"), "waits for its a/b/c")
