"""The group of all commands, and the error boundary: errors become a line and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Final

import click

from unixsvc.cli.application.openapi import openapi
from unixsvc.cli.call import call
from unixsvc.cli.check import check, schema
from unixsvc.cli.debug.command import debug
from unixsvc.cli.dev.command import dev
from unixsvc.cli.health.command import health
from unixsvc.cli.logs.command import logs
from unixsvc.cli.manage import COMMANDS
from unixsvc.cli.now.events import events
from unixsvc.cli.now.measure import memory, profile
from unixsvc.cli.now.requests import cancel, ps
from unixsvc.cli.output import describe_error, print_error
from unixsvc.cli.scaffold.new import new
from unixsvc.cli.services import ls, routes
from unixsvc.cli.session import Session, location_options
from unixsvc.cli.status import status
from unixsvc.cli.stub import stub
from unixsvc.cli.token import token
from unixsvc.cli.top.command import top
from unixsvc.errors import ConfigError, ServiceError

__all__ = ["run", "unixsvc"]

_USAGE: Final = 2
_INTERRUPTED: Final = 130  # 128 + SIGINT, as in shells


@click.group(
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.option("--version", is_flag=True, help="Print the version and exit.")
@location_options
@click.pass_context
def unixsvc(context: click.Context, version: bool) -> None:
    """Call and manage the services on this machine."""
    if version:
        click.echo(_version())
        context.exit()
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


for _command in (
    call,
    cancel,
    check,
    debug,
    dev,
    events,
    health,
    logs,
    ls,
    new,
    openapi,
    memory,
    profile,
    ps,
    routes,
    schema,
    status,
    stub,
    token,
    top,
    *COMMANDS,
):
    unixsvc.add_command(_command)


def run(arguments: Sequence[str], session: Session | None = None) -> int:
    """Run one command.

    :param arguments: without the name of the program.
    :param session: the session, for tests.
    :returns: 0; 2 for a local error, 4 or 5 for an error of a service (5 also if it cannot be reached).
    """
    try:
        result = unixsvc.main(
            list(arguments), prog_name="unixsvc", standalone_mode=False, obj=session or Session()
        )
        return result if isinstance(result, int) else 0
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx else "unixsvc"
        print_error(f"{error.format_message().rstrip('.')} (see: {where} --help)")
    except click.ClickException as error:
        print_error(error.format_message())
    except click.Abort:
        return _INTERRUPTED
    except ConfigError as error:
        print_error(str(error))
    except ServiceError as error:
        print_error(*describe_error(error))
        return error.code // 100
    except UnicodeEncodeError as error:  # an argument that the operating system has passed as bytes
        part = error.object[max(error.start - 20, 0) : error.end + 20]
        print_error(f"{part!a} is not valid UTF-8")
    except OSError as error:
        if error.filename is None:
            _discard_output()
        print_error(f"{error.filename or 'output'}: {error.strerror or error}")
    return _USAGE


def _version() -> str:
    from importlib import metadata  # late: only this option needs it

    try:
        return metadata.version("unixsvc")
    except metadata.PackageNotFoundError:
        return "unknown (not installed)"


def _discard_output() -> None:
    """Redirect standard output to /dev/null, as Python flushes it at exit, which would fail again."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)
