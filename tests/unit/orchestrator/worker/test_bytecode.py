"""Compiled files of sources that are being edited."""

from __future__ import annotations

import importlib.util
import os
import sys
from importlib.util import cache_from_source
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.orchestrator.worker import bytecode
from unixsvc.orchestrator.worker.bytecode import SettledSourceLoader, compile_settled_sources

_CHANGED = 1_700_000_000.75


class LoaderTests(SynchronousTestCase):
    """A module whose source was changed at a known time."""

    def setUp(self) -> None:
        """Write the module."""
        folder = Path(self.mktemp())
        folder.mkdir()
        self.source = folder / "edited.py"
        self.write(1)
        self.patch(sys, "dont_write_bytecode", False)

    def write(self, value: int, changed: float = _CHANGED) -> None:
        """Write a version; all have the same size."""
        self.source.write_text(f"VALUE = {value}\n")
        os.utime(self.source, (changed, changed))

    def imported(self, age: float) -> int:
        """Import it as a new process would.

        :param age: the time since the source was changed, in seconds.
        """

        class Loader(SettledSourceLoader):
            now = staticmethod(lambda: _CHANGED + age)

        loader = Loader("edited", str(self.source))
        spec = importlib.util.spec_from_loader("edited", loader)
        assert spec is not None
        module = importlib.util.module_from_spec(spec)
        loader.exec_module(module)
        value: int = module.VALUE
        return value

    def compiled(self) -> bool:
        """Whether there is a compiled file."""
        return os.path.exists(cache_from_source(str(self.source)))

    def test_same_second(self) -> None:
        """A change within the second of the import is seen, also with the same size and time."""
        self.assertEqual(self.imported(0.1), 1)
        self.assertFalse(self.compiled())
        self.write(2)
        self.assertEqual(self.imported(0.2), 2)

    def test_settled(self) -> None:
        """Any other source is compiled once; the compiled file is used as usual."""
        self.assertEqual(self.imported(2.0), 1)
        self.assertTrue(self.compiled())
        self.write(2)  # only to see that it is not read: no change has the same time now
        self.assertEqual(self.imported(3.0), 1)
        self.write(3, _CHANGED + 3)
        self.assertEqual(self.imported(10.0), 3)

    def test_future(self) -> None:
        """A source with a time in the future is compiled, as its next change gives it another time."""
        self.assertEqual(self.imported(-0.5), 1)  # the clocks may differ a little
        self.assertFalse(self.compiled())
        self.assertEqual(self.imported(-60.0), 1)
        self.assertTrue(self.compiled())


class ImportTests(SynchronousTestCase):
    """Which modules are imported in this way."""

    def setUp(self) -> None:
        """Restore the import system afterwards."""
        self.patch(sys, "path_hooks", [each for each in sys.path_hooks if each is not bytecode._hook])
        self.patch(sys, "path_importer_cache", dict(sys.path_importer_cache))
        self.patch(sys, "path", list(sys.path))

    def loader_of(self, name: str) -> type:
        """The type of the loader of a module."""
        spec = importlib.util.find_spec(name)
        assert spec is not None
        return type(spec.loader)

    def test_application(self) -> None:
        """Modules of folders on the import path, and of their packages, also after the folder was read."""
        for number, known in enumerate((False, True)):
            folder = Path(self.mktemp())
            (folder / f"edited_package_{number}").mkdir(parents=True)
            for file in f"edited_{number}.py", f"edited_package_{number}/__init__.py":
                (folder / file).write_text("")
            sys.path.append(str(folder))
            if known:
                sys.path_hooks.remove(bytecode._hook)
                self.assertIsNot(self.loader_of(f"edited_{number}"), SettledSourceLoader)
            compile_settled_sources()
            for name in f"edited_{number}", f"edited_package_{number}":
                self.assertIs(self.loader_of(name), SettledSourceLoader)

    def test_installed(self) -> None:
        """Installed packages and the standard library have the usual loader."""
        compile_settled_sources()
        for name in "msgspec", "this":
            self.assertIsNot(self.loader_of(name), SettledSourceLoader)

    def test_once(self) -> None:
        """A second call changes nothing."""
        compile_settled_sources()
        hooks = list(sys.path_hooks)
        compile_settled_sources()
        self.assertEqual(sys.path_hooks, hooks)
