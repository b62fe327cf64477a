"""Bursts of changes and the reloads that follow."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from importlib.util import cache_from_source
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.cli.dev.code_map import CodeMap
from unixsvc.cli.dev.log_printer import LogPrinter
from unixsvc.cli.dev.reloader import Events, Reloader
from unixsvc.errors import ConfigError, Conflict, Unavailable

_MAP = CodeMap({"a": ["/p/a"], "b": ["/p/b"]}, "/p", ["/p/x.toml"])


class ReloaderTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Make a reloader with changes that the test has listed."""
        self.bursts: list[set[str]] = []
        self.reloaded: list[str] = []
        self.watched: list[list[str]] = []
        self.problems: list[Exception] = []
        self.new = _MAP
        self.output = ""
        self.events = Events(threading.Event(), threading.Event())
        self.events.ready.set()

    def run_reloader(self, *bursts: set[str]) -> None:
        """Run until all changes are handled."""
        self.bursts = list(bursts)
        printer = LogPrinter(self._write, ["a", "b"], colour=False)
        Reloader(lambda: self.new, self._reload, printer, self.events, self._watch).run(_MAP)

    def _write(self, text: str) -> None:
        self.output += text

    def _reload(self, name: str) -> None:
        self.reloaded.append(name)
        if self.problems:
            raise self.problems.pop(0)

    def _watch(self, code: CodeMap, stop: threading.Event) -> Iterable[set[str]]:
        self.watched.append(code.watched)
        while self.bursts:
            yield self.bursts.pop(0)
        stop.set()

    def test_burst(self) -> None:
        """Fifty files that change together are one reload; those that change later are another."""
        self.run_reloader({f"/p/a/{number}.py" for number in range(50)}, {"/p/b/x.py"})
        self.assertEqual(self.reloaded, ["a", "b"])
        self.assertIn("0.py and 49 more changed\n", self.output)

    def test_several(self) -> None:
        """Each service whose code is among the changes is reloaded, also if another one cannot be."""
        self.new = CodeMap({"a": ["/p/a"], "b": ["/p/b"], "c": []}, "/p", [])
        self.problems = [Conflict("the new workers cannot start")]
        printer = LogPrinter(self._write, [], colour=False)
        reloader = Reloader(lambda: self.new, self._reload, printer, self.events)
        reloader.handle(self.new, {"/p/b/x.py", "/p/a/x.py"})
        self.assertEqual(self.reloaded, ["a", "b"])
        self.assertIn("the new code of b serves after 0.0 s\n", self.output)
        self.assertNotIn("the new code of a", self.output)
        self.assertNotIn("cannot start", self.output)  # the orchestrator has logged it

    def test_unreachable(self) -> None:
        """An orchestrator that cannot be reached is an error, unless it stops."""
        self.problems = [Unavailable(1.0)]
        self.run_reloader({"/p/a/x.py"})
        self.assertIn("error: ", self.output)

    def test_configuration(self) -> None:
        """A configuration with code in other folders changes the folders that are watched."""
        self.new = CodeMap({"a": ["/p/a"], "n": ["/n"]}, "/p", ["/p/x.toml"])
        self.run_reloader({"/p/a/x.py"}, {"/p/x.toml"}, {"/n/x.py"})
        self.assertEqual(self.reloaded, ["a", "", "n"])
        self.assertEqual(self.watched, [["/p"], ["/n", "/p"]])

    def test_wrong_configuration(self) -> None:
        """A wrong configuration leaves the services and their code as they were."""
        self.problems = [Conflict("not valid TOML")]

        def find_code() -> CodeMap:
            raise ConfigError("x.toml", "not valid TOML")

        self.bursts = [{"/p/x.toml"}, {"/p/b/x.py"}]
        printer = LogPrinter(self._write, [], colour=False)
        Reloader(find_code, self._reload, printer, self.events, self._watch).run(_MAP)
        self.assertEqual(self.reloaded, ["", "b"])

    def test_stop(self) -> None:
        """No reload begins while the orchestrator stops."""

        def watch(code: CodeMap, stop: threading.Event) -> Iterable[set[str]]:
            stop.set()
            yield {"/p/a/x.py"}

        printer = LogPrinter(self._write, [], colour=False)
        Reloader(lambda: _MAP, self._reload, printer, self.events, watch).run(_MAP)
        self.assertEqual((self.reloaded, self.output), ([], ""))

    def test_watch_fails(self) -> None:
        """A watch that the kernel refuses is one line, and the services go on."""

        def watch(code: CodeMap, stop: threading.Event) -> Iterable[set[str]]:
            raise OSError("OS file watch limit reached")

        printer = LogPrinter(self._write, [], colour=False)
        Reloader(lambda: _MAP, self._reload, printer, self.events, watch).run(_MAP)
        self.assertTrue(
            self.output.endswith("error: files are not watched any more: OS file watch limit reached\n")
        )

    def test_bytecode(self) -> None:
        """The compiled file of a changed module is removed: a save of the same size may not replace it."""
        folder = Path(self.mktemp()).resolve()
        compiled = Path(cache_from_source(str(folder / "x.py")))
        compiled.parent.mkdir(parents=True)
        compiled.write_bytes(b"")
        printer = LogPrinter(self._write, [], colour=False)
        code = CodeMap({"a": [str(folder)]}, "", [])
        Reloader(lambda: code, self._reload, printer, self.events).handle(code, {str(folder / "x.py")})
        self.assertFalse(compiled.exists())
