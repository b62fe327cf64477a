"""The examples of a page are found, executed, and fail where they are wrong."""

from __future__ import annotations

import difflib
import textwrap
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.examples.blocks import Block, examples_of, tutorial_pages
from tests.examples.page import check_page, is_interactive
from tests.examples.texts import Step, apply_diff, matches, steps_of
from unixsvc.errors import ConfigError


class Pages(SynchronousTestCase):
    def page(self, text: str, suffix: str = ".rst") -> Path:
        """A page with this text."""
        path = Path(self.mktemp()).with_suffix(suffix)
        path.write_text(textwrap.dedent(text).lstrip())
        return path.resolve()

    def blocks(self, page: Path) -> list[Block]:
        """What is found on a page."""
        return [each.parsed for each in examples_of(page, lambda block: None)]


class BlocksTests(Pages):
    """How blocks are marked."""

    def test_rest(self) -> None:
        """A block has its language, its first line, its caption, and the reason not to execute it."""
        page = self.page("""
            Title

            .. code-block:: python
               :caption: items.py

                x = 1

            .. not-run: takes
               an hour

            .. code-block:: console

                $ sleep 3600

            .. invisible-code-block: python

                y = 2
        """)
        python, console, hidden = self.blocks(page)
        self.assertEqual((python.language, python.source.strip(), python.line), ("python", "x = 1", 6))
        self.assertEqual((python.caption, python.reason), ("items.py", ""))
        self.assertEqual((console.language, console.reason), ("console", "takes\n   an hour"))
        self.assertEqual((hidden.language, hidden.source.strip(), hidden.reason), ("python", "y = 2", ""))

    def test_markdown(self) -> None:
        """The same in Markdown, with comments."""
        page = self.page(
            """
            <!-- file: items.py -->
            ```python
            x = 1
            ```

            <!-- not-run: takes an hour -->
            ```console
            $ sleep 3600
            ```
            """,
            ".md",
        )
        python, console = self.blocks(page)
        self.assertEqual((python.language, python.source, python.caption), ("python", "x = 1\n", "items.py"))
        self.assertEqual((console.language, console.reason), ("console", "takes an hour"))

    def test_interactive(self) -> None:
        """A page needs processes if it has a shell session that is executed."""
        session = ".. code-block:: console\n\n    $ true\n"
        self.assertTrue(is_interactive(self.page(session)))
        self.assertFalse(is_interactive(self.page(f".. not-run: takes an hour\n\n{session}")))


class DiffTests(SynchronousTestCase):
    """Changes of files."""

    def test_lines(self) -> None:
        """Lines are removed and added where the unchanged ones are."""
        self.assertEqual(apply_diff("a\nb\n\nc\n", " b\n\n-c\n+d\n+e\n"), "a\nb\n\nd\ne\n")

    def test_parts(self) -> None:
        """A part is after the line that it names, else after the part before."""
        text = "one:\n  x\ntwo:\n  x\n  x\n"
        self.assertEqual(apply_diff(text, "@@ two\n-  x\n+  y\n"), "one:\n  x\ntwo:\n  y\n  x\n")
        parts = "-  x\n+  y\n@@ two\n   x\n+  z\n"
        self.assertEqual(apply_diff(text, parts), "one:\n  y\ntwo:\n  x\n  z\n  x\n")

    def test_wrong(self) -> None:
        """A change that fits nowhere, or after no such line, is an error."""
        error = self.assertRaises(AssertionError, apply_diff, "a\n", "-b\n+c\n")
        self.assertIn("does not fit", str(error))
        self.assertRaises(AssertionError, apply_diff, "a\n", "@@ two\n-a\n")

    def test_tutorial(self) -> None:
        """The tutorial has all of its pages, and takes at most 30 minutes to type, at 40 words a minute."""
        pages = tutorial_pages()
        self.assertEqual({*pages}, {*pages[0].parent.glob("*.rst")})
        blocks = [each.parsed for page in pages for each in examples_of(page, lambda block: None)]
        self.assertLess(sum(typed(each) for each in blocks), 30 * 40 * 5)


