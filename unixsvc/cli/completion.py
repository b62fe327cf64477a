"""Shell completion of services, methods and paths."""

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

_TIMEOUT: Final = 1.0  # seconds; a person waits for the completion


def complete_service(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete the name of a service that has a socket."""
    with suppress(ConfigError):
        names = service_names(context.ensure_object(Session).directory)
        return [CompletionItem(name) for name in names if name.startswith(incomplete)]
    return []


def complete_words(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete the methods and paths of a service; after a method, the paths that have it."""
    words = list(context.params.get("words") or ())
    if any(word.startswith("/") for word in words):
        return []  # data follows
    routes = _routes(context)
    chosen = words[0].upper() if words else ""
    paths = {route.path: route.title for route in routes if chosen in ("", route.method)}
    items = [CompletionItem(path, help=title) for path, title in paths.items()]
    if not words:
        items += [CompletionItem(method) for method in sorted({route.method for route in routes})]
    return [item for item in items if item.value.startswith(incomplete)]


def _routes(context: click.Context) -> list[RouteContract]:
    service = context.params.get("service")
    session = context.ensure_object(Session)
    with suppress(ConfigError, ServiceError, msgspec.DecodeError):
        contract = session.request(str(service), "/-/routes", timeout=_TIMEOUT)
        return msgspec.json.decode(contract, type=Contract).routes
    return []
