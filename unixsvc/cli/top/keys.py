"""The keys in what a terminal sends."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

__all__ = ["keys_in"]

# Cursor keys have "[" or, in the mode for applications, "O"; numbers in between are held modifiers.
_SEQUENCE: Final = re.compile(r"\x1b(?:\[|O)([0-9;]*)([A-Za-z~])")
_LETTERS: Final = {
    "A": "up",
    "B": "down",
    "C": "right",
    "D": "left",
    "F": "end",
    "H": "home",
}
_NUMBERS: Final = {"1": "home", "4": "end", "5": "pageup", "6": "pagedown", "7": "home", "8": "end"}
_CONTROLS: Final = {"\r": "enter", "\n": "enter", "\x7f": "backspace", "\b": "backspace", "\x1b": "esc"}


def keys_in(typed: bytes) -> Iterator[str]:
    """The keys: characters, or names as ``up``; unknown ones are left out.

    :param typed: what was read at once, as terminals send the sequence of a key in one piece.
    """
    text = typed.decode("utf-8", "ignore")
    place = 0
    while place < len(text):
        found = _SEQUENCE.match(text, place)
        if found is None:
            key = _CONTROLS.get(text[place], text[place])
            place += 1
        else:
            number, letter = found.groups()
            first = number.partition(";")[0]
            key = _NUMBERS.get(first, "") if letter == "~" else _LETTERS.get(letter, "")
            place = found.end()
        if len(key) > 1 or key.isprintable():
            yield from (key,) if key else ()
