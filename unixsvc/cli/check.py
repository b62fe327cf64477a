"""``unixsvc check``: check the configuration and the applications without starting anything."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator

import click

from unixsvc.cli.output import print_error
from unixsvc.cli.session import Session, location_options
from unixsvc.config.gateways import table_of
from unixsvc.config.loader import Configuration
from unixsvc.config.settings import CONTROL_SERVICE, Settings
from unixsvc.errors import ConfigError
from unixsvc.socket_directory import socket_path

__all__ = ["check", "schema"]


@click.command()
@click.argument("files", nargs=-1, metavar="[FILE]...")
@click.option(
    "--show", is_flag=True, help="Print the effective configuration, and where its values are from."
)
@click.option("--dev", is_flag=True, help="With the table [dev], as for unixsvc dev.")
@location_options
@click.pass_obj
def check(session: Session, files: tuple[str, ...], show: bool, dev: bool) -> int:
    """Check the configuration and all routes.

    No service is started, but applications are imported and controllers are created, as in a worker.
    """
    session.config = files or session.config
    session.development = dev
    if show:
        _show(session)
        return 0
    if not dev:
        session.check_development()
    return _check(session.configuration)


@click.command()
def schema() -> None:
    """Print the JSON Schema of unixsvc.toml, for editors."""
    from unixsvc.config.schema import schema_text  # late: only this command needs it

    click.echo(schema_text(), nl=False)


def _show(session: Session) -> None:
    from unixsvc.config.effective import effective_toml  # late: only this option needs it
    from unixsvc.security.token_file import external_token

    overrides = {} if session.socket_dir is None else {"socket_dir": "--socket-dir"}
    text = effective_toml(session.configuration, os.getcwd(), overrides)
    shared = external_token(os.environ)
    if shared is not None:
        click.echo(f"# The shared token is from {shared.origin}; token_file is not read.")
    click.echo(text, nl=False)


def _check(configuration: Configuration) -> int:
    """Check the services of a configuration.

    :returns: the exit code.
    """
    # Late: the other commands load no applications.
    from unixsvc.cli.application.check import check_service
    from unixsvc.orchestrator.certificates.keeper import read_certificates
    from unixsvc.orchestrator.worker.import_path import hidden_modules, unsafe_places
    from unixsvc.security.control_guard import find_rules

    settings = configuration.settings
    problems = 0
    try:
        for name in (CONTROL_SERVICE, *settings.services):
            socket_path(settings.socket_dir, name)
        find_rules(settings.control, settings.source)
    except ConfigError as error:
        print_error(str(error))
        problems += 1
    for name, service in settings.services.items():
        try:
            counts = check_service(settings, name, service)
        except ConfigError as error:
            table = table_of(name, settings.gateways)
            print_error(f"{configuration.layers.source_of(table).where(table)}: {error}")
            problems += 1
        else:
            click.echo(f"{name}: fine, {counts}")
    problems += _check_interpreter(settings)
    for place, other in hidden_modules(settings.folder, sys.path).items():
        print_error(f"warning: {place}: {other} is imported instead; rename it, or move it into a package")
    for name in settings.gateways:
        try:
            read_certificates(settings, name)
        except ConfigError as error:  # here, the files of another machine may be missing
            print_error(f"warning: {error}")
    for warning in (*_missing_programs(settings), *unsafe_places(settings, sys.path, os.geteuid())):
        print_error(f"warning: {warning}")
    return 2 if problems else 0


def _missing_programs(settings: Settings) -> Iterator[str]:
    """The hooks whose programs are not on this machine, which may be another than that of the services."""
    for number, hook in enumerate(settings.hooks):
        program = hook.command[0] if hook.command else ""
        path = os.path.join(settings.folder, program) if os.sep in program else program
        if program and shutil.which(path) is None:
            yield f"{settings.source}: hooks[{number}].command: there is no program {program!r}"


def _check_interpreter(settings: Settings) -> int:
    """Check that the interpreter of the workers exists, and warn if this is another.

    :returns: the number of problems.
    """
    from unixsvc.orchestrator.interpreter import find_interpreter, foreign_environment  # late, as above

    try:
        environment = foreign_environment(find_interpreter(settings), sys.prefix)
    except ConfigError as error:
        print_error(str(error))
        return 1
    if environment:
        print_error(f"warning: workers run in {environment}, not here; use {environment}/bin/unixsvc check")
    return 0
