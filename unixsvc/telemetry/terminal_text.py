"""The text format for a person at a terminal: aligned, and in colours."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Final

from unixsvc.telemetry.escapes import escape_line
from unixsvc.telemetry.log_record import LogRecord

__all__ = ["COLOURS", "TerminalFormat", "wants_colours"]

# Of the palette with 256 colours, whose values are fixed: each has a contrast of about 4 or more to white and
# to black, as a terminal does not say which of them its background is.
_FAINT: Final = 243
_LEVEL_COLOURS: Final = {"debug": _FAINT, "warn": 130, "error": 196, "critical": 196}
_NAME_COLOURS: Final = (31, 28, 133, 62)
COLOURS: Final = (*_NAME_COLOURS, *_LEVEL_COLOURS.values())
"""All colours that are used, as numbers of the palette."""

_LEVEL_WIDTH: Final = len("error")
_FIRST_WIDTH: Final = len("orchestrator")
_MAX_WIDTH: Final = 24


def wants_colours(environment: Mapping[str, str]) -> bool:
    """Whether there may be colours, see https://no-color.org."""
    return not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"


class TerminalFormat:
    """Makes the text of each event. The column of the names grows with the names.

    :param colour: whether there are colours.
    """

    def __init__(self, *, colour: bool) -> None:
        self._colour = colour
        self._width = _FIRST_WIDTH

    def __call__(self, record: LogRecord) -> bytes:
        """The lines of an event."""
        name = escape_line(record.namespace)
        self._width = max(self._width, min(len(name), _MAX_WIDTH))
        clock = (
            time.strftime("%H:%M:%S", time.localtime(record.time)) + f".{int(record.time * 1000 % 1000):03d}"
        )
        level = _LEVEL_COLOURS.get(record.level)
        text = f"{record.origin}: {record.text}" if record.origin else record.text
        if record.traceback:
            text += "\n" + record.traceback.rstrip()
        first, *rest = [self._in(escape_line(line), level) for line in text.split("\n")]
        service = name.partition("[")[0]
        colour = _NAME_COLOURS[sum(service.encode()) % len(_NAME_COLOURS)]
        shown = [
            self._in(clock, _FAINT),
            self._in(f"{record.level:{_LEVEL_WIDTH}}", level),
            self._in(f"{name:{self._width}}", colour),
            first,
        ]
        if record.request_id:
            shown.insert(3, self._in(f"[{escape_line(record.request_id)}]", _FAINT))
        indent = " " * (len("00:00:00.000 ") + _LEVEL_WIDTH + 1 + self._width + 1)
        lines = [" ".join(shown), *(indent + line for line in rest)]
        return "".join(f"{line}\n" for line in lines).encode()

    def _in(self, text: str, colour: int | None) -> str:
        return f"\x1b[38;5;{colour}m{text}\x1b[0m" if self._colour and colour is not None else text
