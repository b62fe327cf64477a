"""Executes the blocks of one page, in a folder of its own."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import inspect
import io
import json
import os
import re
import shutil
import sys
import tempfile
import tomllib
import unittest
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from msgspec.structs import replace

from tests.examples.blocks import CONTINUED, Block, examples_of
from tests.examples.console import Console, on_free_port, source_environment
from tests.examples.exchange import play
from tests.examples.server import Server
from tests.examples.texts import apply_diff, steps_of
from unixsvc.config.loader import load_settings

__all__ = ["Page", "check_page", "check_pages", "is_interactive"]

_AGE: Final = 2.0  # seconds, of a file that an example has just written
_SERVICE: Final = re.compile(r"service ``(?P<name>\w+)``")
_SHORTEST_REASON: Final = 15


def is_interactive(page: Path) -> bool:
    """Whether a page has examples that need processes."""
    found: list[Block] = [each.parsed for each in examples_of(page, lambda block: None)]
    return any(each.language == "console" or each.kind == "exchange" for each in found if not each.reason)


def check_page(page: Path, addresses: Mapping[str, str] | None = None) -> None:
    """Execute all that a page shows.

    :param addresses: of servers, by those that the page shows.
    :raises AssertionError: naming the example that does not work, or a file that no other example uses.
    """
    with Page(addresses or {}) as state:
        _evaluate(page, state)
        state.check_files(page)


def check_pages(pages: Sequence[Path], environment: Callable[[Path], Mapping[str, str]]) -> None:
    """Execute what several pages show, one after the other, in one folder and with the same shells.

    :param environment: makes the environment variables of the commands, given a folder for programs.
    :raises AssertionError: naming the example that does not work.
    """
    with Page({}, environment) as state:
        for page in pages:
            _evaluate(page, state)


def _evaluate(page: Path, state: Page) -> None:
    for each in examples_of(page, state.evaluate):
        try:
            each.evaluate()
        except Exception as error:
            error.add_note(f"in the example at {page}:{each.parsed.line}")
            raise


class Page:
    """The state that the examples of a page share: a folder, names, terminals.

    :param addresses: of servers, by those that the page shows.
    :param environment: makes the environment variables of the commands, given a folder for programs.
    """

    def __init__(
        self,
        addresses: Mapping[str, str],
        environment: Callable[[Path], Mapping[str, str]] = source_environment,
    ) -> None:
        self._addresses = addresses
        self._environment = environment
        self._folder = Path(tempfile.mkdtemp())  # trial's own have paths too long for a socket
        self._start = self._folder if environment is source_environment else self._folder / "empty"
        self._start.mkdir(exist_ok=True)
        self._terminals: dict[str, Console] = {}
        self._terminal = ""
        self._names: dict[str, Any] = {"__name__": "page"}
        self._files: dict[str, Block] = {}
        self._texts: list[Block] = []
        self._before = (os.getcwd(), dict(os.environ), list(sys.path), set(sys.modules))

    def __enter__(self) -> Page:
        os.chdir(self._start)
        sys.path.insert(0, str(self._folder))
        os.environ["XDG_RUNTIME_DIR"] = str(self._folder / "run")
        os.environ.pop("RUNTIME_DIRECTORY", None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        folder, environment, path, modules = self._before
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        sys.path[:] = path
        for name in set(sys.modules) - modules:
            if str(self._folder) in str(getattr(sys.modules[name], "__file__", "")):
                del sys.modules[name]
        try:
            for console in self._terminals.values():
                console.close()
        finally:
            shutil.rmtree(self._folder)

    def evaluate(self, block: Block) -> None:
        """Execute a block.

        :raises AssertionError: if it does not do what the page says, or if its language is not known.
        """
        if block.reason:
            assert len(block.reason) >= _SHORTEST_REASON, f"{block.reason!r} is no reason"
            return
        kind = "exchange" if block.kind == "exchange" else block.language
        assert kind in _EVALUATORS, f"a block of {kind!r} cannot be executed; say why with not-run"
        for shown, address in self._addresses.items():
            block = replace(block, source=block.source.replace(shown, address))
        _EVALUATORS[kind](self, block)
        self._texts.append(block)

    def check_files(self, path: Path) -> None:
        """Look whether each file is used by another example.

        :param path: of the page.
        :raises AssertionError: if one is not.
        """
        for name, block in self._files.items():
            if name == "unixsvc.toml":
                continue
            stem = Path(name).stem
            used = any(stem in each.source for each in self._texts if each is not block)
            assert used, f"{path}:{block.line}: no other example uses {name}"

    def _python(self, block: Block) -> None:
        code = compile(
            "\n" * (block.line - 1) + block.source,
            "the page",
            "exec",
            flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT,
            dont_inherit=True,
        )
        if self._write(block, block.source):
            return
        before = set(self._names)
        with contextlib.redirect_stdout(io.StringIO()):
            if code.co_flags & inspect.CO_COROUTINE:
                asyncio.run(eval(code, self._names))  # noqa: S307  # it is ours
            else:
                exec(code, self._names)  # noqa: S102  # as above
        for name in set(self._names) - before:
            self._run_tests(self._names[name])

    def _run_tests(self, found: Any) -> None:
        if not (
            isinstance(found, type) and issubclass(found, unittest.TestCase) and found.__module__ == "page"
        ):
            return
        result = unittest.TestResult()
        unittest.defaultTestLoader.loadTestsFromTestCase(found).run(result)
        assert result.testsRun, f"{found.__name__} has no tests"
        assert result.wasSuccessful(), "\n".join(text for _, text in [*result.failures, *result.errors])

    def _toml(self, block: Block) -> None:
        source = block.source
        table = tomllib.loads(source)
        if not self._write(block, on_free_port(source)):
            if not {"services", "http"} & table.keys():
                source += '\n[services.example]\napp = "example:app"\n'
            Path("fragment.toml").write_text(source)
            block = Block(block.language, source, block.line, "fragment.toml")
        load_settings(_files_of(block.caption)[::-1] or None)

    def _run_console(self, block: Block) -> None:
        lines = block.source.strip("\n").split("\n")
        if not lines[0].startswith("$ "):
            self._see(lines)
            return
        self._terminal = block.caption or self._terminal
        console = self._shell()
        self._note_change()
        for each in steps_of(block.source):
            console.port = max(other.port for other in self._terminals.values())
            console.run(each, numbers=block.kind != "numbers-vary")
        os.chdir(console.current_folder)

    def _see(self, lines: Sequence[str]) -> None:
        """Wait for the output of the server, after Ctrl-C if that is the first line."""
        [console] = (each for each in self._terminals.values() if each.server is not None)
        server = console.server
        assert server is not None
        if lines[0] == "^C":
            console.stop()
            lines = lines[1:]
        server.expect("\n".join(lines))

    def _diff(self, block: Block) -> None:
        name = _file_of(block.caption)
        text = apply_diff(Path(name).read_text(), block.source)
        assert self._write(block, text), f"a change of no file: {block.caption!r}"

    def _exchange(self, block: Block) -> None:
        service = _SERVICE.search(block.caption)
        self._shell()
        settings = load_settings()
        path = Path(settings.socket_dir, f"service_{service['name'] if service else 'home'}.sock")
        play(block.source, str(path), Path(settings.token_file).read_text().strip())

    def _json(self, block: Block) -> None:
        json.loads(block.source)

    def _shell(self) -> Console:
        if not self._terminals:
            self._variables = self._environment(self._folder)
        if self._terminal not in self._terminals:
            self._terminals[self._terminal] = Console(self._start, self._variables, self._folder)
        return self._terminals[self._terminal]

    def _note_change(self) -> list[Server]:
        """Have the servers take no line of before for one that the page shows later; the servers."""
        servers = [each.server for each in self._terminals.values() if each.server is not None]
        for server in servers:
            server.note_change()
        return servers

    def _write(self, block: Block, source: str) -> bool:
        """Write the file that a block is said to be, in the folder of the shell; whether it is one."""
        name = _file_of(block.caption)
        if not name:
            return False
        servers = self._note_change()
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        is_new = not path.exists()
        with path.open("a" if block.caption.endswith(CONTINUED) else "w") as file:
            file.write(source)
        if is_new:
            # Python takes compiled code for that of a source of the same size and second, so an example that
            # changes a file at once would run the old code.
            written = path.stat().st_mtime - _AGE
            os.utime(path, (written, written))
        self._files[name] = block
        for server in servers:
            if server.watches(name):
                server.wait_for_reload(name)
        return True


def _file_of(caption: str) -> str:
    """The name of the file in a caption; empty if it names none."""
    return next(iter(_files_of(caption)), "")


def _files_of(caption: str) -> list[str]:
    """The names of the files in a caption: the file, and those that it overrides."""
    return re.findall(r"[\w./-]+\.(?:py|toml|json|tac|txt)\b", caption)


_EVALUATORS: Final[dict[str, Callable[[Page, Block], None]]] = {
    "python": Page._python,
    "toml": Page._toml,
    "console": Page._run_console,
    "exchange": Page._exchange,
    "json": Page._json,
    "diff": Page._diff,
}
