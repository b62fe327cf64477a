"""``/-/live``, ``/-/ready`` and ``unixsvc health`` of real processes."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import threading
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

from tests.functional.http_stack import HttpTestCase, Response
from tests.functional.orchestrator_process import OrchestratorTestCase

_TIMEOUT = 30.0  # seconds; only reached if something is broken
_POLL = 0.02  # seconds between two probes


class DependencyTests(HttpTestCase):
    """A gateway whose application needs a file, and that mounts a service."""

    config = """
        [services.codes]
        app = "codes:app"
        [http]
        app = "probed:app"
        listen = ["tcp:0:interface=127.0.0.1"]
        mounts = { "/codes" = "codes:/" }
        ready_timeout = 5
    """

    def setUp(self) -> None:
        """Make the file, and start."""
        super().setUp()
        self.database = Path(self.folder, "database")
        self.database.touch()
        self.running = self.serve()

    def ready(self, *, token: bool = False) -> Response:
        """A probe."""
        return self.fetch("GET", "/-/ready", token=token)

    def states(self) -> dict[str, str]:
        """The states of the dependencies."""
        return {each["name"]: each["state"] for each in self.ready(token=True).data["dependencies"]}

    def checks(self) -> int:
        """How often the mounted service was asked whether it is live."""
        counts = self.ask("codes", "/-/stats")["probes"].get("/-/live", {})
        return sum(counts.values())

    def test_goes_and_comes_back(self) -> None:
        """A dependency that is missing makes the gateway unready until it is back; no worker is replaced."""
        self.assertEqual((self.ready().code, self.ready().data), (200, {"state": "ready"}))
        self.assertEqual(self.fetch("HEAD", "/-/ready").code, 200)
        pids = self.worker_pids("http")
        self.database.unlink()
        self.eventually(lambda: self.ready().code == 503)
        response = self.ready()
        self.assertEqual(response.headers["retry-after"], "1")
        self.assertNotIn(b"database", response.body.lower())
        self.assertEqual(self.states(), {"probed.Database": "failed", "service:codes": "ok"})
        self.assertEqual(self.fetch("GET", "/-/live", token=False).data, {"state": "live"})
        self.assertRefuses(5, ["health", "--ready"], "not ready: http: http://", "503 Service Unavailable")
        self.database.touch()
        self.eventually(lambda: self.ready().code == 200)
        self.assertEqual(self.worker_pids("http"), pids)
        outcome = self.command("health", "--ready")
        self.assertEqual((outcome.code, outcome.out, outcome.err), (0, "ready: codes, http\n", ""))

    def test_mounted(self) -> None:
        """A mounted service that is stopped makes the gateway unready; the gateway stays live."""
        self.assertDone("stop", "codes")
        self.eventually(lambda: self.ready().code == 503)
        self.assertEqual(self.states(), {"probed.Database": "ok", "service:codes": "failed"})
        self.assertEqual(self.command("health", "--live", "http").out, "live: http\n")
        self.assertDone("start", "codes")
        self.eventually(lambda: self.ready().code == 200)

    def test_socket(self) -> None:
        """Services on sockets answer as well, and a service without dependencies is ready."""
        self.assertEqual(self.ask("codes", "/-/ready"), {"state": "ready", "dependencies": []})
        self.assertEqual(self.ask("codes", "/-/live"), {"state": "live"})
        self.assertEqual(self.command("health", "--ready", "codes").out, "ready: codes\n")

    def test_many_probes(self) -> None:
        """Many probes are one check a second of each worker: the mounted service gets no request for each."""
        connection = self.connect()
        before = self.checks()
        started = time.monotonic()
        for _ in range(300):
            self.fetch("GET", "/-/ready", token=False, connection=connection)
        seconds = time.monotonic() - started
        asked = self.checks() - before
        self.assertLessEqual(asked, seconds + 2)  # the first one, and one that ran

    def test_orchestrator_hangs(self) -> None:
        """The orchestrator is not live while it is suspended; workers go on."""
        self.assertEqual(self.command("health", "--live").out, "live\n")
        pid = self.running.process.pid
        os.kill(pid, signal.SIGSTOP)
        try:
            self.assertRefuses(5, ["health", "--live", "--timeout", "0.5"], "no answer within 0.5 s")
            self.assertEqual(self.ready().code, 200)
        finally:
            os.kill(pid, signal.SIGCONT)


class FiguresTests(HttpTestCase):
    """What is counted and logged of health checks."""

    config = """
        [log]
        access = "all"
        [services.codes]
        app = "codes:app"
        [http]
        app = "probed:app"
        listen = ["tcp:0:interface=127.0.0.1"]
        mounts = { "/codes" = "codes:/" }
        [metrics]
        listen = "unix:metrics.sock"
    """

    def samples(self) -> list[str]:
        """The metrics."""
        with closing(http.client.HTTPConnection("localhost", timeout=_TIMEOUT)) as connection:
            connection.sock = socket.socket(socket.AF_UNIX)
            connection.sock.connect(os.path.join(self.folder, "metrics.sock"))
            connection.request("GET", "/metrics", headers={"Host": "localhost"})
            return connection.getresponse().read().decode().splitlines()

    def test_no_requests(self) -> None:
        """Probes are in no view of the requests, but counted by path and code, over the death of a worker."""
        database = Path(self.folder, "database")
        database.touch()
        running = self.serve()
        database.unlink()
        self.eventually(lambda: self.fetch("GET", "/-/ready", token=False).code == 503)
        failed = sum(self.fetch("GET", "/-/ready", token=False).code == 503 for _ in range(20)) + 1
        self.assertEqual(failed, 21)
        self.assertRefuses(5, ["health", "--ready"], "not ready")
        database.touch()
        self.assertEqual(self.fetch("GET", "/pid").code, 200)
        [pid] = self.worker_pids("http")
        os.kill(pid, signal.SIGKILL)
        self.eventually(lambda: self.worker_pids("http") not in ([], [pid]))
        status = json.loads(self.command("status", "--json").out)
        self.assertEqual([(each["requests"], each["errors"]) for each in status.values()], [(0, 0), (1, 0)])
        self.assertEqual(status["http"]["probes"]["/-/ready"]["503"], failed + 1)
        self.assertEqual([*status["codes"]["probes"]], ["/-/live", "/-/ready"])
        top = json.loads(self.command("top", "--json", "--interval", "0.1").out)
        self.assertEqual([[*each["routes"]] for each in top.values()], [[], ["GET /pid"]])
        samples = self.samples()
        self.assertIn(
            f'unixsvc_probes_total{{service="http",path="/-/ready",code="503"}} {failed + 1}', samples
        )
        counted = [each for each in samples if each.startswith(("unixsvc_request", "unixsvc_caller"))]
        self.assertNotIn("/-/", "".join(counted))
        self.assertEqual([each for each in counted if "errors" in each and not each.endswith(" 0")], [])
        logged = [each["fields"]["path"] for each in running.logged("unixsvc.access")]
        self.assertEqual([each for each in logged if each in ("/-/live", "/-/ready", "/-/health")], [])


class Balancer:
    """A load balancer over Unix sockets: it polls, and sends each request to the first that is ready.

    :param paths: of the sockets.
    :ivar answers: how many requests each has answered, by the number of its path.
    :ivar failures: requests that have failed.
    :ivar seen: the results of the probes of the first, without repetitions.
    """

    def __init__(self, paths: list[str]) -> None:
        self._paths = paths
        self.answers: Counter[int] = Counter()
        self.failures: list[str] = []
        self.seen: list[int | str] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def end(self) -> None:
        """Stop."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(_POLL):
            probes = [self._request(path, "/-/ready") for path in self._paths]
            if self.seen[-1:] != [probes[0]]:
                self.seen.append(probes[0])
            if 200 in probes:
                chosen = probes.index(200)
                time.sleep(_POLL)  # between a probe and the next request something may happen
                found = self._request(self._paths[chosen], "/pid")
                self.answers[chosen] += found == 200
                if found != 200:
                    self.failures.append(f"{chosen}: {found}")

    def _request(self, path: str, target: str) -> int | str:
        with closing(http.client.HTTPConnection("localhost", timeout=_TIMEOUT)) as connection:
            try:
                connection.sock = socket.socket(socket.AF_UNIX)
                connection.sock.connect(path)
                connection.request("GET", target)
                return connection.getresponse().status
            except (OSError, http.client.HTTPException) as error:
                return type(error).__name__


