"""Actions that await asyncio and Twisted, in workers, in the orchestrator's process, and over HTTP."""

from __future__ import annotations

import signal
from functools import partial
from pathlib import Path

from tests.functional.http_stack import HttpTestCase
from tests.functional.orchestrator_process import OrchestratorTestCase


class AwaitingTests(OrchestratorTestCase):
    """The application ``awaiting``."""

    config = (
        '[services.awaiting]\napp = "awaiting:app"\nworkers = 1\n'
        '[services.inline]\napp = "awaiting:app"\nisolation = "inline"\n'
    )

    def test_results(self) -> None:
        """Both worlds can be awaited in a worker and inline, in tasks too, and calls to each other."""
        self.start()
        for service, other in (("awaiting", "inline"), ("inline", "awaiting")):
            self.assertEqual(self.ask(service, "/mixed", data={"service": other}), [1, 2, 3, 4])
            with self.talk(service) as talk:
                talk.send(id=1, path="/items", data={"count": 3}, credit=10)
                items = [talk.receive() for _ in range(4)]
            self.assertEqual([each.get("data") for each in items[:3]], [0, 1, 2])

    def test_deadlines(self) -> None:
        """DeadlineExceeded arrives where the action waits."""
        self.start()
        for service in ("awaiting", "inline"):
            with self.talk(service) as talk:
                for number, kind in enumerate(("asyncio", "deferred", "call")):
                    talk.send(id=number, path=f"/endless/{kind}", timeout=0.05)
                self.assertEqual([talk.receive()["code"] for _ in range(3)], [504] * 3)
            self.eventually(partial(self._were_interrupted, service, 3))
            self.assertEqual(set(self.ask(service, "/interruptions")), {"asyncio", "call", "deferred"})

    def _were_interrupted(self, service: str, actions: int) -> bool:
        return len(self.ask(service, "/interruptions")) >= actions


class HttpTests(HttpTestCase):
    """The same over HTTP."""

    config = (
        '[services.awaiting]\napp = "awaiting:app"\nworkers = 1\n'
        '[http]\napp = "awaiting:app"\nlisten = ["tcp:0:interface=127.0.0.1"]\nrequest_timeout = 2\n'
    )

    def test_results_and_deadlines(self) -> None:
        """The gateway's own actions await both worlds, and get DeadlineExceeded where they wait."""
        self.serve()
        self.assertEqual(self.fetch("GET", "/mixed?service=awaiting").data, [1, 2, 3, 4])
        self.assertEqual(self.fetch("GET", "/endless/asyncio").code, 504)
        self.assertEqual(self.fetch("GET", "/interruptions").data, ["asyncio"])


class ReactorTests(OrchestratorTestCase):
    """The reactor of the orchestrator."""

    config = '[services.awaiting]\napp = "awaiting:app"\nworkers = 1\n'

    def test_reload_with_an_inline_service(self) -> None:
        """A reload that adds an inline service is refused in one line; the others are served."""
        running = self.start()
        config = Path(self.folder, "unixsvc.toml")
        config.write_text(
            config.read_text() + '[services.inline]\napp = "awaiting:app"\nisolation = "inline"\n'
        )
        running.signal(signal.SIGHUP)
        running.until("does not run on asyncio; restart it, without --reactor")
        self.assertEqual(self.ask("awaiting", "/number/3"), 3)
        running.interrupt()
        self.assertEqual(running.wait(), 0)
        self.assertNotIn("Traceback", running.errors)
