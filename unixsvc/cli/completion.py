"""What the shell can complete: services that run here, and what they answer."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

import click
import msgspec
from click.shell_completion import CompletionItem

from unixsvc.cli.session import Session
from unixsvc.contract.model import Contract, RouteContract
from unixsvc.errors import ConfigError, ServiceError
from unixsvc.socket_directory import service_names

__all__ = ["complete_service", "complete_words"]

_PATIENCE: Final = 1.0  # seconds; who presses a key does not wait for longer


def complete_service(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """The services that have a socket here. Where that cannot be known, there is nothing to complete."""
    with suppress(ConfigError):
        names = service_names(context.ensure_object(Session).settings.socket_dir)
        return [CompletionItem(name) for name in names if name.startswith(incomplete)]
    return []


def complete_words(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Behind a service: its methods, and its paths, those of the method if one stands there."""
    words = list(context.params.get("words") or ())
    if any(word.startswith("/") for word in words):
        return []  # data follows, and nobody knows which
    routes = _routes(context)
    chosen = words[0].upper() if words else ""
    paths = {each.path: each.title for each in routes if chosen in ("", each.method)}
    found = [CompletionItem(path, help=title) for path, title in paths.items()]
    if not words:
        found += [CompletionItem(method) for method in sorted({each.method for each in routes})]
    return [each for each in found if each.value.startswith(incomplete)]


def _routes(context: click.Context) -> list[RouteContract]:
    service = context.params.get("service")
    session = context.ensure_object(Session)
    with suppress(ConfigError, ServiceError, msgspec.DecodeError):
        contract = session.request(str(service), "/-/routes", timeout=_PATIENCE)
        return msgspec.json.decode(contract, type=Contract).routes
    return []
