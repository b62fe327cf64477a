"""The definition of rate limits."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from unixsvc import RateLimit
from unixsvc.errors import ConfigError
from unixsvc.limiting.rate_limit import Rate, parse_rate


class RateLimitTests(SynchronousTestCase):
    """What a limit may be."""

    def test_rates(self) -> None:
        """A rate is a number in a second, minute, hour or day, or in a duration."""
        for text, requests, seconds in (
            ("100/minute", 100, 60.0),
            ("5/second", 5, 1.0),
            ("1/day", 1, 86_400.0),
            ("1000/hour", 1000, 3600.0),
            ("20/10s", 20, 10.0),
            ("3/1h30m", 3, 5400.0),
            ("1000000/second", 1_000_000, 1.0),
        ):
            self.assertEqual(parse_rate(text, "here"), Rate(requests, seconds))

    def test_wrong_rates(self) -> None:
        """Anything else is an error that says what to write."""
        wrong = ["", "100", "0/second", "-1/second", "1/week", "1.5/second", "1/0s", "x/minute"]
        for text in wrong:
            error = self.assertRaises(ConfigError, RateLimit, text)
            self.assertIn("RateLimit(", str(error))
            self.assertRegex(str(error), "100/minute|choose at most|is no duration")

    def test_out_of_range(self) -> None:
        """More than a million requests in a second, and more than a year, are refused."""
        for text in ("1000001/second", "1001/1ms", "1/367d"):
            self.assertIn("out of range", str(self.assertRaises(ConfigError, RateLimit, text)))

    def test_wrong_options(self) -> None:
        """A wrong burst, key or name is an error."""
        wrong: list[dict[str, Any]] = [
            {"burst": -1},
            {"burst": 10**9},
            {"per": "host"},
            {"per": 7},
            {"name": 'a"b'},
            {"name": ""},
            {"name": "a\r\nSet-Cookie: b"},
        ]
        for options in wrong:
            self.assertRaises(ConfigError, RateLimit, "1/second", **options)

    def test_options(self) -> None:
        """A burst, any kind of key, and a name can be chosen."""
        for per in ("caller", "user", "token", "uid", "address", "route"):
            self.assertEqual(RateLimit("5/second", burst=7, per=per).per, per)
        self.assertTrue(callable(RateLimit("5/second", per=lambda request: request.path, name="a.b").per))
