"""What type checkers say about the code of users."""

from __future__ import annotations

import re
import shutil
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from twisted.trial.unittest import SynchronousTestCase

from tests.typing.checkers import Problem, mypy, pyright

USERS: Final = Path(__file__).parent / "users"
# "# error: TEXT" at the end of a line: each checker reports an error there whose message has this text.
_EXPECTED: Final = re.compile(r"  # error: (?P<text>.+)$")


class UsersCodeTests(SynchronousTestCase):
    """The modules in ``users``."""

    def setUp(self) -> None:
        """Copy them, so that no configuration of ours is found."""
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()), "users")
        shutil.copytree(USERS, self.folder, ignore=shutil.ignore_patterns("__pycache__"))

    def assert_found(self, found: list[Problem]) -> None:
        """Each expected error is reported, and no other."""
        expected = {
            (path.name, number): match["text"]
            for path in sorted(self.folder.glob("*.py"))
            for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
            if (match := _EXPECTED.search(line))
        }
        self.assertGreater(len(expected), 40)
        wrong = [each for each in found if (each.file, each.line) not in expected]
        missing = [
            (place, text)
            for place, text in expected.items()
            if not any((each.file, each.line) == place and text in each.message for each in found)
        ]
        self.assertEqual((wrong, missing), ([], []))

    def test_mypy(self) -> None:
        """Strict mode of mypy reports the marked errors, and no others."""
        self.assert_found(mypy(self.folder, "--strict", "."))

    def test_pyright(self) -> None:
        """Strict mode of pyright reports the same; parameters of methods of svcs have unknown types."""
        settings = {"typeCheckingMode": "strict", "reportUnknownMemberType": False}
        self.assert_found(pyright(self.folder, settings))

    def test_no_plugin(self) -> None:
        """The environment has no plugin, and no stubs that would come with one."""
        for name in "mypy_zope", "zope-stubs":
            self.assertIsNone(find_spec(name))

    def test_nothing_ignored(self) -> None:
        """No comment silences a checker."""
        for path in self.folder.glob("*.py"):
            self.assertNotRegex(path.read_text("utf-8"), "type: *ignore|pyright:|mypy:")
