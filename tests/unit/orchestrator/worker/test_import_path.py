"""The code and configuration that other users could change, and the modules that cannot be imported."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any
from unittest import skipIf

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.config.loader import load_settings
from unixsvc.orchestrator.worker.import_path import hidden_modules, unsafe_places

NOBODY = 65534

only_root = skipIf(os.geteuid() != 0, "only root can give files to others")


class FolderTestCase(SynchronousTestCase):
    """Has a folder of our own."""

    def setUp(self) -> None:
        """Make it."""
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)

    def write(self, name: str, text: str = "") -> str:
        """Write a file, with the folders that lead to it."""
        path = Path(self.folder, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return str(path)


@only_root
class UnsafeTests(FolderTestCase):
    """An orchestrator of root, and a folder with its configuration."""

    def setUp(self) -> None:
        """Write a configuration."""
        super().setUp()
        self.config = self.write("app/unixsvc.toml", '[services.shop]\napp = "shop:app"\nuser = "nobody"\n')
        self.app = os.path.dirname(self.config)

    def found(self, path: tuple[str, ...] = (), euid: int = 0) -> list[str]:
        """The lines about unsafe places."""
        return unsafe_places(load_settings(self.config), path, euid)

    def assertFound(self, *words: Any, path: tuple[str, ...] = ()) -> None:
        """There is one line, with these words."""
        [line] = self.found(path)
        for word in words:
            self.assertIn(word, line)

    def test_safe(self) -> None:
        """Nothing is unsafe if only root can write, also below /tmp, where others cannot rename our files."""
        self.assertEqual(self.found((self.app, "/usr/lib/python3")), [])

    def test_folder_of_the_service(self) -> None:
        """The user of the service may own the folder, but could replace the configuration."""
        os.chown(self.app, NOBODY, -1)
        self.assertFound(self.config, "belongs to nobody (uid 65534)", "become root")
        elsewhere = self.write("etc/unixsvc.toml", Path(self.config).read_text())
        os.remove(self.config)
        os.symlink(elsewhere, self.config)
        self.assertFound(self.config, "become root")

    def test_import_path(self) -> None:
        """A folder on the import path of the orchestrator must be root's."""
        lib = os.path.dirname(self.write("lib/x.py"))
        os.chown(lib, NOBODY, -1)
        self.assertFound(lib, "import path", path=(lib,))
        self.assertEqual(self.found(), [])

    def test_interpreter(self) -> None:
        """The interpreter of the workers and its packages must be root's."""
        python = self.write("venv/bin/python")
        packages = os.path.dirname(self.write("venv/lib/python3.11/site-packages/x.py"))
        text = Path(self.config).read_text()
        Path(self.config).write_text(f'python = "{python}"\n{text}')
        self.assertEqual(self.found(), [])
        for place in python, packages:
            os.chown(place, NOBODY, -1)
            self.assertFound(place, "belongs to nobody", "start with that Python")
            os.chown(place, 0, -1)

    def test_folder_of_another(self) -> None:
        """A folder of any other user is unsafe."""
        os.chown(self.app, 4711, -1)
        self.assertFound("belongs to uid 4711")

    def test_modes(self) -> None:
        """A folder that a group or all users can write to is unsafe, also with a sticky bit."""
        for mode in 0o777, 0o1777, 0o775:
            os.chown(self.app, 0, NOBODY)
            os.chmod(self.app, mode)
            self.assertFound(f"mode {mode:04o}", "can be written by other users")
        os.chown(self.app, 0, 0)
        self.assertEqual(self.found(), [])  # by the group of root

    def test_parents(self) -> None:
        """Who can write to a parent can replace the folder, unless that is sticky."""
        os.chmod(self.folder, 0o777)
        self.assertFound(self.folder)
        os.chmod(self.folder, 0o1777)
        self.assertEqual(self.found(), [])

    def test_link(self) -> None:
        """A folder is unsafe if a link to it, or where that leads, is."""
        link = os.path.join(self.folder, "link")
        os.symlink(self.app, link)
        self.assertEqual(self.found((link,)), [])
        os.chown(link, NOBODY, -1, follow_symlinks=False)
        self.assertFound(link, path=(link,))
        os.chown(link, 0, -1, follow_symlinks=False)
        os.chmod(self.app, 0o777)
        self.assertFound(self.app, "0777", path=(link,))

    def test_file(self) -> None:
        """The configuration itself must be root's."""
        os.chmod(self.config, 0o666)
        self.assertFound("0666")

    def test_services(self) -> None:
        """One user's folder is unsafe for the service of another."""
        self.write("app/unixsvc.toml", '[services.a]\napp="a:app"\nuser="nobody"\n[services.b]\napp="b:app"')
        os.chown(self.app, NOBODY, -1)
        self.assertFound("become root")  # which is said once
        demo = load_settings(self.config)
        os.remove(self.config)
        [line] = unsafe_places(demo, (), 0)
        self.assertTrue(line.startswith("services.b: "), line)

    def test_unknown_user(self) -> None:
        """A user who does not exist is no error here."""
        self.write("app/unixsvc.toml", '[services.a]\napp="a:app"\nuser="no-such-user"\n')
        self.assertEqual(self.found(), [])

    def test_not_root(self) -> None:
        """For other users nothing is checked."""
        os.chmod(self.app, 0o777)
        self.assertEqual(self.found(euid=1000), [])

    def test_absent(self) -> None:
        """Places that do not exist are safe."""
        self.assertEqual(self.found((os.path.join(self.folder, "none"), "")), [])


class HiddenTests(FolderTestCase):
    """A folder with an application."""

    def hidden(self) -> dict[str, str]:
        """The modules that cannot be imported, by name."""
        found = hidden_modules(self.folder, [*sys.path, self.folder])
        return {os.path.relpath(place, self.folder): other for place, other in found.items()}

    def test_none(self) -> None:
        """Modules with names of their own, other files and folders are not hidden."""
        for name in "shop.py", "shop_data/__init__.py", "token.txt", "queue/notes", "a-b.py", "json.py/x":
            self.write(name)
        self.assertEqual(self.hidden(), {})

    def test_standard_library(self) -> None:
        """Modules and packages with names of the standard library are hidden."""
        for name in "token.py", "queue/__init__.py", "sys.py":
            self.write(name)
        self.assertEqual(set(self.hidden()), {"token.py", "queue", "sys.py"})
        self.assertIn("'token' of Python's standard library", self.hidden()["token.py"])

    def test_installed(self) -> None:
        """Modules with names of installed packages are hidden."""
        self.write("msgspec.py")
        self.assertEqual(self.hidden(), {"msgspec.py": sys.modules["msgspec"].__file__})

    def test_no_folder(self) -> None:
        """A folder that does not exist hides nothing."""
        self.assertEqual(hidden_modules(os.path.join(self.folder, "none"), sys.path), {})
