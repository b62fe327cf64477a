"""``unixsvc logs``."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import click
import msgspec
from msgspec import Raw

from unixsvc.cli.completion import complete_service
from unixsvc.cli.known_service import require_service
from unixsvc.cli.output import print_error
from unixsvc.cli.session import Session, location_options
from unixsvc.config.settings import CONTROL_SERVICE
from unixsvc.errors import ConfigError
from unixsvc.telemetry.log_query import LogBatch, LogQuery
from unixsvc.telemetry.log_record import FORMATS, LogRecord
from unixsvc.telemetry.terminal_text import TerminalFormat, wants_colours

__all__ = ["logs"]

_LEVELS: Final = ("debug", "info", "warn", "error")
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_AGE: Final = re.compile(r"(\d+(?:\.\d+)?)([smhd])")
_TIMEOUT: Final = 1e6  # a reader may follow for as long as a timeout can be
_LAST: Final = 10  # events before those that a reader follows


def _parse_age(context: click.Context, parameter: click.Parameter, value: str | None) -> float | None:
    """A time before now, as ``5m``, in seconds since 1970."""
    if value is None:
        return None
    found = _AGE.fullmatch(value)
    if found is None:
        raise click.BadParameter(f"{value!r} is not a time such as 30s, 5m, 2h or 1d", context, parameter)
    return time.time() - float(found[1]) * _UNITS[found[2]]


@click.command()
@click.argument("service", default="", shell_complete=complete_service)
@click.option("-f", "--follow", is_flag=True, help="Go on with events as they come, until Ctrl-C.")
@click.option("--request", "request_id", metavar="ID", default="", help="Only events of this request.")
@click.option("--level", type=click.Choice(_LEVELS), default="debug", help="The lowest level.")
@click.option("--since", callback=_parse_age, metavar="AGE", help="Only events of the last 30s, 5m, 2h, 1d.")
@click.option("-n", "--lines", type=click.IntRange(0), help="Only so many of the last events.")
@click.option("--json", "as_json", is_flag=True, help="Print events as JSON, one on a line.")
@location_options
@click.pass_obj
def logs(
    session: Session,
    service: str,
    follow: bool,
    request_id: str,
    level: str,
    since: float | None,
    lines: int | None,
    as_json: bool,
) -> None:
    """Show the last events of SERVICE, or of all services.

    The orchestrator keeps them in memory, whatever the log is written to. With --since, those that are older
    come from the log file, if there is one. With --follow, the last ten events come first.

    Without --follow, the events of one request are in the order of time, over all workers.
    """
    if follow and lines is None and since is None:
        lines = _LAST
    query = LogQuery(service, request_id, level, since or 0.0, lines, follow)
    printer = _Printer(
        _format(session, as_json),
        _older(session, query),
        lambda: require_service(session, service),
        by_time=bool(request_id) and not follow,
    )
    session.request(
        CONTROL_SERVICE,
        "/logs",
        method="POST",
        data=Raw(msgspec.json.encode(query)),
        timeout=_TIMEOUT,
        on_item=printer.show,
    )
    printer.end()


class _Printer:
    """Prints events.

    :param older: returns the events before the first one; None for no others.
    :param check: called once if there are no events at first: the name of the service may be wrong.
    :param by_time: whether all are printed at the end, in the order of time. The entries of the access log
        arrive a little later than the other events of a worker.
    """

    def __init__(
        self,
        to_line: Callable[[LogRecord], bytes],
        older: Callable[[LogRecord | None], Sequence[LogRecord]] | None,
        check: Callable[[], None],
        *,
        by_time: bool,
    ) -> None:
        self._to_line = to_line
        self._older = older
        self._check = check
        self._is_empty = True
        self._held: list[LogRecord] | None = [] if by_time else None

    def show(self, item: Raw) -> None:
        """Print a batch."""
        batch = msgspec.json.decode(item, type=LogBatch)
        self._show_older(batch.events[0] if batch.events else None)
        if self._is_empty and not batch.events:
            self._check()
        if batch.missed:
            print_error(f"{batch.missed:,} events are missing here: this reader was too slow")
        self._print(batch.events)

    def end(self) -> None:
        """There are no events any more."""
        self._show_older(None)
        if self._is_empty:
            self._check()
        if self._held is not None:
            self._echo(sorted(self._held, key=lambda event: event.time))

    def _show_older(self, first: LogRecord | None) -> None:
        older, self._older = self._older, None
        if older is not None:
            self._print(older(first))

    def _print(self, events: Sequence[LogRecord]) -> None:
        if events:
            self._is_empty = False
            if self._held is None:
                self._echo(events)
            else:
                self._held += events

    def _echo(self, events: Sequence[LogRecord]) -> None:
        click.echo(b"".join(map(self._to_line, events)), nl=False)


def _format(session: Session, as_json: bool) -> Callable[[LogRecord], bytes]:
    if as_json:
        return FORMATS["json"]
    return TerminalFormat(colour=wants_colours(os.environ)) if session.terminal else FORMATS["text"]


def _older(session: Session, query: LogQuery) -> Callable[[LogRecord | None], Sequence[LogRecord]] | None:
    """What reads older events from the log file; None if there is none, or if they are not wanted."""
    path = ""
    if query.since and query.last is None:
        with suppress(ConfigError):
            path = session.configuration.settings.log.file
    if not path or path == "-":
        return None
    from unixsvc.cli.logs.log_file import older_events  # late: only for old events

    def read(first: LogRecord | None) -> Sequence[LogRecord]:
        try:
            return older_events(Path(path), query, first)
        except OSError as error:
            print_error(f"{path}: {error.strerror}: older events are missing")
            return []

    return read
