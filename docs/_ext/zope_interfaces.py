"""A directive for zope interfaces, which autodoc takes for plain objects."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from zope.interface.interface import InterfaceClass, Method


class AutoInterface(SphinxDirective):
    """``.. autointerface:: package.module.IName``: the interface with its methods and attributes."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Describe the interface as a class."""
        module, _, name = self.arguments[0].rpartition(".")
        interface: InterfaceClass = getattr(import_module(module), name)
        lines = list(_lines_of(interface, module))
        container = nodes.section()
        container.document = self.state.document
        self.state.nested_parse(StringList(lines, source=self.arguments[0]), self.content_offset, container)
        return container.children


def _lines_of(interface: InterfaceClass, module: str) -> Iterator[str]:
    yield f".. py:currentmodule:: {module}"
    yield ""
    yield f".. py:class:: {interface.__name__}"
    yield ""
    yield from _indented(inspect.getdoc(interface) or "", 1)
    for name in interface.names():
        described: Any = interface[name]
        if isinstance(described, Method):
            yield f"   .. py:method:: {name}{described.getSignatureString()}"
        else:
            yield f"   .. py:attribute:: {name}"
        yield ""
        yield from _indented(inspect.cleandoc(described.getDoc() or ""), 2)


def _indented(text: str, levels: int) -> Iterator[str]:
    for line in text.splitlines():
        yield "   " * levels + line if line else ""
    yield ""


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("autointerface", AutoInterface)
    return {"parallel_read_safe": True}
