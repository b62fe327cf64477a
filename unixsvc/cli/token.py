"""``unixsvc token``: the shared token and the tokens with names."""

from __future__ import annotations

import re
from typing import Final

import click
import msgspec
from msgspec import Raw, Struct

from unixsvc.cli.output import print_table
from unixsvc.cli.session import Session, location_options
from unixsvc.config.settings import CONTROL_SERVICE, SHARED_TOKEN
from unixsvc.errors import BadGateway

__all__ = ["token"]

_UNITS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_DURATION: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)([smhd]?)")
_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,62}")


def _to_seconds(context: click.Context, parameter: click.Parameter, value: str) -> float:
    """Convert a time with a unit, as ``90s``, ``30m``, ``1h`` or ``2d``, or a number of seconds."""
    match = _DURATION.fullmatch(value)
    if match is None:
        raise click.BadParameter(f"{value!r} is not a duration; write it as 90s, 30m, 1h or 2d")
    return float(match[1]) * _UNITS[match[2] or "s"]


@click.group(no_args_is_help=False)
@location_options
def token() -> None:
    """Manage the tokens of requests."""


@token.command()
@location_options
@click.pass_obj
def show(session: Session) -> None:
    """Print the shared token, or that of the environment."""
    click.echo(session.credentials().token)


@token.command()
@click.argument("name")
@click.option(
    "--service",
    "services",
    metavar="SERVICE",
    multiple=True,
    required=True,
    help="A service that the token may call, or '*'; may be repeated.",
)
@click.option(
    "--route",
    "routes",
    metavar="ROUTE",
    multiple=True,
    help="A route that it may call there, such as 'GET /user/{id}'; may be repeated [default: all].",
)
@location_options
def create(name: str, services: tuple[str, ...], routes: tuple[str, ...]) -> None:
    """Make a token with a NAME of its own.

    The token is printed on standard output, and a table for the configuration on standard error. Nothing is
    changed.
    """
    from unixsvc.security.access import RouteRules, digest_of  # late: the other commands need no routes
    from unixsvc.security.token_file import create_token

    if name == SHARED_TOKEN or not _NAME.fullmatch(name):
        remedy = f"use lower-case letters, digits, '-' and '_', and not {SHARED_TOKEN!r}"
        raise click.UsageError(f"{name!r} is not a valid name; {remedy}")
    RouteRules(routes)
    new = create_token()
    table = [f"[tokens.{name}]", f'sha256 = "{digest_of(new)}"', f"services = {_toml_list(services)}"]
    if routes:
        table.append(f"routes = {_toml_list(routes)}")
    click.echo(new)
    click.echo("\n".join(table), err=True)


@token.command("ls")
@location_options
@click.pass_obj
def list_tokens(session: Session) -> None:
    """List the tokens, without their text."""
    raw = session.request(CONTROL_SERVICE, "/tokens")
    try:
        entries = msgspec.json.decode(raw, type=list[_Token])
    except msgspec.DecodeError as error:
        raise BadGateway(f"the tokens cannot be read: {error}") from None
    rows = [
        [entry.name, ", ".join(entry.services), ", ".join(entry.routes), entry.state] for entry in entries
    ]
    print_table(["NAME", "SERVICES", "ROUTES", "STATE"], rows, terminal=session.terminal)


@token.command()
@click.option(
    "--overlap",
    metavar="TIME",
    callback=_to_seconds,
    default="1h",
    show_default=True,
    help="For how long the old token stays valid, as 90s, 30m, 1h or 2d.",
)
@location_options
@click.pass_obj
def rotate(session: Session, overlap: float) -> None:
    """Replace the shared token by a new one.

    The new one is written to the token file. Both are valid during the overlap, earlier ones at most as long.
    """
    _post(session, "/tokens/rotate", overlap=overlap)
    validity = f"valid for {_duration(overlap)}" if overlap else "not valid any more"
    click.echo(f"replaced the shared token; the old one is {validity}")


@token.command()
@click.argument("name")
@location_options
@click.pass_obj
def revoke(session: Session, name: str) -> None:
    """Make the token NAME invalid at once, also after a restart."""
    _post(session, "/tokens/revoke", name=name)
    click.echo(f"revoked {name}; remove [tokens.{name}] from the configuration")


class _Token(Struct, frozen=True):
    name: str
    services: list[str] = []
    routes: list[str] = []
    state: str = ""


def _post(session: Session, path: str, **data: str | float) -> None:
    session.request(CONTROL_SERVICE, path, method="POST", data=Raw(msgspec.json.encode(data)))


def _duration(seconds: float) -> str:
    """A duration in the largest unit that makes it a whole number."""
    for unit, size in reversed(_UNITS.items()):
        if seconds % size == 0:
            return f"{seconds / size:g}{unit}"
    return f"{seconds:g}s"


def _toml_list(values: tuple[str, ...]) -> str:
    return f"[{', '.join(msgspec.json.encode(value).decode() for value in values)}]"
