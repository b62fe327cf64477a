"""The lifespan of an application, in workers and in the orchestrator's process."""

from __future__ import annotations

from pathlib import Path

from tests.functional.orchestrator_process import OrchestratorTestCase


class LifespanTests(OrchestratorTestCase):
    """The application ``living``."""

    config = '[services.living]\napp = "living:app"\nworkers = 1\n'

    def journal(self) -> list[str]:
        """What the application has written, without the process ids."""
        path = Path(self.folder, "journal")
        return [line.partition(" ")[2] for line in path.read_text().splitlines()] if path.exists() else []

    def test_order(self) -> None:
        """It is entered before the worker is ready, and left after the last answer, inline as well."""
        for isolation in ("process", "inline"):
            Path(self.folder, "journal").unlink(missing_ok=True)
            self.configure(self.config + f'isolation = "{isolation}"\n')
            running = self.start()
            self.assertEqual(self.journal(), ["entering", "entered"])
            talk = self.talk("living")
            talk.send(id=1, path="/wait", data={"seconds": 0.3})
            talk.send(id=2, path="/wait", data={"seconds": 0})
            self.assertEqual(talk.receive()["id"], 2)
            running.interrupt()
            self.assertEqual(talk.receive()["id"], 1)
            self.assertEqual(running.wait(), 0)
            self.assertEqual(
                self.journal(), ["entering", "entered", "answered", "answered", "leaving", "left"]
            )

    def test_boot_failure(self) -> None:
        """An exception at the start is a boot failure, with its traceback in the log, and one line."""
        self.configure(self.config + 'options = { kind = "broken" }\nessential = true\n')
        running = self.start(ready=False)
        self.assertNotEqual(running.wait(), 0)
        [event] = running.logged("cannot load living:app")[:1]
        self.assertIn('raise OSError("no database")', event["traceback"])
        self.assertIn("living.py:", running.errors)
        self.assertIn("OSError: no database", running.errors)
        self.assertNotIn("Traceback", running.errors)

    def test_stopped_while_it_starts(self) -> None:
        """A worker that is stopped before it is ready cancels the lifespan, which may clean up."""
        self.configure(self.config + 'options = { kind = "slow" }\n')
        running = self.start(ready=False)
        self.eventually(lambda: self.journal() == ["entering"])
        running.interrupt()
        self.assertEqual(running.wait(), 0)
        self.assertEqual(self.journal(), ["entering", "cancelled", "cleaned up"])

    def test_ends_by_itself(self) -> None:
        """If a task of the lifespan fails, the worker drains, and another one takes its place."""
        running = self.start()
        first = self.ask("living", "/wait", data={"seconds": 0})
        self.ask("living", "/crash")
        running.until("the lifespan of the application has ended")
        running.until("is ready", times=2)
        self.assertNotEqual(self.ask("living", "/wait", data={"seconds": 0}), first)
