"""Escapes for texts of peers and applications that are shown to people."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import Final

__all__ = ["escape_json", "escape_line"]

# They hide a part of a text, begin a line, or control a terminal: controls, format characters such as U+202E,
# separators of lines and paragraphs, surrogates.
_UNSAFE: Final = frozenset({"Cc", "Cf", "Zl", "Zp", "Cs"})

_LAST_UNIT: Final = 0xFFFF  # the highest code that UTF-16 has in one unit


def escape_line(line: str) -> str:
    r"""Escape unsafe characters of a line as Python does, such as ``\x1b``; tabs are kept."""
    return _escape(line, "\t", _python_escape)


def escape_json(text: str) -> str:
    r"""Escape unsafe characters of a JSON document, such as ``\u202e``; its meaning stays the same."""
    return _escape(text, "\n", _json_escape)


def _escape(text: str, kept: str, escape: Callable[[str], str]) -> str:
    if text.isprintable():
        return text
    return "".join(
        escape(char) if unicodedata.category(char) in _UNSAFE and char != kept else char for char in text
    )


# No codecs: Python imports their modules at their first use, and the user of a worker may not be able to read
# them.


def _python_escape(char: str) -> str:
    return ascii(char)[1:-1]


def _json_escape(char: str) -> str:
    code = ord(char)
    if code <= _LAST_UNIT:
        return f"\\u{code:04x}"
    code -= _LAST_UNIT + 1
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"
