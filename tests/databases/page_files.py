"""Writes the Python files of the how-to page."""

from __future__ import annotations

from pathlib import Path

from tests.examples.blocks import DATABASES, Block, examples_of

__all__ = ["write_page_files"]


def write_page_files(folder: Path) -> None:
    """Write them to a folder."""
    for each in examples_of(DATABASES, lambda block: None):
        block: Block = each.parsed
        if block.language == "python" and block.caption:
            path = folder / block.caption
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.source)
