"""The log of a real orchestrator: it never blocks, and clients cannot fill it."""

from __future__ import annotations

import os
import signal

import msgspec

from tests.functional.orchestrator_process import OrchestratorTestCase
from unixsvc.telemetry.log_record import FORMATS, LogRecord

_LINES = 5_000  # of 1,000 characters, which are more than a queue and the pipes take


class EncodingTests(OrchestratorTestCase):
    """Characters that the locale lacks."""

    config = '[services.flooding]\napp = "flooding:app"\n'

    def test_any_locale(self) -> None:
        """With an encoding that lacks a character, printing and logging it works in workers."""
        running = self.start(environment={"PYTHONIOENCODING": "latin-1"})
        with self.talk("flooding") as talk:
            self.assertEqual(talk.ask(id=1, path="/arrow")["code"], 500)
        running.until("printed →")
        running.until("/arrow failed", "raised →")


class RecordTests(OrchestratorTestCase):
    """Python's own logging in a worker."""

    config = '[log.loggers]\n"concurrent" = "error"\n[services.shop]\napp = "recording:app"\n'

    def test_records(self) -> None:
        """Level, logger, id, fields and traceback arrive, wherever the code runs, in both formats."""
        running = self.start()
        for path, logger, message, place in (
            ("/action", "shop.records", "logged in an action", "an action"),
            ("/thread", "shop.records", "logged in a thread", "a thread"),
            ("/to_thread", "shop.records", "logged in a thread of asyncio", "a thread of asyncio"),
            ("/task", "shop.records", "logged in a task", "a task"),
            ("/library", "concurrent.futures", "exception calling callback for", "a library"),
        ):
            request_id = f"id-of{path}"
            with self.talk("shop") as talk:
                reply = talk.ask(id=1, path=path, meta={"request_id": request_id})
            self.assertEqual(reply["code"], 200)
            event = running.until(message)
            self.assertEqual(
                (event["level"], event["namespace"], event["logger"]), ("error", "shop[1]", logger)
            )
            self.assertEqual(
                (event["request_id"], event.get("fields", {}).get("place", place)), (request_id, place)
            )
            self.assertTrue(event["traceback"].endswith(f"ValueError: raised in {place}"), event)
            text = FORMATS["text"](msgspec.convert(event, LogRecord)).decode()
            self.assertRegex(text, rf"\A\S+ error shop\[1\] {logger} \[{request_id}\]: {message}")
            self.assertIn(f"\n    ValueError: raised in {place}\n", text)
        with self.talk("shop") as talk:
            talk.ask(id=1, path="/warn", meta={"request_id": "r1"})
        event = running.until("UserWarning: this is old")
        shown = event["level"], event["logger"], event["request_id"]
        self.assertEqual(shown, ("warn", "py.warnings", "r1"))


class StuckLogTests(OrchestratorTestCase):
    """A pipe for the log that no process reads."""

    config = '[security]\ntoken = "private"\n[services.flooding]\napp = "flooding:app"\n'

    def flood(self, lines: int = _LINES) -> None:
        """Fill the log."""
        self.assertEqual(self.ask("flooding", "/flood", data={"lines": lines}), lines)

    def test_serves(self) -> None:
        """Requests are answered, and a reload works; later the log says how many events are missing."""
        running = self.start()
        running.stop_reading_log()
        self.flood()
        before = self.worker_pids("flooding")
        running.signal(signal.SIGHUP)
        self.eventually(lambda: self.worker_pids("flooding") not in ([], before))
        running.read_log()
        event = running.until("events are missing here", "its reader is too slow")
        self.assertRegex(event["message"], r"\A[1-9][0-9,]* events")
        running.signal(signal.SIGHUP)
        running.until("reloaded all services")
        self.assertEqual(event["level"], "warn")
        self.assertGreater(len(running.logged("x" * 1_000)), 1_000)

    def test_term(self) -> None:
        """TERM ends the orchestrator and its workers."""
        running = self.start()
        running.stop_reading_log()
        self.flood(500)  # more than the pipe takes
        running.signal(signal.SIGTERM)
        self.assertEqual(running.process.wait(30), 0)
        self.assertEqual(running.left(), [])

    def test_stopped_orchestrator(self) -> None:
        """A worker whose output is not read answers requests; later its own events are missing."""
        running = self.start()
        os.kill(running.process.pid, signal.SIGSTOP)
        self.flood()
        self.assertEqual(self.ask("flooding", "/-/ping"), "pong")
        os.kill(running.process.pid, signal.SIGCONT)
        event = running.until("events are missing here")
        self.assertEqual((event["namespace"], event["logger"]), ("flooding[1]", "log"))

    def test_requests(self) -> None:
        """A client without a token cannot fill the log with requests that time out at once."""
        running = self.start()
        with self.talk("flooding", token=False) as talk:
            for number in range(500):
                self.assertEqual(talk.ask(id=number, path="/never", timeout=1e-6)["code"], 504)
        running.signal(signal.SIGTERM)
        self.assertEqual(running.wait(), 0)
        self.assertEqual(len(running.logged("GET /never exceeded its deadline")), 20)
        (event,) = running.logged("… 480 more like this")
        self.assertEqual(event["namespace"], "flooding[1]")
