"""Pieces of Python text for :mod:`unixsvc.stubs`: names, literals, docstrings, and lines that fit.

All that stands in a contract was written by somebody else: here it becomes text that can mean only itself.
"""

from __future__ import annotations

import inspect
import keyword
import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any, Final

__all__ = ["Namer", "class_name", "docstring", "identifier", "laid_out", "literal", "one_line"]

_WIDTH: Final = 88  # ruff's default
_INDENT: Final = " " * 4
_UNFIT: Final = ('"', "\\")  # these would join the quotes that end a text
_OPTICAL: Final = frozenset({"I", "O", "l"})  # to linters, as they look like digits


class Namer:
    """Gives out names, each only once.

    :param taken: what is never given out.
    """

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = set(taken)

    def variable(self, wanted: str) -> str:
        """A name for a field or a parameter: what is taken gets an underscore."""
        name = wanted
        while name in self._taken:
            name += "_"
        self._taken.add(name)
        return name

    def numbered(self, wanted: str) -> str:
        """A name for a class or a method: what is taken gets a number."""
        name, number = wanted, 1
        while name in self._taken:
            number += 1
            name = f"{wanted}_{number}" if wanted[-1:].isdigit() or "_" in wanted else f"{wanted}{number}"
        self._taken.add(name)
        return name


def identifier(text: str, instead: str = "value") -> str:
    """The valid name nearest to a text.

    :param instead: where nothing of the text can be in a name.
    """
    # Python itself normalizes names like this.
    name = re.sub(r"\W", "_", unicodedata.normalize("NFKC", text))
    name = re.sub(r"\A__+", "_", name)  # two would make it private to its class, under another name
    if not name.strip("_"):
        name = instead
    if not name.isidentifier():
        name = f"_{name}"
    if not name.isidentifier():  # digits of other scripts, and the like
        name = instead
    return f"{name}_" if keyword.iskeyword(name) or name in _OPTICAL else name


def class_name(text: str) -> str:
    """A name for a class: the text itself if it is one, else its words with capitals."""
    if text.isidentifier() and identifier(text) == text:
        return text
    words = re.split(r"[\W_]+", unicodedata.normalize("NFKC", text))
    return identifier("".join(word[:1].upper() + word[1:] for word in words), "Schema")


def literal(value: Any) -> str:
    """A JSON value as Python writes it."""
    if isinstance(value, str):
        if '"' in value:
            return repr(value)
        return f'"{repr(chr(39) + value)[2:-1]}"'  # the quote in it makes Python take the other kind
    if isinstance(value, list):
        return f"[{', '.join(map(literal, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{literal(key)}: {literal(each)}' for key, each in value.items())}}}"
    return repr(value)


def docstring(paragraphs: Sequence[str], indent: int) -> list[str]:
    """The lines of a docstring.

    :param paragraphs: those that are empty are left out.
    """
    text = "\n\n".join(found for each in paragraphs if (found := inspect.cleandoc(each).strip()))
    text = "".join(map(_plain, text)).replace('"""', "'''")
    begin = 'r"""' if "\\" in text else '"""'
    begin += " " if text.startswith('"') else ""
    margin = _INDENT * indent
    lines = [line.rstrip() for line in text.split("\n")]
    if len(lines) == 1:
        return [f'{margin}{begin}{text}{" " if text.endswith(_UNFIT) else ""}"""']
    return [f"{margin}{begin}{lines[0]}", *(f"{margin}{line}".rstrip() for line in lines[1:]), f'{margin}"""']


def one_line(text: str) -> str:
    """A text for where a line end would mean something."""
    return "".join(map(_plain, " ".join(text.split())))


def laid_out(head: str, items: Sequence[str], tail: str, indent: int) -> list[str]:
    """What stands in brackets, as ``ruff format`` lays it out: on one line, else an item on each.

    :param items: one that starts with ``#`` is a comment, and belongs to the item after it.
    """
    margin = _INDENT * indent
    line = f"{margin}{head}{', '.join(items)}{tail}"
    if len(line) <= _WIDTH and not any(each.startswith("#") for each in items):
        return [line]
    lines = [each if each.startswith("#") else f"{each}," for each in items]
    return [f"{margin}{head}", *(f"{margin}{_INDENT}{each}" for each in lines), f"{margin}{tail}"]


def _plain(character: str) -> str:
    if character == "\n" or character.isprintable():
        return character
    return " " if character.isspace() else "\N{REPLACEMENT CHARACTER}"
