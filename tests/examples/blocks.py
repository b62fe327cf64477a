"""Finds the code blocks of a page.

A page marks its blocks with what its readers see, and with comments:

=====================================================  ===================================================
reStructuredText                                       meaning
=====================================================  ===================================================
``.. code-block:: python``                             executed in the page's namespace
``.. code-block:: python``, ``:caption: items.py``     written to that file of the page's folder
the same, ``:caption: items.py, continued``            appended to that file
``.. code-block:: toml``                               read by the settings loader; with a caption written
``.. code-block:: toml``, ``:caption: a.toml over b``  written to a.toml, read over b.toml
``.. code-block:: console``                            commands after ``$``, and what they print
``.. code-block:: console``, ``:class: numbers-vary``  the same, but numbers need not be the same
``.. code-block:: console``, ``:caption: a terminal``  the same in that terminal, as what follows
``.. code-block:: console`` without ``$``              what the running server prints; ``^C`` is Ctrl-C
``.. code-block:: diff``, ``:caption: items.py``       a change of that file, see ``apply_diff`` in ``texts``
``.. code-block:: json``                               is JSON
``.. code-block:: text``, ``:class: exchange``         messages to and from a service
``.. invisible-code-block: python``                    the same as a comment: executed, not shown
``.. not-run: REASON``                                 the next block is not executed, for this reason
=====================================================  ===================================================

In Markdown the last two are HTML comments, and a file has ``<!-- file: items.py -->`` before its block.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from msgspec import Struct
from sybil import Document, Example, Region
from sybil.parsers.markdown.lexers import DirectiveInHTMLCommentLexer, FencedCodeBlockLexer
from sybil.parsers.rest.lexers import DirectiveInCommentLexer, DirectiveLexer
from sybil.typing import Lexer

__all__ = ["CONTINUED", "DATABASES", "ROOT", "Block", "examples_of", "pages", "tutorial_pages"]

ROOT: Final = Path(__file__).resolve().parents[2]
DATABASES: Final = ROOT / "docs" / "how-to" / "databases.rst"
"""The page with examples for real servers, which ``tests/databases`` starts."""
_TUTORIAL: Final = ROOT / "docs" / "tutorial"

CONTINUED: Final = ", continued"
"""The end of the caption of a block that is appended to a file."""

_REASONS: Final = {
    ".rst": re.compile(r"^[ \t]*\.\. not-run: (?P<reason>[^\n]+(?:\n[ \t]+[^\n]+)*)\n\n\Z", re.MULTILINE),
    ".md": re.compile(r"^<!-- not-run: (?P<reason>(?:(?!-->).)*) -->\n\Z", re.MULTILINE | re.DOTALL),
}
_FILE: Final = re.compile(r"^[ \t]*<!-- file: (?P<name>\S+) -->\n\Z", re.MULTILINE)
_LEXERS: Final[dict[str, tuple[Lexer, ...]]] = {
    ".rst": (DirectiveLexer("code-block"), DirectiveInCommentLexer("invisible-code-block")),
    ".md": (FencedCodeBlockLexer(r"\w*"), DirectiveInHTMLCommentLexer("invisible-code-block")),
}


class Block(Struct, frozen=True):
    """One code block.

    :ivar line: of its source, from 1.
    :ivar caption: in which a file has its name.
    :ivar kind: its class; ``exchange`` is one with a service.
    :ivar reason: why it is not executed; empty if it is.
    """

    language: str
    source: str
    line: int
    caption: str = ""
    kind: str = ""
    reason: str = ""


def pages() -> list[Path]:
    """The README and every page of the documentation that may have examples, but no database servers.

    The pages of the tutorial belong together, and are left out.
    """
    others = {DATABASES, *_TUTORIAL.glob("*.rst")}
    return [ROOT / "README.md", *sorted({*(ROOT / "docs").rglob("*.rst")} - others)]


def tutorial_pages() -> list[Path]:
    """The pages of the tutorial, in their order."""
    index = _TUTORIAL / "index.rst"
    names = re.findall(r"^   ([a-z-]+)$", index.read_text("utf-8"), re.MULTILINE)
    return [index, *(_TUTORIAL / f"{name}.rst" for name in names)]


def examples_of(page: Path, evaluate: Callable[[Block], None]) -> list[Example]:
    """The blocks of a page, in their order.

    :param evaluate: executes one; what it raises is the failure of that example.
    """

    def evaluator(example: Example) -> None:
        evaluate(example.parsed)

    def parse(document: Document) -> Iterator[Region]:
        for lexer in _LEXERS[page.suffix]:
            for found in lexer(document):
                yield Region(found.start, found.end, _block_of(document, found), evaluator)

    return list(Document.parse(str(page), parse))


def _block_of(document: Document, region: Region) -> Block:
    lexemes = region.lexemes
    before = document.text[: region.start]
    start = before.count("\n") + 1
    source = lexemes["source"]
    options = lexemes.get("options", {})
    reason = _REASONS[Path(document.path).suffix].search(before)
    file = _FILE.search(before)
    return Block(
        language=(lexemes.get("language") or lexemes.get("arguments") or "").strip(),
        source=str(source),
        line=start + source.line_offset + 1,
        caption=options.get("caption", file["name"] if file else ""),
        kind=options.get("class", ""),
        reason=reason["reason"] if reason else "",
    )
