"""The log of one request through several services."""

from __future__ import annotations

import json
from typing import Any

from tests.functional.http_stack import HttpTestCase
from tests.unit.tracing.recorded import WITHOUT_EXTRA

_NAME = "chain-7"


class RequestChainTests(HttpTestCase):
    """A gateway in front of a service that calls another one."""

    skip = WITHOUT_EXTRA  # the application uses it
    config = (
        '[log]\naccess = "all"\n'
        '[services.shop]\napp = "traced:shop"\n[services.bank]\napp = "traced:bank"\n'
        '[http]\nlisten = ["tcp:0:interface=127.0.0.1"]\nmounts = { "/shop" = "shop:/" }\ntoken = "off"\n'
        # Spans need not arrive anywhere.
        '[tracing]\nexporter = "otlp"\nsample = 1.0\ninterval = 3600.0\nflush_timeout = 0.1\n'
    )

    def lines(self, *options: str) -> list[dict[str, Any]]:
        """What the command shows of the request."""
        found = self.command("logs", "--request", _NAME, "--json", *options).out
        return [json.loads(line) for line in found.splitlines()]

    def test_chain(self) -> None:
        """``unixsvc logs --request`` shows the lines of all services by time; they are one trace."""
        self.serve()
        for number in range(5):  # others at the same time
            self.fetch("GET", f"/shop/buy/{number}", headers={"X-Request-Id": f"other-{number}"})
        response = self.fetch("GET", "/shop/buy/7", headers={"X-Request-Id": _NAME})
        self.assertEqual((response.code, response.data), (200, [7, None]))
        self.eventually(lambda: len(self.lines()) >= 5)
        found = self.lines()
        shown = [(each["namespace"], each.get("fields", {}).get("code"), each["message"]) for each in found]
        self.assertEqual(
            shown,
            [
                ("shop[1]", None, "bought"),
                ("bank[1]", None, "looked up"),
                ("bank[1]", 200, "request"),
                ("shop[1]", 200, "request"),
                ("http[1]", 200, "request"),
            ],
        )
        times = [each["time"] for each in found]
        self.assertEqual(times, sorted(times))
        self.assertEqual(len({each["trace_id"] for each in found}), 1)
        # The line of the bank is in a span of its own within that of the request.
        self.assertEqual(len({each["span_id"] for each in found}), 4)
        text = self.command("logs", "--request", _NAME).out
        self.assertEqual(text.count(f"[{_NAME}]"), 5)
        self.assertNotIn("other-", text)
