"""What the shell completes."""

from __future__ import annotations

from click.shell_completion import ShellComplete

from tests.unit.cli.command_runner import CommandTestCase, failure, success
from unixsvc.cli.command import unixsvc
from unixsvc.cli.session import Session

_CONTRACT = {
    "routes": [
        {"method": "GET", "path": "/user", "title": "All"},
        {"method": "POST", "path": "/user", "title": "One more"},
        {"method": "GET", "path": "/user/{id:int}", "title": "One"},
        {"method": "GET", "path": "/-/ping"},
    ]
}


class CompletionTests(CommandTestCase):
    """Of services, methods and paths."""

    def complete(self, *words: str, last: str = "") -> list[str]:
        """What can stand there."""
        session = Session(self.client, terminal=False)
        shell = ShellComplete(unixsvc, {"obj": session}, "unixsvc", "_UNIXSVC_COMPLETE")
        return [each.value for each in shell.get_completions([*words, "--config", self.config], last)]

    def test_services(self) -> None:
        """Every command that takes a service completes those that are here."""
        for command in ("call", "routes", "reload", "restart", "start", "stop", "scale"):
            self.assertEqual(self.complete(command), ["home", "user"], command)
        self.assertEqual(self.complete("call", last="u"), ["user"])

    def test_words(self) -> None:
        """Behind a service stand its methods and its paths; behind a method those that have it."""
        self.answer = success(_CONTRACT)
        every = ["/user", "/user/{id:int}", "/-/ping", "GET", "POST"]
        self.assertEqual(self.complete("call", "user"), every)
        self.assertEqual(self.complete("call", "user", last="/u"), ["/user", "/user/{id:int}"])
        self.assertEqual(self.complete("call", "user", "post"), ["/user"])
        self.assertEqual(self.complete("call", "user", "POST", "/user"), [])
        recorded = self.calls[0]
        self.assertEqual((recorded.call.path, recorded.timeout), ("/-/routes", 1.0))

    def test_nothing(self) -> None:
        """Where nothing can be known, nothing is completed, and nothing is said."""
        self.answer = failure(500)
        self.assertEqual(self.complete("call", "user"), [])
        self.answer = success("nonsense")
        self.assertEqual(self.complete("call", "user"), [])
        self.assertEqual(self.complete("call", "nobody"), [])
        self.configure("nonsense")
        self.assertEqual(self.complete("call"), [])
