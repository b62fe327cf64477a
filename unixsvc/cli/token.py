"""``unixsvc token``: the shared token."""

from __future__ import annotations

import click

from unixsvc.cli.session import Session, location_options
from unixsvc.security.tokens import read_token

__all__ = ["token"]


@click.group(no_args_is_help=False)
@location_options
def token() -> None:
    """Manage the token of requests."""


@token.command()
@location_options
@click.pass_obj
def show(session: Session) -> None:
    """Print the token."""
    click.echo(read_token(session.settings.token_file))
