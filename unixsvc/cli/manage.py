"""What the orchestrator is told: reload, restart, start, stop, scale, and how much to log."""

from __future__ import annotations

from typing import Any, Final

import click
import msgspec
from msgspec import Raw

from unixsvc.cli.completion import complete_service
from unixsvc.cli.options import located
from unixsvc.cli.session import Session
from unixsvc.config.settings import CONTROL_SERVICE

__all__ = ["COMMANDS"]

# The services' own time-outs bound what is waited for; the connection to the orchestrator does not.
_PATIENCE: Final = 86_400.0
_LEVELS: Final = ("debug", "info", "warn", "error")


@click.command()
@click.argument("service", default="", shell_complete=complete_service)
@located
@click.pass_obj
def reload(session: Session, service: str) -> None:
    """Read the configuration, and replace the workers of all services, or of one, without losing a call.

    It returns when the new workers serve. If they cannot start, the old ones stay.
    """
    _tell(session, "POST", "/reload", service=service)
    click.echo(f"reloaded {service or 'all services'}")


@click.command()
@click.argument("service", default="", shell_complete=complete_service)
@located
@click.pass_obj
def restart(session: Session, service: str) -> None:
    """Stop all services, or one, and start them: for workers that must not run beside their successors.

    Clients that connect meanwhile wait.
    """
    _tell(session, "POST", "/restart", service=service)
    click.echo(f"restarted {service or 'all services'}")


@click.command()
@click.argument("service", default="", shell_complete=complete_service)
@located
@click.pass_obj
def start(session: Session, service: str) -> None:
    """Start what is stopped or has failed: all services, or one."""
    _tell(session, "POST", "/start", service=service)
    click.echo(f"started {service or 'all services'}")


@click.command()
@click.argument("service", default="", shell_complete=complete_service)
@located
@click.pass_obj
def stop(session: Session, service: str) -> None:
    """Drain and stop all services, or one. The orchestrator itself goes on.

    It returns when the last worker is gone.
    """
    _tell(session, "POST", "/stop", service=service)
    click.echo(f"stopped {service or 'all services'}")


@click.command()
@click.argument("service", shell_complete=complete_service)
@click.argument("workers", type=click.IntRange(1, 1024))
@located
@click.pass_obj
def scale(session: Session, service: str, workers: int) -> None:
    """Have another number of workers, until another one is configured."""
    _tell(session, "POST", "/scale", service=service, workers=workers)
    click.echo(f"{service} has {workers} worker{'' if workers == 1 else 's'}")


@click.command("log-level")
@click.argument("level", type=click.Choice(_LEVELS))
@located
@click.pass_obj
def log_level(session: Session, level: str) -> None:
    """Log more, or less, in the orchestrator and in every worker."""
    _tell(session, "PUT", "/log/level", level=level)
    click.echo(f"logs {level} and above")


COMMANDS: Final = (reload, restart, start, stop, scale, log_level)


def _tell(session: Session, method: str, path: str, **data: Any) -> None:
    body = Raw(msgspec.json.encode(data))
    session.request(CONTROL_SERVICE, path, method=method, data=body, timeout=_PATIENCE)