def typed(block: Block) -> int:
    """The characters that a reader types; of a changed line only those that are new."""
    if block.language == "console":
        lines = [line[2:] for line in block.source.splitlines() if line.startswith("$ ")]
    elif block.language == "diff":
        removed = [line[1:] for line in block.source.splitlines() if line.startswith("-")]
        added = [line[1:] for line in block.source.splitlines() if line.startswith("+")]
        return sum(min(len(line.strip()), *(_new(old, line) for old in ["", *removed])) + 1 for line in added)
    else:
        lines = block.source.splitlines() if block.caption else []
    return sum(len(line.strip()) + 1 for line in lines)


def _new(old: str, new: str) -> int:
    codes = difflib.SequenceMatcher(None, old, new).get_opcodes()
    return sum(end - start for kind, _, _, start, end in codes if kind != "equal")


class CheckTests(Pages):
    """What is wrong with a page is an error that names the example."""

    def assertWrong(self, kind: type[Exception], words: str, text: str) -> None:
        """The page fails with this."""
        error = self.assertRaises(kind, check_page, self.page(text))
        self.assertIn(words, f"{error} {getattr(error, '__notes__', '')}")

    def test_python(self) -> None:
        """Python is executed, with the names of earlier blocks; the error names the line."""
        self.assertWrong(
            AssertionError,
            "rst:7",
            """
            .. code-block:: python

                x = 1

            .. code-block:: python

                y = x + 1
                assert y == 3
            """,
        )

    def test_test_case(self) -> None:
        """A test case of a page is run."""
        self.assertWrong(
            AssertionError,
            "1 != 2",
            """
            .. code-block:: python

                import unittest

                class Tests(unittest.TestCase):
                    def test(self):
                        self.assertEqual(1, 2)
            """,
        )

    def test_toml(self) -> None:
        """A configuration is read by the loader, also a part of one."""
        text = ".. code-block:: toml\n\n    [limits]\n    {}\n"
        check_page(self.page(text.format("backlog = 5")))
        self.assertWrong(ConfigError, "backlock", text.format("backlock = 5"))

    def test_json(self) -> None:
        """JSON is JSON."""
        self.assertWrong(ValueError, "", ".. code-block:: json\n\n    {'a': 1}\n")

    def test_unknown_language(self) -> None:
        """A block that cannot be executed has to say why."""
        text = ".. code-block:: cobol\n\n    STOP RUN.\n"
        self.assertWrong(AssertionError, "cobol", text)
        self.assertWrong(AssertionError, "no reason", f".. not-run: later\n\n{text}")
        check_page(self.page(f".. not-run: there is no compiler here\n\n{text}"))

    def test_unused_file(self) -> None:
        """A file that no other example uses is not shown to work."""
        self.assertWrong(
            AssertionError,
            "no other example",
            ".. code-block:: python\n   :caption: lonely.py\n\n    x = 1\n",
        )


class ConsoleTests(SynchronousTestCase):
    """How a shell session is read and compared."""

    def test_steps(self) -> None:
        """Commands may continue on the next line; their output is below them."""
        session = "$ echo a \\\n  b\na b\n$ true\n$ echo c\nc\n"
        steps = [Step("echo a \\\n  b", "a b"), Step("true", ""), Step("echo c", "c")]
        self.assertEqual(list(steps_of(session)), steps)
        self.assertRaises(AssertionError, list, steps_of("echo a"))

    def test_matches(self) -> None:
        """Dots stand for anything in a line, or for lines; columns may have another width."""
        for expected, found in (
            ("a", "a"), ("a ... c", "a b c"), ("...\nc", "a\nb\nc"), ("a\n...", "a\nb\nc"), ("a\n...", "a"),
            ("A  B", "A     B"), ("(a) …", "(a) b"),
        ):  # fmt: skip
            self.assertTrue(matches(expected, found), (expected, found))
        for expected, found in (("a", "b"), ("a", "a\nb"), ("a ... c", "a b\nc"), ("1 s", "2 s")):
            self.assertFalse(matches(expected, found), (expected, found))
        self.assertTrue(matches("1.25 s", "20 s", numbers=False))
        self.assertTrue(matches("up 3d 4h, next 0s", "up 7m 1s, next 12s", numbers=False))
