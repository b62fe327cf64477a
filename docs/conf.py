"""How sphinx builds these pages."""

import re
import sys
from pathlib import Path

from docutils.nodes import Element
from klein import Klein
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.domains import Domain

import unixsvc.routing.app

unixsvc.routing.app.Klein = Klein  # its annotations name it, and it imports it for type checkers only

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))

project = "unixsvc"
author = copyright = "unixsvc contributors"  # noqa: A001  # sphinx's name for it
extensions = ["sphinx.ext.autodoc", "sphinx.ext.graphviz", "messages", "zope_interfaces"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "unixsvc"
html_static_path = ["_static"]
html_css_files = ["pages.css"]

# Diagrams look the same, and can be read on light and dark pages.
graphviz_output_format = "svg"
graphviz_dot_args = [
    *("-Gbgcolor=transparent", "-Gcolor=#808080", "-Gfontcolor=#767676", "-Gstyle=rounded", "-Gnodesep=0.3"),
    *("-Nshape=box", "-Nstyle=rounded,filled", "-Nfillcolor=#dbe7ff", "-Ncolor=#5b7fb9"),
    *("-Nmargin=0.12,0.06", "-Ecolor=#767676", "-Efontcolor=#767676"),
    *(f"-{each}font{key}" for each in "GNE" for key in ("name=sans-serif", "size=11")),
]

# Every reference in a text has to lead somewhere, but to other projects, as the build uses no network.
nitpicky = True
nitpick_ignore_regex = [
    (r"py:.*", r"(asyncio|contextlib|klein|logging|msgspec|svcs|treq|twisted|zope)\b.*"),
]
linkcheck_ignore = [r"https?://"]
linkcheck_anchors = True

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
python_maximum_signature_line_length = 100
autodoc_default_options = {"members": True}

# Interfaces and defaults that are made for each object.
_NO_PYTHON = re.compile(r"<InterfaceClass ([\w.]+)>|<factory>")


def _is_in_signature(app: Sphinx, domain: Domain, node: Element) -> bool | None:
    """No warning about types in signatures: some are internal, and some sphinx cannot take apart."""
    while node is not None:
        if isinstance(node, addnodes.desc_signature):
            return True
        node = node.parent
    return None


def _as_python(
    app: Sphinx,
    what: str,
    name: str,
    obj: object,
    options: object,
    signature: str | None,
    returns: str | None,
) -> tuple[str | None, str | None]:
    """A signature that sphinx can take apart, so that it shows the names of types without their modules."""
    if signature is not None:
        signature = _NO_PYTHON.sub(lambda found: found[1] or "...", signature)
    return signature, returns


def setup(app: Sphinx) -> None:
    """Connect the handlers."""
    app.connect("warn-missing-reference", _is_in_signature)
    app.connect("autodoc-process-signature", _as_python)