class DrainTests(OrchestratorTestCase):
    """Two gateways behind a load balancer."""

    config = """
        [http.first]
        app = "probed:app"
        listen = ["unix:first.sock"]
        drain_delay = 2
        [http.second]
        app = "probed:app"
        listen = ["unix:second.sock"]
    """

    def setUp(self) -> None:
        """Make the file of the application, and start."""
        super().setUp()
        Path(self.folder, "database").touch()
        self.start()

    def test_no_request_lost(self) -> None:
        """The balancer sees that a gateway will stop before that refuses connections."""
        balancer = Balancer([os.path.join(self.folder, f"{name}.sock") for name in ("first", "second")])
        self.addCleanup(balancer.end)
        self.eventually(lambda: balancer.answers[0] > 5)
        self.assertDone("stop", "http-first")
        self.eventually(lambda: balancer.answers[1] > 5)
        balancer.end()
        self.assertEqual(balancer.failures, [])
        self.assertEqual(balancer.seen, [200, 503, "FileNotFoundError"])

    def test_reload(self) -> None:
        """A reload neither waits, nor makes the service unready."""
        balancer = Balancer([os.path.join(self.folder, "first.sock")])
        self.addCleanup(balancer.end)
        self.eventually(lambda: balancer.answers[0] > 5)
        self.assertDone("reload", "http-first")
        balancer.end()
        self.assertEqual((balancer.seen, balancer.failures), ([200], []))
