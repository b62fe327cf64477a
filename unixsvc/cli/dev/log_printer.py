"""The log of all services on a terminal."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable, Iterable
from typing import Final

import click
import msgspec

from unixsvc.telemetry.escapes import escape_line
from unixsvc.telemetry.log_record import LogRecord

__all__ = ["LogPrinter"]

OWN_NAME: Final = "dev"
_ORCHESTRATOR: Final = "orchestrator"
_COLOURS: Final = (
    "cyan",
    "yellow",
    "green",
    "magenta",
    "blue",
    "bright_cyan",
    "bright_green",
    "bright_magenta",
)
_LEVEL_COLOURS: Final = {"warn": "yellow", "error": "red", "critical": "red"}
_SLOT: Final = len("[1]")
# Code that cannot start: another line has the reason, with file and line number.
_REPEATED: Final = ("cannot load ", "the new workers cannot start, the old ones stay: ")
_CANNOT_START: Final = re.compile("(?:worker .+ exited with code 3|cannot start): (?P<reason>.+)", re.DOTALL)
# Loggers of Twisted, whose lines say nothing about a service.
_TWISTED: Final = ("twisted.", "log_legacy")


class LogPrinter:
    """Prints each event with the name of its service before it; paths are relative. Any thread may call it.

    :param write: prints one text with its line end.
    :param colour: whether each service has a colour.
    """

    def __init__(self, write: Callable[[str], object], services: Iterable[str], *, colour: bool) -> None:
        self._write = write
        self._colour = colour
        self._colours: dict[str, str] = {}
        self._width = len(_ORCHESTRATOR)
        self.add_services(services)
        self._here = os.path.join(os.getcwd(), "")
        self._lock = threading.Lock()
        self._problem = ""  # the last one

    def add_services(self, names: Iterable[str]) -> None:
        """Show the events of further services under their own names."""
        for name in names:
            self._colours.setdefault(name, _COLOURS[len(self._colours) % len(_COLOURS)])
            self._width = max(self._width, len(name) + _SLOT)

    def print_line(self, line: bytes) -> LogRecord | None:
        """Print one line of the JSON log.

        :returns: the event; None for text that is not one.
        """
        try:
            record = msgspec.json.decode(line, type=LogRecord)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self._print(_ORCHESTRATOR, time.time(), "info", line.decode("utf-8", "replace").rstrip("\n"))
            return None
        if self._is_repeated(record):
            return record
        if record.level in ("debug", "info") and record.namespace.startswith(_TWISTED):
            return record
        text = f"{record.origin}: {record.text}" if record.origin else record.text
        # Those of the orchestrator are of "unixsvc dev" itself, which asks it for each reload.
        if record.request_id and record.namespace != _ORCHESTRATOR:
            text = f"[{record.request_id}] {text}"
        if record.traceback:
            text += "\n" + record.traceback.rstrip()
        self._print(record.namespace, record.time, record.level, text)
        return record

    def _is_repeated(self, record: LogRecord) -> bool:
        """Whether the line before the event has the same reason why code cannot start."""
        if record.message.startswith(_REPEATED):
            return True
        if record.level in ("debug", "info"):
            return False
        found = _CANNOT_START.match(record.message)
        if found is not None and found["reason"] in self._problem:
            return True
        self._problem = record.message
        return False

    def say(self, text: str, *, level: str = "info") -> None:
        """Print a message of ``unixsvc dev`` itself."""
        self._print(OWN_NAME, time.time(), level, text)

    def _print(self, name: str, when: float, level: str, text: str) -> None:
        service = name.partition("[")[0]
        shown = name if service in self._colours or name == OWN_NAME else _ORCHESTRATOR
        clock = time.strftime("%H:%M:%S", time.localtime(when))
        prefix = self._style(f"{clock} {shown:<{self._width}} |", self._colours.get(service, "bright_black"))
        if level not in ("info", "debug"):
            text = f"{level}: {text}"
        colour = _LEVEL_COLOURS.get(level)
        text = text.replace(self._here, "")
        lines = [f"{prefix} {self._style(escape_line(line), colour)}" for line in text.split("\n")]
        with self._lock:
            self._write("\n".join(lines) + "\n")

    def _style(self, text: str, colour: str | None) -> str:
        return click.style(text, fg=colour) if self._colour and colour else text
