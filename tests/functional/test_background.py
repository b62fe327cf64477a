"""Background work, tasks, and failures that nothing awaits, in real workers."""

from __future__ import annotations

from pathlib import Path

from tests.functional.orchestrator_process import OrchestratorTestCase


class BackgroundTests(OrchestratorTestCase):
    """The application ``busy``."""

    config = '[services.busy]\napp = "busy:app"\nworkers = 1\n'

    def test_drain(self) -> None:
        """A worker that drains waits for background work, and ends its endless tasks."""
        running = self.start()
        with self.talk("busy") as talk:
            self.assertEqual(talk.ask(id=1, path="/start")["data"], "started")
        running.interrupt()
        self.assertEqual(running.wait(), 0)
        done = Path(self.folder, "done").read_text().splitlines()
        self.assertEqual(sorted(done), ["consumer ended", "coroutine", "function"])

    def test_failures(self) -> None:
        """Failures are logged at once, with traceback and request id, and counted in the status."""
        running = self.start()
        self.ask("busy", "/fail", meta={"request_id": "r7"})
        event = running.until("the task _fail failed")
        self.assertEqual(event["request_id"], "r7")
        self.assertIn("OSError: background work", event["traceback"])
        self.ask("busy", "/forget", meta={"request_id": "r8"})
        for words, error in (
            ("a Deferred has failed", "OSError: forgotten Deferred"),
            ("Task exception was never retrieved", "OSError: forgotten task"),
        ):
            event = running.until(words)
            self.assertIn(error, event["traceback"])
            self.assertEqual(event.get("request_id"), "r8", (words, event))
        self.eventually(lambda: self.status("busy")["tasks"].get("_fail", {}).get("failed") == 1)
        self.assertEqual(self.status("busy")["tasks"]["Busy.consume"]["running"], 1)
