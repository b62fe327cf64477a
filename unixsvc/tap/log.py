"""The log of the orchestrator's process."""

from __future__ import annotations

import os
from collections.abc import Callable

from msgspec import Struct
from twisted.logger import ILogObserver

from unixsvc.errors import ConfigError
from unixsvc.tap.options import Options
from unixsvc.telemetry.log_file import AppendedFile, LogOutput, OutputDescriptor
from unixsvc.telemetry.log_record import FORMATS, LogRecord, lost_events
from unixsvc.telemetry.log_ring import LogRing
from unixsvc.telemetry.log_sink import LogSink
from unixsvc.telemetry.log_writer import LogWriter
from unixsvc.telemetry.logs import LogLevelFilter
from unixsvc.telemetry.stdlib.handlers import PythonLogging

__all__ = ["ProcessLog", "make_log"]


class ProcessLog(Struct, frozen=True):
    """The log of this process.

    :ivar python: what Python's own logging adds to it.
    :ivar sink: takes the events; None if an observer of ``twistd --logger`` does.
    """

    observer: ILogObserver
    writer: LogWriter
    python: PythonLogging
    sink: LogSink | None = None


def make_log(options: Options, level: LogLevelFilter) -> ProcessLog:
    """Open the log that the options and the configuration name.

    :raises ConfigError: if its file cannot be opened.
    """
    form = options["log-format"] or options["settings"].log.format
    output = _log_output(options)
    to_line = _line_format(form, options["settings"].log.fields, output)
    writer = LogWriter(output, lambda number, reason: (to_line or FORMATS[form])(lost_events(number, reason)))
    size = options["settings"].log.ring_bytes
    sink = LogSink(form, writer, LogRing(size) if size else None, to_line)
    foreign = bool((options.parent or {}).get("logger"))
    return ProcessLog(level.filter(sink), writer, PythonLogging(level.observe), None if foreign else sink)


def _line_format(form: str, fields: str, output: LogOutput) -> Callable[[LogRecord], bytes] | None:
    """What makes the lines instead of the format; None for that."""
    # The modules are imported late: few logs have other fields, or are on a terminal.
    if form == "json" and fields != "unixsvc":
        from unixsvc.telemetry.log_fields import FIELD_NAMES

        return FIELD_NAMES[fields]
    if form == "text" and isinstance(output, OutputDescriptor) and os.isatty(output.descriptor):
        from unixsvc.telemetry.terminal_text import TerminalFormat, wants_colours

        return TerminalFormat(colour=wants_colours(os.environ))
    return None


def _log_output(options: Options) -> LogOutput:
    """The log file that ``twistd`` or the configuration names, or else standard output.

    :raises ConfigError: if it cannot be opened.
    """
    twistd = options.parent or {"nodaemon": True, "logfile": None}
    path = twistd["logfile"] or options["settings"].log.file or ("-" if twistd["nodaemon"] else "twistd.log")
    if path == "-":
        return OutputDescriptor(1)
    try:
        return AppendedFile(os.path.abspath(path))
    except OSError as error:
        raise ConfigError(
            path, f"the log file cannot be opened: {error.strerror}", "choose another --logfile"
        ) from None
