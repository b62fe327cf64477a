"""Python source text: names, literals, docstrings and formatted lines.

The texts in a contract come from another service. They are escaped here, so that they cannot become code.
"""

from __future__ import annotations

import inspect
import keyword
import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Final

from unixsvc.domain.json import Json

__all__ = ["Namer", "class_name", "docstring", "formatted", "identifier", "literal", "one_line"]

_WIDTH: Final = 88  # ruff's default
_INDENT: Final = " " * 4
_UNSAFE_ENDS: Final = ('"', "\\")  # before the closing quotes of a docstring
_AMBIGUOUS: Final = frozenset({"I", "O", "l"})  # linters reject them (E741)


class Namer:
    """Makes names unique.

    :param taken: reserved names.
    """

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = set(taken)

    def variable(self, name: str) -> str:
        """Return a name for a field or a parameter, with underscores if it is taken."""
        while name in self._taken:
            name += "_"
        self._taken.add(name)
        return name

    def numbered(self, preferred: str) -> str:
        """Return a name for a class or a method, with a number if it is taken."""
        name, number = preferred, 1
        while name in self._taken:
            number += 1
            separator = "_" if preferred[-1:].isdigit() or "_" in preferred else ""
            name = f"{preferred}{separator}{number}"
        self._taken.add(name)
        return name


def identifier(text: str, default: str = "value") -> str:
    """Return the valid identifier that is nearest to a text.

    :param default: the identifier for a text without valid characters.
    """
    # NFKC is the normalization of identifiers in Python.
    name = re.sub(r"\W", "_", unicodedata.normalize("NFKC", text))
    name = re.sub(r"\A__+", "_", name)  # two underscores would mangle the name in a class
    if not name.strip("_"):
        name = default
    if not name.isidentifier():
        name = f"_{name}"
    if not name.isidentifier():  # for example digits of other scripts
        name = default
    return f"{name}_" if keyword.iskeyword(name) or name in _AMBIGUOUS else name


def class_name(text: str) -> str:
    """Return a name for a class: the text if it is valid, otherwise its words in CamelCase."""
    if text.isidentifier() and identifier(text) == text:
        return text
    words = re.split(r"[\W_]+", unicodedata.normalize("NFKC", text))
    return identifier("".join(word[:1].upper() + word[1:] for word in words), "Schema")


def literal(value: Json) -> str:
    """Return the Python literal of a JSON value."""
    if isinstance(value, str):
        if '"' in value:
            return repr(value)
        return f'"{repr(chr(39) + value)[2:-1]}"'  # with a single quote inside, repr() uses double quotes
    if isinstance(value, list):
        return f"[{', '.join(map(literal, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{literal(key)}: {literal(item)}' for key, item in value.items())}}}"
    return repr(value)


def docstring(paragraphs: Sequence[str], indent: int) -> list[str]:
    """Return the lines of a docstring.

    :param paragraphs: empty ones are skipped.
    """
    text = "\n\n".join(clean for each in paragraphs if (clean := inspect.cleandoc(each).strip()))
    text = "".join(map(_printable, text)).replace('"""', "'''")
    opening = 'r"""' if "\\" in text else '"""'
    opening += " " if text.startswith('"') else ""
    margin = _INDENT * indent
    lines = [line.rstrip() for line in text.split("\n")]
    if len(lines) == 1:
        return [f'{margin}{opening}{text}{" " if text.endswith(_UNSAFE_ENDS) else ""}"""']
    return [
        f"{margin}{opening}{lines[0]}",
        *(f"{margin}{line}".rstrip() for line in lines[1:]),
        f'{margin}"""',
    ]


def one_line(text: str) -> str:
    """Return a text without line ends."""
    return "".join(map(_printable, " ".join(text.split())))


def formatted(head: str, items: Sequence[str], tail: str, indent: int) -> list[str]:
    """Format a bracketed list as ``ruff format`` does: on one line, or on one line for each item.

    :param items: an item that starts with ``#`` is a comment on the next item.
    """
    margin = _INDENT * indent
    line = f"{margin}{head}{', '.join(items)}{tail}"
    if len(line) <= _WIDTH and not any(each.startswith("#") for each in items):
        return [line]
    lines = [each if each.startswith("#") else f"{each}," for each in items]
    return [f"{margin}{head}", *(f"{margin}{_INDENT}{each}" for each in lines), f"{margin}{tail}"]


def _printable(character: str) -> str:
    if character == "\n" or character.isprintable():
        return character
    return " " if character.isspace() else "\N{REPLACEMENT CHARACTER}"
