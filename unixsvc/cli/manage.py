"""Commands for the control API of the orchestrator: reload, restart, start, stop, scale, log-level."""

from __future__ import annotations

from typing import Final

import click
import msgspec
from msgspec import Raw

from unixsvc.cli.completion import complete_service
from unixsvc.cli.session import Session, location_options
from unixsvc.config.settings import CONTROL_SERVICE

__all__ = ["COMMANDS"]

# The timeouts of the services limit how long the orchestrator takes; the connection to it must not.
_TIMEOUT: Final = 86_400.0
_LEVELS: Final = ("debug", "info", "warn", "error")
_DEFAULT: Final = "default"


def _service_command(name: str, done: str, description: str) -> click.Command:
    """A command that posts to ``/<name>`` for one service or all.

    :param done: the past participle, for its output.
    :param description: the help text.
    """

    @click.command(name, help=description)
    @click.argument("service", default="", shell_complete=complete_service)
    @location_options
    @click.pass_obj
    def command(session: Session, service: str) -> None:
        _send(session, "POST", f"/{name}", service=service)
        click.echo(f"{done} {service or 'all services'}")

    return command


@click.command()
@click.argument("service", shell_complete=complete_service)
@click.argument("workers", type=click.IntRange(1, 1024))
@location_options
@click.pass_obj
def scale(session: Session, service: str, workers: int) -> None:
    """Set the number of workers of SERVICE.

    It applies until another number is configured.
    """
    _send(session, "POST", "/scale", service=service, workers=workers)
    click.echo(f"{service} has {workers} worker{'' if workers == 1 else 's'}")


@click.command("log-level")
@click.argument("level", type=click.Choice((*_LEVELS, _DEFAULT)))
@click.option("--service", default="", help="Only of this service.", shell_complete=complete_service)
@click.option("--route", default="", help="Only for this route: 'GET /user/{id:int}', or its path.")
@click.option("--logger", default="", help="Only of this logger, and of those below it.")
@location_options
@click.pass_obj
def log_level(session: Session, level: str, service: str, route: str, logger: str) -> None:
    """Set the log level of all processes, while they run.

    Of several levels, that of a route counts most, then that of a logger, then that of a service. "default"
    removes a level that was set; without an option, all of them.
    """
    about = {"service": service, "route": route, "logger": logger}
    about = {name: value for name, value in about.items() if value}
    _send(session, "PUT", "/log/level", level=level, **about)
    words = f"logs {level} and above" if level != _DEFAULT else "logs as configured"
    click.echo(": ".join([*(f"{name} {value}" for name, value in about.items()), words]))


COMMANDS: Final = (
    _service_command(
        "reload",
        "reloaded",
        """Reload the configuration without downtime.

        The workers of SERVICE, or of all services, are replaced. Returns when the new workers serve. If
        they fail to start, the old ones stay.
        """,
    ),
    _service_command(
        "restart",
        "restarted",
        """Stop and start SERVICE, or all services.

        Use it if old and new workers must not run at the same time. Clients that connect meanwhile wait.
        """,
    ),
    _service_command("start", "started", "Start SERVICE, or all stopped or failed services."),
    _service_command(
        "stop",
        "stopped",
        """Drain and stop SERVICE, or all services. The orchestrator continues to run.

        Returns when the last worker has exited.
        """,
    ),
    scale,
    log_level,
)


def _send(session: Session, method: str, path: str, **data: str | int) -> None:
    body = Raw(msgspec.json.encode(data))
    session.request(CONTROL_SERVICE, path, method=method, data=body, timeout=_TIMEOUT)
