"""The examples of the documentation that run services do what the pages say."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from twisted.trial.unittest import SynchronousTestCase

from tests.examples.blocks import ROOT, pages
from tests.examples.page import check_page, is_interactive

_NEED: Final = {"tracing": "opentelemetry"}


class PagesTests(SynchronousTestCase):
    """One test for each page; what it executes is described in ``tests/examples``."""


def _test_of(page: Path) -> Callable[[SynchronousTestCase], None]:
    def test(self: SynchronousTestCase) -> None:
        check_page(page)

    test.__doc__ = f"What {page.relative_to(ROOT)} shows works."
    if page.stem in _NEED and find_spec(_NEED[page.stem]) is None:
        test.skip = f"needs {_NEED[page.stem]}"  # type: ignore[attr-defined]  # trial's way
    return test


for _page in pages():
    if is_interactive(_page):
        _name = "_".join(_page.relative_to(ROOT).with_suffix("").parts).replace("-", "_")
        setattr(PagesTests, f"test_{_name}", _test_of(_page))


class TerminalsTests(SynchronousTestCase):
    def test_terminals(self) -> None:
        """A caption names the terminal; each has a shell of its own, in the folder where the page starts."""
        text = """
.. code-block:: console
   :caption: first terminal

    $ mkdir a && cd a && X=1
    $ basename $PWD; echo $X
    a
    1

.. code-block:: console
   :caption: second terminal

    $ ls; echo $X
    a
    run
    ...

.. code-block:: console

    $ X=2

.. code-block:: console
   :caption: first terminal

    $ echo $X
    1
"""
        page = Path(self.mktemp()).with_suffix(".rst")
        page.write_text(text)
        check_page(page.resolve())


class WrongExamplesTests(SynchronousTestCase):
    """An example that shows something else than what happens fails."""

    def assertWrong(self, words: str, text: str) -> None:
        """The page fails with this."""
        page = Path(self.mktemp()).with_suffix(".rst")
        page.write_text(text)
        self.assertIn(words, str(self.assertRaises(AssertionError, check_page, page.resolve())))

    def test_output(self) -> None:
        """A command prints something else."""
        self.assertWrong("found:\nb", ".. code-block:: console\n\n    $ echo b\n    a\n")

    def test_failure(self) -> None:
        """A command fails, but the page does not say so."""
        self.assertWrong("ended with 3", ".. code-block:: console\n\n    $ (exit 3)\n")

    def test_server(self) -> None:
        """A server does not start."""
        text = ".. code-block:: console\n\n    $ twistd -n unixsvc --config nothing.toml\n"
        self.assertWrong("nothing.toml: no such file", text)

    def test_exchange(self) -> None:
        """A service answers something else."""
        text = """.. code-block:: console

    $ twistd -n unixsvc --no-http

.. code-block:: text
   :class: exchange

    C: {"id": 1, "path": "/"}
    S: {"id": 1, "code": 200, "data": {"message": "Goodbye"}}
"""
        self.assertWrong("Hello World", text)
