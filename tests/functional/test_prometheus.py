"""The metrics of a real orchestrator, and a real Prometheus that scrapes them."""

from __future__ import annotations

import os
import signal
import socket
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Final

from prometheus_client.openmetrics import parser

from tests.functional.orchestrator_process import OrchestratorProcess, OrchestratorTestCase

_ACCEPT: Final = "application/openmetrics-text; version=1.0.0"
_FREE: Final = "tcp:0:interface=127.0.0.1"


class MetricsTestCase(OrchestratorTestCase):
    """An orchestrator that serves metrics.

    :cvar more: further keys of ``[metrics]``.
    """

    config = f'[services.metered]\napp = "metered:app"\nworkers = 2\n[metrics]\nlisten = "{_FREE}"\n'

    def address_of(self, running: OrchestratorProcess) -> str:
        """Where it serves metrics."""
        message = running.until("listens on http://", times=1)["message"]
        return str(message).partition("http://")[2]

    def scrape(self, address: str, token: str = "") -> dict[str, float]:
        """The value of each sample by its name and its labels, which OpenMetrics' parser has accepted."""
        fields = {"Accept": _ACCEPT} | ({"Authorization": f"Bearer {token}"} if token else {})
        request = urllib.request.Request(f"http://{address}/metrics", headers=fields)
        with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310  # it is http
            self.assertEqual(response.headers["content-type"], f"{_ACCEPT}; charset=utf-8")
            text = response.read().decode()
        families = parser.text_string_to_metric_families(text)
        return {_name_of(sample): sample.value for family in families for sample in family.samples}


def _name_of(sample: Any) -> str:
    labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
    return f"{sample.name}{{{labels}}}"


class MetricsTests(MetricsTestCase):
    """Counters over deaths and reloads, and the endpoint over changes of the configuration."""

    def test_counters(self) -> None:
        """Counters never go back: neither when workers are killed nor at a reload."""
        running = self.start()
        address = self.address_of(running)
        for _ in range(20):
            self.ask("metered", "/order/pen")
        orders = "metered_orders_total{kind=pen,service=metered}"
        requests = "unixsvc_requests_total{code=200,method=GET,route=/order/{kind},service=metered}"
        size = "metered_size_bytes_count{service=metered}"
        before = self.scrape(address)
        self.assertEqual([before[each] for each in (orders, requests, size)], [20, 20, 20])
        for pid in self.worker_pids("metered"):
            os.kill(pid, signal.SIGKILL)
        running.until("is ready", times=4)
        found = self.scrape(address)
        self.assertEqual([found[each] for each in (orders, requests, size)], [20, 20, 20])
        self.assertEqual(found["unixsvc_worker_exits_total{reason=crash,service=metered}"], 2)
        cpu = "unixsvc_worker_cpu_seconds_total{service=metered}"
        self.assertGreaterEqual(found[cpu], before[cpu])
        # What workers have counted since the last scrape is reported when they drain.
        for _ in range(5):
            self.ask("metered", "/order/pen")
        self.assertDone("reload")
        found = self.scrape(address)
        self.assertEqual([found[each] for each in (orders, requests, size)], [25, 25, 25])
        self.assertEqual(found["unixsvc_worker_exits_total{reason=reload,service=metered}"], 2)

    def test_gauges(self) -> None:
        """Gauges follow the configured rule."""
        self.configure(self.config + 'gauges = { metered_pid = "worker" }\n')
        address = self.address_of(self.start())
        pids = {self.ask("metered", "/order/pen") for _ in range(20)}
        found = self.scrape(address)
        values = {found[f"metered_pid{{service=metered,worker={slot}}}"] for slot in (1, 2)}
        self.assertEqual(values - {0}, pids)

    def test_reload(self) -> None:
        """A reload adds, moves and removes the endpoint; the token and the buckets change with it."""
        services = self.config.partition("[metrics]")[0]
        self.configure(services)
        running = self.start()
        self.configure(self.config)
        self.assertDone("reload")
        address = self.address_of(running)
        self.scrape(address)
        Path(self.folder, "secret").write_text("a token\n")
        self.configure(self.config + 'token_file = "secret"\nbuckets = [1]\n')
        self.assertDone("reload")
        refused = self.assertRaises(urllib.error.HTTPError, self.scrape, address)
        self.assertEqual(refused.code, 401)
        refused.close()
        self.ask("metered", "/order/pen")
        found = self.scrape(address, "a token")
        route = "method=GET,route=/order/{kind},service=metered"
        ends = [each for each in found if each.startswith("unixsvc_request_duration_seconds_bucket")]
        self.assertEqual({each.partition(",")[0].rpartition("=")[2] for each in ends}, {"1.0", "+Inf"})
        self.assertEqual(found[f"unixsvc_request_duration_seconds_count{{{route}}}"], 1)
        self.configure(services)
        self.assertDone("reload")
        self.assertRaises(urllib.error.URLError, self.scrape, address)

    def test_address_taken(self) -> None:
        """An address that is taken is one clear line: a start is refused, and a reload changes nothing."""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            other = self.config.replace(_FREE, f"tcp:{port}:interface=127.0.0.1")
            self.configure(other)
            refused = self.start(ready=False)
            self.assertNotEqual(refused.wait(), 0)
            line = f"http://127.0.0.1:{port}: cannot be bound: Address already in use; choose another with"
            self.assertIn(f"{line} [metrics]", refused.errors)
            self.assertEqual(refused.errors.count("\n"), 1)
            self.configure(self.config)
            address = self.address_of(self.start())
            self.configure(other)
            self.assertRefuses(4, ["reload"], "cannot be bound", "[metrics]")
            self.scrape(address)

    def test_unix(self) -> None:
        """The endpoint can be a Unix socket, which is removed at the end."""
        self.configure(self.config.replace(_FREE, "unix:m.sock"))
        running = self.start()
        path = Path(self.folder, "m.sock")
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            client.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            with client.makefile() as file:
                self.assertIn("200 OK", file.readline())
                self.assertIn('unixsvc_service_up{service="metered"} 1\n', file.read())
        running.interrupt()
        running.wait()
        self.assertFalse(path.exists())
