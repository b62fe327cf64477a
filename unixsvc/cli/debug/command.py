"""``unixsvc debug``: runs a service in this terminal, with its debugger."""

from __future__ import annotations

import sys

import click

from unixsvc.cli.completion import complete_service
from unixsvc.cli.session import Session, location_options
from unixsvc.errors import ConfigError

__all__ = ["debug"]


@click.command()
@click.argument("service", shell_complete=complete_service)
@location_options
@click.pass_obj
def debug(session: Session, service: str) -> None:
    """Run SERVICE in this terminal, where breakpoint() opens a debugger.

    One worker with this terminal takes the place of the workers of the service, without watchdog and request
    timeout. Ctrl-C ends it, and the usual workers serve again.
    """
    if not (sys.stdin is not None and sys.stdin.isatty() and session.terminal):
        remedy = "run it in one; ssh and docker exec need the option -t"
        raise ConfigError("debug", "standard input and output are not a terminal", remedy)
    from unixsvc.cli.debug.debug_session import DebugSession  # late: only this command needs it

    DebugSession(session, service).run()
