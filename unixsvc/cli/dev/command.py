"""``unixsvc dev``: runs all services in this terminal, and reloads them when their code changes."""

from __future__ import annotations

from importlib.util import find_spec

import click

from unixsvc.cli.session import Session, location_options
from unixsvc.errors import ConfigError

__all__ = ["dev"]


@click.command()
@click.option("--no-reload", is_flag=True, help="Do not watch files; needs no watchfiles.")
@click.option("--no-http", is_flag=True, help="Do not serve HTTP.")
@location_options
@click.pass_obj
def dev(session: Session, no_reload: bool, no_http: bool) -> int:
    """Run all services in this terminal, for development.

    When a Python file is saved, the workers of its services are replaced; if the new code cannot start, the
    old workers stay. Ctrl-C stops all services.
    """
    if not no_reload and find_spec("watchfiles") is None:
        remedy = "install it with: pip install 'unixsvc[dev]', or add --no-reload"
        raise ConfigError("dev", "watchfiles is not installed", remedy)
    from unixsvc.cli.dev.dev_session import DevSession  # late: only this command needs it

    return DevSession(session, http=not no_http).run(reload=not no_reload)
