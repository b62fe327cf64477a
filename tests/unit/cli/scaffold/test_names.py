"""Names of projects."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.cli.scaffold.names import ProjectName
from unixsvc.errors import ConfigError


def parsed(text: str) -> ProjectName:
    """Read a name where nothing is installed."""
    return ProjectName.parse(text, [])


class FormsTests(SynchronousTestCase):
    def test_casings(self) -> None:
        """A name in any casing is the same service and the same package; the folder is as it was written."""
        for text in ("my-shop", "my_shop", "MyShop", "myShop", "MY-SHOP", "My_Shop"):
            self.assertEqual(parsed(text), ProjectName(text, "my-shop", "my_shop", "My shop"))

    def test_words(self) -> None:
        """Capitals start words, except within abbreviations; digits belong to the word before them."""
        for text, package in (
            ("shop", "shop"), ("SHOP", "shop"), ("x", "x"), ("v2", "v2"), ("a-1", "a_1"),
            ("HTTPShop", "http_shop"), ("ShopAPI", "shop_api"), ("shop2Go", "shop2_go"),
        ):  # fmt: skip
            self.assertEqual(parsed(text).package, package)


class RefusedTests(SynchronousTestCase):
    def assertRefused(self, text: str, words: str, *path: str) -> None:
        """The name is refused with these words."""
        error = self.assertRaises(ConfigError, ProjectName.parse, text, path)
        self.assertIn(words, str(error))

    def test_characters(self) -> None:
        """A name consists of ASCII letters and digits, in words joined by one hyphen or underscore."""
        for text in ("", "2x", "-shop", "shop-", "_shop", "a--b", "a b", "a/b", "..", "a.b", "é", "a\n"):
            self.assertRefused(text, "not a valid name")

    def test_length(self) -> None:
        """A name has at most 31 characters, as the names of users of the system."""
        self.assertEqual(parsed("a" * 31).service, "a" * 31)
        self.assertRefused("a" * 32, "more than 31 characters")
        self.assertRefused("aB" * 11, "more than 31 characters")  # with the underscores between its words

    def test_reserved(self) -> None:
        """Keywords, folders of the project, and services of the framework are refused."""
        for text in ("class", "Class", "tests", "deploy", "Orchestrator", "http"):
            self.assertRefused(text, "is reserved")

    def test_standard_library(self) -> None:
        """A module of Python's standard library is refused: workers would import it instead."""
        for text in ("json", "Calendar", "token", "sys"):
            self.assertRefused(text, "standard library has a module")

    def test_installed(self) -> None:
        """An installed module is refused, and the error says where it is."""
        self.assertRefused("Twisted", os.path.join("twisted", "__init__.py"), *sys.path)

    def test_current_folder(self) -> None:
        """Modules in the current folder, and folders that are no package, are not installed ones."""
        folder = Path(self.mktemp()).resolve()
        (folder / "data").mkdir(parents=True)
        (folder / "shop.py").touch()
        self.assertRefused("shop", "is installed", str(folder))
        self.assertEqual(ProjectName.parse("data", [str(folder)]).package, "data")
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(folder)
        for place in ("", str(folder)):
            self.assertEqual(ProjectName.parse("shop", [place]).package, "shop")
