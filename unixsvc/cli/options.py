"""The options that every command has: where the services are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from unixsvc.cli.session import Session

__all__ = ["located"]

F = TypeVar("F", bound=Callable[..., Any])


def located(command: F) -> F:
    """Give a command the options ``--config`` and ``--socket-dir``; they go to the :class:`Session`."""
    for option in (_socket_dir, _config):  # the last is the first in the help
        command = option(command)
    return command


def _remember(context: click.Context, parameter: click.Parameter, value: str | None) -> None:
    if value is not None:
        setattr(context.ensure_object(Session), parameter.name or "", value)


_config = click.option(
    "--config",
    metavar="FILE",
    help="The configuration; else the unixsvc.toml here, else the demo's.",
    callback=_remember,
    expose_value=False,
)
_socket_dir = click.option(
    "--socket-dir",
    metavar="DIR",
    help="Where the sockets are, if not where the configuration says.",
    callback=_remember,
    expose_value=False,
)
