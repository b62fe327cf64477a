"""All views show the same figures, to the request: also over killed workers and a reload."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
from collections import Counter
from http.client import HTTPConnection
from typing import Any, Final

from tests.functional.cli_process import outcome_of, start_command
from tests.functional.orchestrator_process import OrchestratorProcess, OrchestratorTestCase
from unixsvc.blocking import Client
from unixsvc.errors import Internal

_BATCHES: Final = 20
_REQUESTS: Final = 500  # of a batch
_FAILING: Final = 137  # of all
_ROUTES: Final = {"GET /item/{id:int}": (200, "/item/7"), "GET /fail": (500, "/fail")}


class FiguresTests(OrchestratorTestCase):
    """A service with three workers; each view is read, and has the same counts of replies by code."""

    config = """
        [log]
        access = "all"
        [services.codes]
        app = "codes:app"
        workers = 3
        [dashboard]
        listen = "tcp:0:interface=127.0.0.1"
        [metrics]
        listen = "tcp:0:interface=127.0.0.1"
    """

    def setUp(self) -> None:
        """Start it."""
        super().setUp()
        self.running = self.start()

    def client(self, **options: Any) -> Client:
        """A client."""
        options = {"socket_dir": f"{self.folder}/run", "token": self.token()} | options
        client = Client("codes", **options)
        self.addCleanup(client.close)
        return client

    def send(self, client: Client, path: str, count: int) -> None:
        """Send requests, of which each gets its reply."""
        for _ in range(count):
            if path == "/fail":
                self.assertRaises(Internal, client.get, path)
            else:
                client.get(path)

    def kill_one(self) -> None:
        """Kill a worker, and wait for the next one."""
        before = self.worker_pids()
        os.kill(before[0], signal.SIGKILL)
        self.eventually(lambda: len(set(self.worker_pids()) - {before[0]}) == 3)

    def views(self) -> dict[str, dict[int, int]]:
        """The replies by code in each view that tells codes; the two codes are those of different routes."""
        path = "/metrics"
        found = {
            "the control API": self._by_code(self.ask("orchestrator", path)["codes"]["metrics"]["series"])
        }
        top = json.loads(self.command("top", "--json", "--interval", "0.1").out)["codes"]["routes"]
        found["top"] = {code: top[route]["requests"] for route, (code, _) in _ROUTES.items() if route in top}
        found["Prometheus"] = self._prometheus()
        page = self._page()["services"]["codes"]
        found["the page"] = {int(code): count for code, count in page["total"]["codes"].items()}
        return found

    def totals(self) -> dict[str, tuple[int, int]]:
        """Requests and errors in each view."""
        status = json.loads(self.command("status", "--json").out)["codes"]
        top = json.loads(self.command("top", "--json", "--interval", "0.1").out)["codes"]
        page = self._page()["services"]["codes"]["total"]
        return {
            name: (each["requests"], each["errors"])
            for name, each in (("status", status), ("top", top), ("the page", page))
        }

    def accesses(self, running: OrchestratorProcess) -> Counter[int]:
        """The lines of the access log by code, without those of the workers' own health checks."""
        lines = [each for each in running.logged("request") if each.get("logger") == "unixsvc.access"]
        return Counter(each["fields"]["code"] for each in lines if each["fields"]["route"] in _ROUTES)

    def _by_code(self, series: dict[str, Any]) -> dict[int, int]:
        counts: Counter[int] = Counter()
        for by_caller in series.values():
            for each in by_caller.values():
                counts.update({int(code): count for code, count in each["codes"].items()})
        return dict(counts)

    def _page(self) -> Any:
        return json.loads(self._get("dashboard", "/snapshot"))

    def _prometheus(self) -> dict[int, int]:
        text = self._get("metrics", "/metrics")
        samples = re.findall(r"^unixsvc_requests_total\{(.*)\} (\S+)$", text, re.MULTILINE)
        counts: Counter[int] = Counter()
        for labels, value in samples:
            code = re.search(r'code="(\d+)"', labels)
            if code is not None and 'service="codes"' in labels:
                counts[int(code[1])] += int(float(value))
        return dict(counts)

    def _get(self, server: str, path: str) -> str:
        """The reply of a server of the orchestrator."""
        events = {each["namespace"]: each["message"] for each in self.running.logged("listens on http://")}
        host, _, port = events[server].partition("http://")[2].partition(":")
        connection = HTTPConnection(host, int(port.split()[0]), timeout=30)
        self.addCleanup(connection.close)
        connection.request("GET", path)
        response = connection.getresponse()
        self.assertEqual(response.status, 200)
        return response.read().decode()

    def assertAgree(self, succeeded: int, failed: int) -> None:
        """Each view has these counts."""
        self.eventually(lambda: self.accesses(self.running).total() >= succeeded + failed)
        views = self.views() | {"the access log": dict(self.accesses(self.running))}
        self.assertEqual(views, {name: {200: succeeded, 500: failed} for name in views})
        totals = self.totals()
        self.assertEqual(totals, dict.fromkeys(totals, (succeeded + failed, failed)))

    def test_killed_between(self) -> None:
        """10,000 requests of which 137 fail, with a reload; three workers are killed while they are idle."""
        client, fails = self.client(), _FAILING
        for batch in range(_BATCHES):
            failing = min(fails, 7)
            fails -= failing
            self.send(client, "/fail", failing)
            reload = start_command(self.folder, "reload", "codes") if batch == 12 else None
            self.send(client, "/item/7", _REQUESTS - failing)
            if reload is not None:
                self.assertEqual(outcome_of(reload).code, 0)
            if batch in (3, 8, 16):
                self.kill_one()
        self.assertEqual(fails, 0)
        self.assertAgree(_BATCHES * _REQUESTS - _FAILING, _FAILING)

    def test_killed_under_load(self) -> None:
        """Workers that are killed at work: the views agree, and count each reply that a client has got.

        What a worker has counted, but not sent, may be requested again: at most one for each of the
        connections that had a request in flight.
        """
        clients, batches, kills = 4, 3, 3
        threads = [
            threading.Thread(target=self.send, args=(self.client(), "/item/7", batches * _REQUESTS))
            for _ in range(clients)
        ]
        for each in threads:
            each.start()
        for _ in range(kills):
            self.kill_one()
        for each in threads:
            each.join()
        self.send(self.client(), "/fail", _FAILING)
        received = clients * batches * _REQUESTS
        counted = json.loads(self.command("status", "--json").out)["codes"]["requests"] - _FAILING
        self.assertTrue(received <= counted <= received + clients * kills, (received, counted))
        self.assertAgree(counted, _FAILING)
