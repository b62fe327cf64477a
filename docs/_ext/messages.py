"""The directive for messages of the program, with anchors and entries in the index."""

from __future__ import annotations

import re
from typing import Final

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

_VALUE: Final = re.compile(r"\{([A-Z]+)\}")


def _parse(env: BuildEnvironment, message: str, signature: addnodes.desc_signature) -> str:
    """Show a message with its values, as ``{PATH}``, in italics.

    :returns: its name in references.
    """
    name = addnodes.desc_name("", "")
    for at, part in enumerate(_VALUE.split(message)):
        if part:
            name += nodes.emphasis(part, part) if at % 2 else nodes.Text(part)
    signature += name
    return _VALUE.sub(r"\1", message)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register ``.. message:: TEXT``, which describes one or more messages."""
    app.add_object_type("message", "message", "single: %s", _parse, objname="message")
    return {"parallel_read_safe": True}
