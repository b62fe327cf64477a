"""The table ``[tracing]``."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.config.tracing import Tracing, check_tracing
from unixsvc.errors import ConfigError


class TracingTests(SynchronousTestCase):
    def test_defaults(self) -> None:
        """There are no traces by default, and the other defaults are valid."""
        self.assertEqual(Tracing().exporter, "off")
        check_tracing(Tracing(), "unixsvc.toml")

    def test_endpoint(self) -> None:
        """An endpoint is the URL of a path."""
        for valid in ("https://collector.example/v1/traces", "http://[::1]:4318/x"):
            check_tracing(Tracing(endpoint=valid), "unixsvc.toml")
        for invalid in (
            "", "127.0.0.1:4318", "grpc://127.0.0.1:4317/x", "http://127.0.0.1:4318", "http://127.0.0.1:4318/",
            "http://:4318/x", "http://u:p@collector/x", "http://collector:99999/x", "http://collector/x?key=1",
        ):  # fmt: skip
            error = self.assertRaises(ConfigError, check_tracing, Tracing(endpoint=invalid), "unixsvc.toml")
            self.assertIn("unixsvc.toml: tracing.endpoint", str(error))

    def test_headers(self) -> None:
        """A header field has no line ends."""
        check_tracing(Tracing(headers={"Authorization": "Bearer x"}), "unixsvc.toml")
        for name, value in (("A\n", "x"), ("", "x"), ("A", "x\r\nB: y"), ("A", "é")):
            self.assertRaises(ConfigError, check_tracing, Tracing(headers={name: value}), "unixsvc.toml")
