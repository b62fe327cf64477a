"""``unixsvc events``: what has happened to services."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

import click
import msgspec
from msgspec import Raw, Struct

from unixsvc.cli.completion import complete_service
from unixsvc.cli.known_service import require_service
from unixsvc.cli.output import print_json, print_line
from unixsvc.cli.session import Session, location_options
from unixsvc.config.settings import CONTROL_SERVICE
from unixsvc.domain.validation.field_errors import shortened
from unixsvc.errors import BadGateway, ConfigError
from unixsvc.schedules.duration import parse_duration
from unixsvc.telemetry.escapes import escape_line

__all__ = ["events", "parse_since"]

_NO_LIMIT: Final = 86_400.0 * 365  # seconds
_BAD: Final = ("worker.died", "service.failed", "reload.failed", "certificate.failed", "breaker.open")


class _Event(Struct, frozen=True):
    time: datetime | None = None
    kind: str = ""
    service: str = ""
    pid: int | None = None
    slot: int | None = None
    reason: str = ""
    details: dict[str, msgspec.Raw] = {}


@click.command()
@click.argument("service", default="", shell_complete=complete_service)
@click.option("-f", "--follow", is_flag=True, help="Go on with the events that happen, until Ctrl-C.")
@click.option(
    "--since",
    metavar="TIME",
    help="First time to show, as 10m (ago) or 2026-01-31T12:00 [default: all that are kept; with -f, now].",
)
@click.option("--json", "as_json", is_flag=True, help="Print each event as JSON, on a line of its own.")
@location_options
@click.pass_obj
def events(session: Session, service: str, follow: bool, since: str | None, as_json: bool) -> None:
    """Show what has happened to services: starts, deaths, reloads, changes of tokens, circuit breakers.

    The orchestrator keeps the latest 2,000 events of all services.
    """
    data: dict[str, object] = {"service": service}
    if since is not None:
        data["since"] = parse_since(since, datetime.now(UTC))
    encoded = Raw(msgspec.json.encode(data))

    def show(item: Raw) -> None:
        _show(item, as_json=as_json, terminal=session.terminal)

    if follow:
        require_service(session, service)
        session.request(CONTROL_SERVICE, "/events/follow", data=encoded, timeout=_NO_LIMIT, on_item=show)
        return
    raw = session.request(CONTROL_SERVICE, "/events", data=encoded)
    try:
        found = msgspec.json.decode(raw, type=list[Raw])
    except msgspec.DecodeError as error:
        raise BadGateway(f"the reply cannot be read: {shortened(str(error))}") from None
    if not found:
        require_service(session, service)
    for each in found:
        show(each)


def parse_since(text: str, now: datetime) -> datetime:
    """The time that ``--since`` names: a duration before now, or a time, which is local without an offset.

    :raises click.BadParameter: if it is neither.
    """
    try:
        return now - timedelta(seconds=parse_duration(text, "--since"))
    except (ConfigError, OverflowError):
        pass
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        problem = f"{text!r} is neither a duration, as 10m, nor a time, as 2026-01-31T12:00"
        raise click.BadParameter(problem, param_hint="--since") from None


def _show(item: Raw, *, as_json: bool, terminal: bool) -> None:
    if as_json:
        print_json(item, terminal=False)
        return
    try:
        event = msgspec.json.decode(item, type=_Event)
    except msgspec.DecodeError as error:
        raise BadGateway(f"an event cannot be read: {shortened(str(error))}") from None
    line = _describe(event)
    if terminal and event.kind in _BAD:
        click.secho(escape_line(line), fg="red")
    else:
        print_line(line)


def _describe(event: _Event) -> str:
    time = "" if event.time is None else event.time.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    who = event.service
    if event.slot is not None:
        who += f"[{event.slot}]"
    if event.pid is not None:
        who += f" (pid {event.pid})" if who else f"pid {event.pid}"
    details = ", ".join(f"{name} {bytes(value).decode()}" for name, value in event.details.items())
    parts = (time, event.kind, who, event.reason or details)
    return "  ".join(filter(None, parts))
