"""A directive for zope interfaces, which autodoc takes for plain objects."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from importlib import import_module

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective


class AutoInterface(SphinxDirective):
    """``.. autointerface:: package.module.IName``: the interface with its methods.

    It is read from the source, as zope.interface does not keep arguments that are passed by name.
    """

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Describe the interface as a class."""
        module, _, name = self.arguments[0].rpartition(".")
        source = inspect.getsource(import_module(getattr(import_module(module), name).__module__))
        [found] = [
            each for each in ast.parse(source).body if isinstance(each, ast.ClassDef) and each.name == name
        ]
        container = nodes.section()
        container.document = self.state.document
        lines = StringList(list(_lines_of(found, module)), source=self.arguments[0])
        self.state.nested_parse(lines, self.content_offset, container)
        return container.children


def _lines_of(interface: ast.ClassDef, module: str) -> Iterator[str]:
    yield from (f".. py:currentmodule:: {module}", "", f".. py:class:: {interface.name}", "")
    yield from _indented(ast.get_docstring(interface) or "", 1)
    for method in interface.body:
        if isinstance(method, ast.FunctionDef):
            returns = f" -> {ast.unparse(method.returns)}" if method.returns else ""
            yield f"   .. py:method:: {method.name}({ast.unparse(method.args)}){returns}"
            yield ""
            yield from _indented(ast.get_docstring(method) or "", 2)


def _indented(text: str, levels: int) -> Iterator[str]:
    for line in text.splitlines():
        yield "   " * levels + line if line else ""
    yield ""


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("autointerface", AutoInterface)
    return {"parallel_read_safe": True}
