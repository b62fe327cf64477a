"""The access log of a real orchestrator."""

from __future__ import annotations

import os
import signal
from functools import partial
from typing import Any

from tests.functional.orchestrator_process import OrchestratorProcess, OrchestratorTestCase

_ASKED = 300


class AccessLogTests(OrchestratorTestCase):
    """Each request whose reply a client has got is in the log."""

    config = '[log]\naccess = "all"\n[services.codes]\napp = "codes:app"\n'

    def accesses(self, running: OrchestratorProcess) -> list[dict[str, Any]]:
        """The events."""
        return [each for each in running.logged("request") if each.get("logger") == "unixsvc.access"]

    def find(self, running: OrchestratorProcess, request_id: str) -> list[dict[str, Any]]:
        """The events of one request."""
        return [each for each in self.accesses(running) if each["request_id"] == request_id]

    def test_killed(self) -> None:
        """Also if the worker is killed at that moment, and in the order of the replies."""
        running = self.start()
        ids = []
        for kill in range(3):
            (pid,) = self.worker_pids()
            with self.talk() as talk:
                for number in range(_ASKED):
                    ids.append(f"r{kill}-{number}")
                    talk.ask(id=number, path="/-/ping", meta={"request_id": ids[-1]})
                os.kill(pid, signal.SIGKILL)
            self.eventually(partial(self._is_replaced, pid))
        running.signal(signal.SIGTERM)
        self.assertEqual(running.wait(), 0)
        found = [each["request_id"] for each in self.accesses(running)]
        self.assertEqual([each for each in found if each in set(ids)], ids)

    def _is_replaced(self, pid: int) -> bool:
        return self.worker_pids() not in ([], [pid])

    def test_fields(self) -> None:
        """An event has service, worker, route, code, duration, size, caller and request id."""
        running = self.start()
        with self.talk() as talk:
            talk.ask(id=1, path="/-/ping?secret=7", meta={"request_id": "r1"})
        self.eventually(lambda: self.find(running, "r1"))
        (event,) = self.find(running, "r1")
        fields = event["fields"]
        self.assertEqual((event["namespace"], event["request_id"]), ("codes[1]", "r1"))
        self.assertEqual((fields["service"], fields["worker"], fields["code"]), ("codes", 1, 200))
        self.assertEqual((fields["route"], fields["path"]), ("GET /-/ping", "/-/ping"))
        self.assertEqual((fields["caller"], fields["bytes"]), (f"uid:{os.geteuid()}", 6))
        self.assertGreater(fields["ms"], 0)
