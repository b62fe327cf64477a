"""The group of all commands, and the one place where errors become a line and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Final

import click

from unixsvc.cli.call import call
from unixsvc.cli.check import check
from unixsvc.cli.manage import COMMANDS
from unixsvc.cli.options import located
from unixsvc.cli.output import complain, explain
from unixsvc.cli.services import ls, routes
from unixsvc.cli.session import Session
from unixsvc.cli.status import status
from unixsvc.cli.stub import stub
from unixsvc.cli.token import token
from unixsvc.errors import ConfigError, ServiceError

__all__ = ["run", "unixsvc"]

_USAGE: Final = 2
_INTERRUPTED: Final = 130  # 128 and the number of the signal, as shells have it


@click.group(
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.option("--version", is_flag=True, help="Print the version of unixsvc.")
@located
@click.pass_context
def unixsvc(context: click.Context, version: bool) -> None:
    """Talk to the services that run on this machine."""
    if version:
        click.echo(_version())
        context.exit()
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


for _command in (call, check, ls, routes, status, stub, token, *COMMANDS):
    unixsvc.add_command(_command)


def run(arguments: Sequence[str], session: Session | None = None) -> int:
    """Run one command.

    :param arguments: without the name of the program.
    :param session: what commands talk through, if not the real thing.
    :returns: 0, or 2 for what is wrong here, 4 or 5 for what a service answered (5 also if none did).
    """
    try:
        result = unixsvc.main(
            list(arguments), prog_name="unixsvc", standalone_mode=False, obj=session or Session()
        )
        return result if isinstance(result, int) else 0
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx else "unixsvc"
        complain(f"{error.format_message().rstrip('.')} (see: {where} --help)")
    except click.ClickException as error:
        complain(error.format_message())
    except click.Abort:
        return _INTERRUPTED
    except ConfigError as error:
        complain(str(error))
    except ServiceError as error:
        complain(*explain(error))
        return error.code // 100
    except OSError as error:
        if error.filename is None:
            _abandon_output()
        complain(f"{error.filename or 'output'}: {error.strerror or error}")
    return _USAGE


def _version() -> str:
    from importlib import metadata  # late: only this one option needs it

    try:
        return metadata.version("unixsvc")
    except metadata.PackageNotFoundError:
        return "not installed, so of no version"


def _abandon_output() -> None:
    """Give Python's own flush at exit, which would fail again, somewhere to write to."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
