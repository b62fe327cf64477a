from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.differential.texts import (
    without_colours,
    without_help,
    without_html,
    without_json,
    without_module,
    without_stderr,
    without_table,
)

_HELP = """\
Usage: unixsvc [OPTIONS] NAME

  Say it.

Options:
  --json  All of it.

Commands:
  call  One call.
"""
_MODULE = '''\
"""One."""
class A:
    """Two."""

    def f(self) -> int:
        """Three."""
        return 1  # four
'''


class JsonTests(SynchronousTestCase):
    def test_texts(self) -> None:
        """The values of texts are replaced; codes, fields and other values stay."""
        base = b'{"code":422,"message":"Invalid","detail":[{"field":"a","message":"is missing"}]}'
        head = base.replace(b"Invalid", b"Wrong").replace(b"is missing", b"has to be there")
        self.assertEqual(without_json(base), without_json(head))
        self.assertNotEqual(without_json(base), without_json(base.replace(b'"a"', b'"b"')))
        self.assertNotEqual(without_json(base), without_json(base.replace(b"422", b"400")))
        self.assertNotEqual(without_json(base), without_json(base.replace(b'"code":422,', b"")))

    def test_kinds(self) -> None:
        """A text that became another type is a difference."""
        self.assertNotEqual(without_json(b'{"detail":null}'), without_json(b'{"detail":"x"}'))
        self.assertNotEqual(
            without_json(b'{"detail":{"allowed":["GET"]}}'), without_json(b'{"detail":{"allowed":["PUT"]}}')
        )

    def test_order(self) -> None:
        """The order of fields counts."""
        self.assertNotEqual(without_json(b'{"a":1,"b":2}'), without_json(b'{"b":2,"a":1}'))

    def test_no_json(self) -> None:
        """Bytes that are not JSON stay."""
        self.assertEqual(without_json(b"{\xff"), b"{\xff")


class OutputTests(SynchronousTestCase):
    def test_stderr(self) -> None:
        """Of an error output, the code, the fields and the number of lines stay."""
        text = "unixsvc: 422 Invalid arguments\n  limit: is too small\n  lines[0].count: wrong\n"
        self.assertEqual(without_stderr(text), "unixsvc: 422 TEXT\n  limit: TEXT\n  lines[0].count: TEXT")
        self.assertEqual(without_stderr("unixsvc: no such file"), "unixsvc: TEXT")
        self.assertEqual(without_stderr("Traceback"), "TEXT")

    def test_help(self) -> None:
        """Of a help text, options, values and commands stay."""
        text = _HELP
        self.assertEqual(without_help(text), without_help(text.replace("All of it", "Everything")))
        self.assertNotEqual(without_help(text), without_help(text.replace("--json", "--yaml")))
        self.assertNotEqual(without_help(text), without_help(text.replace("  call", "  dial")))
        self.assertNotEqual(without_help(text), without_help(text.replace("NAME", "FILE")))
        self.assertEqual(
            without_help(text), without_help(text.replace("Say it", "Say JSON as in\n\n  unixsvc"))
        )

    def test_help_of_twistd(self) -> None:
        """Its options follow its usage without a blank line."""
        text = "Usage: twistd [options]\nOptions:\n  -c, --config=   A file.\n  --http=  Where.\nIt runs.\n"
        self.assertEqual(without_help(text), "Usage: twistd [options]\n-c, --config=\n--http=")

    def test_colours(self) -> None:
        """Control sequences for a terminal are removed."""
        self.assertEqual(without_colours('\x1b[1;34m"a"\x1b[0m: 1\r\n'), '"a": 1\n')

    def test_module(self) -> None:
        """Of a module, docstrings and comments are removed, and code stays."""
        text = _MODULE
        other = text.replace("One", "1").replace("Two", "2").replace("Three", "3").replace("four", "4")
        self.assertEqual(without_module(text), without_module(other))
        self.assertNotEqual(without_module(text), without_module(text.replace("return 1", "return 2")))
        self.assertEqual(without_module("def f(:"), "def f(:")

    def test_module_of_docstrings(self) -> None:
        """A class that has only a docstring is still a class."""
        self.assertIn("class A", without_module('class A:\n    """One."""\n'))

    def test_table(self) -> None:
        """Of a table of routes, the titles are removed."""
        text = "METHOD  PATH  PUBLIC  TITLE\nGET     /     yes     Says hello\nGET     /a\n"
        self.assertEqual(without_table(text), "METHOD  PATH  PUBLIC\nGET     /     yes\nGET     /a")
        self.assertEqual(without_table("none\n"), "none\n")

    def test_html(self) -> None:
        """Of a page, the tags stay."""
        page = b'<h1 class="x">Title</h1>\n<p>Some text</p>'
        self.assertEqual(without_html(page), b'<h1 class="x">TEXT</h1>\n<p>TEXT</p>')
