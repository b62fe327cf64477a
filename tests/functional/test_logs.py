"""``unixsvc logs`` with a real orchestrator."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from typing import Any

from tests.functional.cli_process import start_command
from tests.functional.orchestrator_process import OrchestratorTestCase


class Follower:
    """A ``unixsvc logs -f`` whose output is read.

    :ivar events: those so far.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.events: list[dict[str, Any]] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def found(self, text: str) -> list[dict[str, Any]]:
        """The events with a text."""
        return [each for each in list(self.events) if text in each["message"]]

    def end(self) -> None:
        """Interrupt it, and read the rest."""
        self.process.send_signal(signal.SIGINT)
        self._reader.join(30)
        self.process.communicate()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.events.append(json.loads(line))


class LogsTests(OrchestratorTestCase):
    """What a reader gets."""

    config = (
        '[log]\naccess = "all"\nfile = "server.log"\nring_bytes = 20000\n'
        '[services.flooding]\napp = "flooding:app"\n[services.codes]\napp = "codes:app"\n'
    )

    def start(self, *arguments: str, ready: bool = True, **options: Any) -> Any:
        """Start; the log is in a file, so that the socket says when all is ready."""
        running = super().start(*arguments, ready=False, **options)
        self.eventually(lambda: os.path.exists(self.path("orchestrator")))
        self.eventually(lambda: self.worker_pids("codes") and self.worker_pids("flooding"))
        return running

    def follow(self, *arguments: str) -> Follower:
        """Follow the log. The last events come first, so it does not matter when it is connected."""
        follower = Follower(start_command(self.folder, "logs", "-f", "--json", *arguments))
        self.addCleanup(follower.end)
        return follower

    def test_follow(self) -> None:
        """A follower gets the events over a reload and a killed worker, once each."""
        running = self.start()
        follower = self.follow()
        self.ask("codes", "/-/ping", meta={"request_id": "before"})
        self.eventually(lambda: [each for each in follower.events if each.get("request_id") == "before"])
        (pid,) = self.worker_pids("codes")
        os.kill(pid, signal.SIGKILL)
        self.eventually(lambda: self.worker_pids("codes") not in ([], [pid]))
        running.signal(signal.SIGHUP)
        self.eventually(lambda: follower.found("reloaded all services"))
        self.assertEqual(len(follower.found("was killed by signal 9")), 1)
        self.ask("codes", "/-/ping", meta={"request_id": "after"})
        self.eventually(lambda: [each for each in follower.events if each.get("request_id") == "after"])
        ids = [each.get("request_id") for each in follower.events]
        self.assertEqual((ids.count("before"), ids.count("after")), (1, 1))

    def test_printed(self) -> None:
        """What a worker prints, or a library writes to its descriptors, is there under the worker's name."""
        self.start()
        with self.talk("flooding") as talk:
            self.assertEqual(talk.ask(id=1, path="/arrow")["code"], 500)
        self.eventually(lambda: "printed" in self.command("logs", "flooding", "--json").out)
        events = [json.loads(line) for line in self.command("logs", "flooding", "--json").out.splitlines()]
        self.assertEqual(
            {each["namespace"] for each in events if "printed" in each["message"]}, {"flooding[1]"}
        )

    def test_levels(self) -> None:
        """The level of a service or a route changes at once in its workers, and only there."""
        self.start()

        def asked(path: str, request_id: str) -> bool:
            self.ask("codes", path, meta={"request_id": request_id})
            self.ask("codes", "/-/stats", meta={"request_id": f"end-{request_id}"})
            self.eventually(lambda: self.command("logs", "--request", f"end-{request_id}").out)
            return bool(self.command("logs", "--request", request_id).out)

        (pid,) = self.worker_pids("codes")
        self.assertTrue(asked("/-/ping", "r1"))
        self.assertDone("log-level", "error", "--route", "GET /-/ping")
        self.assertFalse(asked("/-/ping", "r2"))
        self.assertDone("log-level", "default", "--route", "GET /-/ping")
        self.assertTrue(asked("/-/ping", "r3"))
        self.assertDone("log-level", "error", "--service", "codes")
        self.assertDone("log-level", "info", "--route", "/-/stats")
        self.assertFalse(asked("/-/ping", "r4"))
        self.assertDone("log-level", "default")
        self.assertTrue(asked("/-/ping", "r5"))
        self.assertEqual(self.worker_pids("codes"), [pid])
        self.assertRefuses(4, ["log-level", "error", "--service", "nothing"], "nothing")
        for words in ["logs"], ["logs", "-f"], ["events"], ["events", "-f"]:
            self.assertRefuses(4, [*words, "nothing"], "there is no service 'nothing'")

    def test_filter_and_file(self) -> None:
        """Events of one request, or level, are found; with --since also in the file, once each."""
        self.start()
        self.ask("codes", "/-/ping", meta={"request_id": "wanted"})
        self.eventually(lambda: "wanted" in self.command("logs", "--request", "wanted", "--json").out)
        lines = self.command("logs", "--request", "wanted", "--json").out.splitlines()
        self.assertEqual([json.loads(line)["namespace"] for line in lines], ["codes[1]"])
        self.assertEqual(self.command("logs", "codes", "--level", "error").out, "")
        for number in range(300):
            self.ask("codes", "/-/ping", meta={"request_id": f"later{number}"})
        self.eventually(lambda: "later299" in self.command("logs", "--json").out)
        self.assertEqual(self.command("logs", "--request", "wanted").out, "")
        found = self.command("logs", "--request", "wanted", "--since", "10m").out
        self.assertEqual(found.count("\n"), 1, found)
        found = self.command("logs", "codes", "--since", "10m").out
        for number in range(300):
            self.assertEqual(found.count(f"[later{number}]"), 1, number)
