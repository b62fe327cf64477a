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
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from msgspec.structs import replace

from tests.examples.blocks import CONTINUED, Block, examples_of
from tests.examples.console import Console, on_free_port, steps_of
from tests.examples.exchange import play
from unixsvc.config.loader import load_settings

__all__ = ["Page", "check_page", "is_interactive"]

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
    with Page(page, addresses or {}) as state:
        for each in examples_of(page, state.evaluate):
            try:
                each.evaluate()
            except Exception as error:
                error.add_note(f"in the example at {page}:{each.parsed.line}")
                raise
        state.check_files()


class Page:
    """The state that the examples of a page share: a folder, names, a shell.

    :param path: of the page.
    :param addresses: of servers, by those that the page shows.
    """

    def __init__(self, path: Path, addresses: Mapping[str, str]) -> None:
        self._path = path
        self._addresses = addresses
        self._folder = Path(tempfile.mkdtemp())  # trial's own have paths too long for a socket
        self._console: Console | None = None
        self._names: dict[str, Any] = {"__name__": "page"}
        self._files: dict[str, Block] = {}
        self._texts: list[Block] = []
        self._before = (os.getcwd(), dict(os.environ), list(sys.path), set(sys.modules))

    def __enter__(self) -> Page:
        os.chdir(self._folder)
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
            if self._console is not None:
                self._console.close()
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

    def check_files(self) -> None:
        """Look whether each file is used by another example.

        :raises AssertionError: if one is not.
        """
        for name, block in self._files.items():
            if name == "unixsvc.toml":
                continue
            stem = Path(name).stem
            used = any(stem in each.source for each in self._texts if each is not block)
            assert used, f"{self._path}:{block.line}: no other example uses {name}"

    def _python(self, block: Block) -> None:
        code = compile(
            "\n" * (block.line - 1) + block.source,
            str(self._path),
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
            (self._folder / "fragment.toml").write_text(source)
            block = Block(block.language, source, block.line, "fragment.toml")
        load_settings(_files_of(block.caption)[::-1] or None)

    def _run_console(self, block: Block) -> None:
        console = self._shell()
        for each in steps_of(block.source):
            console.run(each, numbers=block.kind != "numbers-vary")

    def _exchange(self, block: Block) -> None:
        service = _SERVICE.search(block.caption)
        self._shell()
        settings = load_settings()
        path = Path(settings.socket_dir, f"service_{service['name'] if service else 'home'}.sock")
        play(block.source, str(path), Path(settings.token_file).read_text().strip())

    def _json(self, block: Block) -> None:
        json.loads(block.source)

    def _shell(self) -> Console:
        if self._console is None:
            self._console = Console(self._folder)
        return self._console

    def _write(self, block: Block, source: str) -> bool:
        """Write the file that a block is said to be; whether it is one."""
        name = _file_of(block.caption)
        if not name:
            return False
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a" if block.caption.endswith(CONTINUED) else "w") as file:
            file.write(source)
        self._files[name] = block
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
}
