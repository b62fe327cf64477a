"""The table ``[dashboard]``."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.config.dashboard import Dashboard
from unixsvc.config.dashboard_table import resolve_dashboard
from unixsvc.errors import ConfigError


class TraceLinkTests(SynchronousTestCase):
    """The address of a trace."""

    def check(self, link: str) -> None:
        """Check a table with it."""
        table = Dashboard(listen="tcp:8090:interface=127.0.0.1", trace_link=link)
        self.assertEqual(resolve_dashboard(table, "unixsvc.toml", "/srv").trace_link, link)

    def test_addresses(self) -> None:
        """The id is in the path, the query, or the fragment of an address over HTTP."""
        for link in (
            "",
            "http://jaeger:16686/trace/{trace_id}",
            "https://[::1]/x?id={trace_id}&a=b",
            "https://grafana/explore#{trace_id}",
            "https://grafana/explore?left=%7B%22query%22:%22{trace_id}%22%7D",
        ):
            self.check(link)

    def test_wrong(self) -> None:
        """Whatever runs code, leads to a host that the id chooses, or has a password, is refused."""
        for link in (
            "javascript:alert(1)//{trace_id}",
            "data:text/html,{trace_id}",
            "//jaeger/{trace_id}",
            "http://{trace_id}/",
            "http://jaeger.{trace_id}/",
            "http:///{trace_id}",
            "http://user:secret@jaeger/{trace_id}",
            "http://jaeger/{trace_id}/{trace_id}",
            "http://jaeger/{trace_id}/{span_id}",
            "http://jaeger/{other}{trace_id}",
            "http://jaeger/trace",
            "http://jaeger/a b/{trace_id}",
            "http://jaeger/{trace_id}\n",
            "http://jäger/{trace_id}",
        ):
            error = self.assertRaises(ConfigError, self.check, link)
            self.assertIn("dashboard.trace_link", str(error))
