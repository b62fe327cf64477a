"""The metrics of a real orchestrator, and a real Prometheus that scrapes them."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import re
import shutil
import signal
import socket
import tempfile
import threading
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import IO, Any, Final

from prometheus_client.openmetrics import parser
from twisted.trial.unittest import SynchronousTestCase

from tests.functional.debian_packages import DebianProgram
from tests.functional.orchestrator_process import OrchestratorProcess, OrchestratorTestCase

_ACCEPT: Final = "application/openmetrics-text; version=1.0.0"
_FILES: Final = Path(__file__).parents[2] / "deploy" / "prometheus"
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

    def test_calls(self) -> None:
        """The times of calls to other services are added up over the deaths of workers."""
        running = self.start()
        address = self.address_of(running)
        count = "unixsvc_client_duration_seconds_count{service=metered,target=metered}"
        for _ in range(12):
            self.ask("metered", "/forward")
        self.assertEqual(self.scrape(address)[count], 12)
        for pid in self.worker_pids("metered"):
            os.kill(pid, signal.SIGKILL)
        running.until("is ready", times=4)
        self.ask("metered", "/forward")
        self.assertEqual(self.scrape(address)[count], 13)
        status = json.loads(self.command("status", "--json").out)["metered"]
        self.assertGreater(status["calls"]["metered"]["p99"], 0)
        self.assertGreaterEqual(status["calls"]["metered"]["p99"], status["calls"]["metered"]["p50"])

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


class PromtoolTests(SynchronousTestCase):
    """The rules of alerts, checked by the program of Prometheus for that."""

    def setUp(self) -> None:
        """Find the program, and copy the rules."""
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        self.promtool = DebianProgram("promtool", ["prometheus"], self.folder)
        for each in _FILES.glob("*.yml"):
            shutil.copy(each, self.folder)

    def run_tool(self, *arguments: str) -> tuple[int, str]:
        """Run it; its code and its output."""
        done = self.promtool.run(*arguments)
        return done.returncode, (done.stdout + done.stderr).decode()

    def test_rules(self) -> None:
        """They are valid, and fire when they have to, and else do not."""
        code, output = self.run_tool("check", "rules", f"{self.folder}/alerts.yml")
        self.assertEqual(code, 0, output)
        code, output = self.run_tool("test", "rules", f"{self.folder}/alerts_test.yml")
        self.assertEqual(code, 0, output)

    def test_wrong_rule(self) -> None:
        """Each rule is tested: without the rules, each test that expects an alert fails."""
        path = Path(self.folder, "alerts.yml")
        names = re.findall(r"alert: (\w+)", path.read_text())
        self.assertGreater(len(names), 8)
        path.write_text("groups: [{name: none, rules: []}]\n")
        code, output = self.run_tool("test", "rules", f"{self.folder}/alerts_test.yml")
        self.assertNotEqual(code, 0)
        for name in names:
            self.assertRegex(output, f"alertname: ?{name}\\b")


class PrometheusTests(MetricsTestCase):
    """A real Prometheus scrapes a real orchestrator."""

    def start_prometheus(self, target: str, *options: str) -> str:
        """Start it; its address."""
        Path(self.folder, "prometheus.yml").write_text(
            # The time limit of a scrape is the interval, and on a busy machine a scrape takes half a second.
            "global: {scrape_interval: 1s, evaluation_interval: 500ms}\n"
            f"rule_files: ['{_FILES}/alerts.yml']\n"
            f"scrape_configs: [{{job_name: unixsvc, static_configs: [{{targets: ['{target}']}}]}}]\n"
        )
        self.program = DebianProgram("prometheus", ["prometheus"], self.folder)
        process = self.program.start(
            f"--config.file={self.folder}/prometheus.yml",
            f"--storage.tsdb.path={self.folder}/data",
            "--web.listen-address=127.0.0.1:0",
            *options,
        )
        found: queue.SimpleQueue[str] = queue.SimpleQueue()
        assert process.stderr is not None
        reader = threading.Thread(target=_find_address, args=(process.stderr, found))
        reader.start()

        def end() -> None:
            process.terminate()
            process.wait(60)
            reader.join(60)
            assert process.stderr is not None
            process.stderr.close()

        self.addCleanup(end)
        return found.get(timeout=60)

    def query(self, address: str, expression: str) -> list[Any]:
        """The result of a query."""
        url = f"http://{address}/api/v1/query?{urllib.parse.urlencode({'query': expression})}"
        with urllib.request.urlopen(url, timeout=30) as response:  # it is http
            result: list[Any] = json.load(response)["data"]["result"]
        return result

    def test_dashboard(self) -> None:
        """Each query of each panel of the dashboard, and of its variables, returns data."""
        address = self.address_of(self.start())
        prometheus = self.start_prometheus(address)
        dashboard = json.loads((_FILES / "dashboard.json").read_text())
        variables = dashboard["templating"]["list"]
        self.assertEqual(variables[0]["type"], "datasource")
        queries = [each["expr"] for panel in dashboard["panels"] for each in panel.get("targets", [])]
        self.assertGreater(len(queries), 30)
        queries += [
            re.sub(r"label_values\((.*), \w+\)", r"\1", each["query"]["query"]) for each in variables[1:]
        ]
        wanted = {
            re.sub(r"\$(instance|service)", ".*", each).replace("$__rate_interval", "10s") for each in queries
        }
        for each in wanted:
            self.assertNotIn("$", each)

        def all_have_data() -> bool:
            for path in "/order/pen", "/forward", "/later":
                self.ask("metered", path)
            wanted.difference_update([each for each in wanted if self.query(prometheus, each)])
            return not wanted

        with contextlib.suppress(self.failureException):
            self.eventually(all_have_data, self.on_busy_machine(30.0))
        self.assertEqual(wanted, set())

    def test_exemplars(self) -> None:
        """From the histogram of latencies to the traces of recorded requests, by way of their ids."""
        # Spans need not arrive anywhere for that.
        self.configure(
            self.config + '[tracing]\nexporter = "otlp"\nsample = 1.0\ninterval = 3600\nflush_timeout = 0.1\n'
        )
        address = self.address_of(self.start())
        prometheus = self.start_prometheus(address, "--enable-feature=exemplar-storage")
        name = "unixsvc_request_duration_seconds_bucket"
        found: list[Any] = []

        def has_exemplars() -> bool:
            self.ask("metered", "/order/pen")
            query = urllib.parse.urlencode({"query": name, "start": "0", "end": "9999999999"})
            url = f"http://{prometheus}/api/v1/query_exemplars?{query}"
            with urllib.request.urlopen(url, timeout=30) as response:  # it is http
                found[:] = json.load(response)["data"]
            return bool(found)

        self.eventually(has_exemplars, self.on_busy_machine(30.0))
        labels = found[0]["seriesLabels"]
        self.assertEqual((labels["service"], labels["route"]), ("metered", "/order/{kind}"))
        exemplar = found[0]["exemplars"][0]
        self.assertRegex(exemplar["labels"]["trace_id"], "^[0-9a-f]{32}$")
        self.assertRegex(exemplar["labels"]["span_id"], "^[0-9a-f]{16}$")
        self.assertLessEqual(float(exemplar["value"]), float(labels["le"]))

    def test_alert(self) -> None:
        """A worker that dies again and again is an alert; the metrics pass the checks of promtool."""
        running = self.start()
        address = self.address_of(running)
        prometheus = self.start_prometheus(address)
        alert = 'ALERTS{alertname="UnixsvcWorkersDie"}'
        limit = self.on_busy_machine(30.0)
        self.eventually(lambda: self.query(prometheus, "unixsvc_worker_exits_total"), limit)
        self.assertEqual(self.query(prometheus, alert), [])
        for count in range(3, 7):
            os.kill(self.worker_pids("metered")[0], signal.SIGKILL)
            running.until("is ready", times=count)
        self.eventually(lambda: self.query(prometheus, alert), limit)
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=30) as response:  # it is http
            text = response.read()
        done = DebianProgram("promtool", ["prometheus"], self.folder).run("check", "metrics", stdin=text)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"", b""))


def _find_address(stream: IO[str], found: queue.SimpleQueue[str]) -> None:
    address = ""
    for line in stream:  # it ends with the process
        match = re.search(r'msg="Listening on" address=(\S+)', line)
        if match:
            address = match[1]
        if "Server is ready to receive web requests" in line:
            found.put(address)
