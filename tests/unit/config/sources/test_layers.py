"""Layers of values, and the lines that they are on."""

from __future__ import annotations

import tomllib

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.config.sources.layers import Layer, Layers

FIRST = '''\
# a comment
socket_dir = "run" # x = 1
[services.home]
app = """
[limits]
backlog = 3
""" # the end

"workers" = 2

[services.home.options]
list = [
  # y = 2
  { a = 1 },
  "]",
]
pool.size = 3
"a.b" = { c = 4 }
[[services.home.options.rows]]
x = 1
[[services.home.options.rows]]
x = 2
'''


def layer_of(name: str, text: str) -> Layer:
    """A file as a layer."""
    return Layer(name, tomllib.loads(text), text)


class LineTests(SynchronousTestCase):
    def assert_lines(self, text: str) -> None:
        """The lines of :data:`FIRST` are found."""
        layer = layer_of("a", text)
        for field, line in (
            ("socket_dir", 2),
            ("services.home", 3),
            ("services.home.app", 4),
            ("services.home.workers", 9),
            ("services.home.options", 11),
            ("services.home.options.list", 12),
            ("services.home.options.pool.size", 17),
            ("services.home.options.a.b.c", 18),
            ("services.home.options.rows", 19),
            ("services.home.options.rows.x", 20),
        ):
            self.assertEqual(layer.place_of(field), f"a:{line}", field)

    def test_lines(self) -> None:
        """The line of each key is where its statement begins, whatever texts and comments contain."""
        self.assert_lines(FIRST)

    def test_line_ends(self) -> None:
        """The line ends of Windows make no difference."""
        self.assert_lines(FIRST.replace("\n", "\r\n"))

    def test_no_text(self) -> None:
        """A value that is in no file has no line."""
        self.assertEqual(Layer("the variable X", {"a": 1}).place_of("a"), "the variable X")


class LayersTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Make two layers."""
        self.layers = Layers("a, b")
        self.layers.add(layer_of("a", 'x = 1\n[t]\nlist = [1, 2]\ndeep = { p = 1, q = 2 }\n[u]\nk = "v"\n'))
        self.layers.add(layer_of("b", "y = 2\nu = 5\n[t]\nlist = [3]\ndeep.q = 3\n"))

    def test_merged(self) -> None:
        """Tables are merged, other values are replaced."""
        expected = {"x": 1, "y": 2, "t": {"list": [3], "deep": {"p": 1, "q": 3}}, "u": 5}
        self.assertEqual(self.layers.table, expected)

    def test_untouched(self) -> None:
        """A layer stays as it was when others are added over it."""
        first = self.layers.layer_of("x")
        self.assertEqual(first.table["t"]["deep"] if first else None, {"p": 1, "q": 2})

    def test_origins(self) -> None:
        """A value is from the last layer that has it."""
        for field, name in (("x", "a"), ("t.list", "b"), ("t.deep.p", "a"), ("t.deep.q", "b"), ("u", "b")):
            layer = self.layers.layer_of(field)
            self.assertEqual(layer.name if layer else None, name, field)
        self.assertIsNone(self.layers.layer_of("t.none"))

    def test_sources(self) -> None:
        """A key that is in no layer belongs to the layer of the table around it, or to all."""
        for field, name in (("t.deep.p.z", "a"), ("t.list[3]", "b"), ("t.none", "b"), ("none", "a, b")):
            self.assertEqual(self.layers.source_of(field).name, name, field)

    def test_error(self) -> None:
        """The problems of each layer are together, in one message."""
        error = self.layers.error([("x", "x is 1"), ("y", "y is 2"), ("t.deep.p", "p is 1")])
        self.assertEqual(str(error), "a: x is 1; p is 1; b: y is 2")
