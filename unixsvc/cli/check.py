"""``unixsvc check``: check the configuration and the applications without starting anything."""

from __future__ import annotations

import os
import sys

import click

from unixsvc.cli.output import print_error
from unixsvc.cli.session import Session, location_options
from unixsvc.config.loader import Configuration
from unixsvc.config.settings import CONTROL_SERVICE, HTTP_SERVICE
from unixsvc.errors import ConfigError
from unixsvc.socket_directory import socket_path

__all__ = ["check"]


@click.command()
@click.argument("files", nargs=-1, metavar="[FILE]...")
@location_options
@click.pass_obj
def check(session: Session, files: tuple[str, ...]) -> int:
    """Check the configuration and all routes.

    No service is started, but applications are imported and controllers are created, as in a worker.
    """
    session.config = files or session.config
    return _check(session.configuration)


def _check(configuration: Configuration) -> int:
    """Check the services of a configuration.

    :returns: the exit code.
    """
    # Late: the other commands load no applications.
    from unixsvc.cli.application_check import check_service
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
            count = check_service(settings, name, service)
        except ConfigError as error:
            table = name if settings.http and name == HTTP_SERVICE else f"services.{name}"
            print_error(f"{configuration.layers.source_of(table).name}: {table}: {error}")
            problems += 1
        else:
            click.echo(f"{name}: fine, {count} route{'' if count == 1 else 's'}")
    for place, other in hidden_modules(settings.folder, sys.path).items():
        print_error(f"warning: {place}: {other} is imported instead; rename it, or move it into a package")
    for warning in unsafe_places(settings, sys.path, os.geteuid()):
        print_error(f"warning: {warning}")
    return 2 if problems else 0
