"""``unixsvc token``: the shared token."""

from __future__ import annotations

import click

from unixsvc.cli.options import located
from unixsvc.cli.session import Session
from unixsvc.security.tokens import read_token

__all__ = ["token"]


@click.group(no_args_is_help=False)
@located
def token() -> None:
    """Look after the token that requests show."""


@token.command()
@located
@click.pass_obj
def show(session: Session) -> None:
    """Print the token."""
    click.echo(read_token(session.settings.token_file))
