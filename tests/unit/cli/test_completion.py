"""Shell completion."""

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
    """Completion of services, methods and paths."""

    def complete(self, *words: str, last: str = "") -> list[str]:
        """The completions at this position."""
        session = Session(self.client, terminal=False)
        shell = ShellComplete(unixsvc, {"obj": session}, "unixsvc", "_UNIXSVC_COMPLETE")
        return [each.value for each in shell.get_completions([*words, "--config", self.config], last)]

    def test_services(self) -> None:
        """Each command with a service completes the names of services."""
        for command in ("call", "routes", "reload", "restart", "start", "stop", "scale"):
            self.assertEqual(self.complete(command), ["home", "user"], command)
        self.assertEqual(self.complete("call", last="u"), ["user"])

    def test_words(self) -> None:
        """After a service, its methods and paths are completed; after a method, its paths."""
        self.answer = success(_CONTRACT)
        every = ["/user", "/user/{id:int}", "/-/ping", "GET", "POST"]
        self.assertEqual(self.complete("call", "user"), every)
        self.assertEqual(self.complete("call", "user", last="/u"), ["/user", "/user/{id:int}"])
        self.assertEqual(self.complete("call", "user", "post"), ["/user"])
        self.assertEqual(self.complete("call", "user", "POST", "/user"), [])
        recorded = self.calls[0]
        self.assertEqual((recorded.call.path, recorded.timeout), ("/-/routes", 1.0))

    def test_nothing(self) -> None:
        """Errors lead to no completions, and no output."""
        self.answer = failure(500)
        self.assertEqual(self.complete("call", "user"), [])
        self.answer = success("nonsense")
        self.assertEqual(self.complete("call", "user"), [])
        self.assertEqual(self.complete("call", "nobody"), [])
        self.configure("nonsense")
        self.assertEqual(self.complete("call"), [])
