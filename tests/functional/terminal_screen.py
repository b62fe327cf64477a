"""What a terminal shows: the part of one that the screen of ``unixsvc top`` needs."""

from __future__ import annotations

import re
from io import StringIO
from itertools import groupby
from operator import itemgetter
from typing import Final

from rich.console import Console
from rich.terminal_theme import DEFAULT_TERMINAL_THEME
from rich.text import Text

__all__ = ["TerminalScreen"]

_CONTROL: Final = re.compile(r"\x1b\[(\??)([0-9;]*)([A-Za-z])")
_UNFINISHED: Final = re.compile(r"\x1b(\[[0-9;?]*)?$")
_WRAP: Final = 7  # the mode in which a line goes on below the last column
_FONT: Final = re.compile(r"@font-face \{.*?\}\n", re.DOTALL)


class TerminalScreen:
    """A terminal of one size; each character has one place.

    :ivar modes: the private modes that are set, as 1049, the alternate screen.
    :ivar updates: how many synchronized updates have ended.
    """

    def __init__(self, height: int, width: int) -> None:
        self.modes = {7, 25}
        self.updates = 0
        self._rest = ""
        self._style = ""
        self._row = self._column = 0
        self.resize(height, width)

    def resize(self, height: int, width: int) -> None:
        """Take another size; the screen is empty afterwards."""
        self._height, self._width = height, width
        self._cells = [[("", " ")] * width for _ in range(height)]

    def feed(self, printed: str) -> None:
        """Show what a process has printed."""
        text = self._rest + printed
        unfinished = _UNFINISHED.search(text)
        end = len(text) if unfinished is None else unfinished.start()
        self._rest = text[end:]
        place = 0
        while place < end:
            control = _CONTROL.match(text, place)
            if control is None:
                self._put(text[place])
                place += 1
            else:
                self._control(*control.groups())
                place = control.end()

    def lines(self) -> list[str]:
        """The lines, without styles and the spaces at their ends."""
        return ["".join(char for _, char in row).rstrip() for row in self._cells]

    def text(self) -> str:
        """The lines as one text."""
        return "\n".join(self.lines())

    def picture(self, title: str) -> str:
        """The screen as an SVG that loads nothing."""
        console = Console(
            record=True, width=self._width, file=StringIO(), force_terminal=True, color_system="standard"
        )
        for row in self._cells:
            parts = groupby(row, key=itemgetter(0))
            line = "".join(f"{style}{''.join(char for _, char in part)}\x1b[0m" for style, part in parts)
            console.print(Text.from_ansi(line), no_wrap=True, overflow="crop", highlight=False)
        picture = console.export_svg(title=title, theme=DEFAULT_TERMINAL_THEME, unique_id="top")
        return _FONT.sub("", picture)

    def _put(self, char: str) -> None:
        if char == "\r":
            self._column = 0
        elif char == "\n":
            self._next_line()
        elif char.isprintable():
            if self._column >= self._width:
                if _WRAP not in self.modes:
                    raise AssertionError(f"wrote {char!r} after the last column")
                self._column = 0
                self._next_line()
            self._cells[self._row][self._column] = self._style, char
            self._column += 1

    def _next_line(self) -> None:
        if self._row < self._height - 1:
            self._row += 1
        else:
            self._cells = [*self._cells[1:], [("", " ")] * self._width]

    def _control(self, private: str, numbers: str, letter: str) -> None:
        values = [int(each or 0) for each in numbers.split(";")]
        if private:
            (self.modes.add if letter == "h" else self.modes.discard)(values[0])
            self.updates += (values[0], letter) == (2026, "l")
            if values[0] == 1049:
                self.resize(self._height, self._width)
        elif letter == "H":
            self._row, self._column = values[0] - 1, values[-1] - 1
        elif letter == "K":
            rest = self._width - self._column
            self._cells[self._row][self._column :] = [("", " ")] * rest
        elif letter == "m":
            self._style = "" if values == [0] else f"{self._style}\x1b[{numbers}m"
        else:
            raise AssertionError(f"unknown control: {numbers}{letter}")
