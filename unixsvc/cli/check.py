"""``unixsvc check``: whether what is configured can work, without starting it."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click
import svcs
from zope.interface import implementer

from unixsvc.cli.options import located
from unixsvc.cli.output import complain
from unixsvc.cli.session import Session
from unixsvc.config.http import Http
from unixsvc.config.settings import HTTP_SERVICE, ServiceSettings, Settings
from unixsvc.domain.interfaces import IBlockingRunner
from unixsvc.errors import ConfigError
from unixsvc.server.interfaces import IRequestHandler
from unixsvc.socket_directory import socket_path

__all__ = ["check"]


@click.command()
@click.argument("file", required=False)
@located
@click.pass_obj
def check(session: Session, file: str | None) -> int:
    """Check the configuration and the routes of every service, without starting any.

    The applications are imported, and their controllers made, as a worker would.
    """
    session.config = file or session.config
    settings = session.settings
    problems = 0
    for name, service in settings.services.items():
        try:
            count = _check(settings, name, service)
        except ConfigError as error:
            table = name if settings.http and name == HTTP_SERVICE else f"services.{name}"
            complain(f"{settings.source}: {table}: {error}")
            problems += 1
        else:
            click.echo(f"{name}: fine, {count} route{'' if count == 1 else 's'}")
    return 2 if problems else 0


def _check(settings: Settings, name: str, service: ServiceSettings) -> int:
    """Go as far with a service as can be gone without running it.

    :returns: how many routes it has of its own.
    :raises ConfigError: if it cannot work.
    """
    # Late: the other commands have no use for applications.
    from twisted.internet.interfaces import IReactorTime
    from twisted.internet.task import Clock

    from unixsvc.datasource.service_clients import NoServices
    from unixsvc.datasource.unix import mounted
    from unixsvc.domain.interfaces import IServices
    from unixsvc.routing.app import load_app, load_object
    from unixsvc.routing.builtin_routes import BuiltinRoutes
    from unixsvc.routing.router import Router

    socket_path(settings.socket_dir, name)
    with _as_in_worker(settings.folder, service):
        _check_handler(service.handler, load_object(service.handler))
        app = load_app(service.app)
        router = Router(
            app,
            service,
            folder=settings.folder,
            name=name,
            blocking=_Nowhere(),
            builtin=BuiltinRoutes(_nobody_asks, dict),
            values={IReactorTime: Clock(), IServices: NoServices()},  # as in a worker
        )
        http = settings.http if settings.http and name == HTTP_SERVICE else Http()
        try:
            mounted({**app.mounts, **http.mounts}, name, router.paths, NoServices())
            return len(router.contract().application_routes)
        finally:
            router.close()


def _check_handler(spec: str, handler: Any) -> None:
    # What a function makes is only known once it has made it.
    if not callable(handler) or (isinstance(handler, type) and not IRequestHandler.implementedBy(handler)):
        raise ConfigError(spec, "is no request handler", "declare it with @implementer(IRequestHandler)")


@contextmanager
def _as_in_worker(folder: str, service: ServiceSettings) -> Iterator[None]:
    """Have the import path and the environment of a worker, and one line of what an application raises."""
    path, environ = list(sys.path), dict(os.environ)
    sys.path.insert(0, folder)
    os.environ.update(service.environment)
    try:
        yield
    except ConfigError:
        raise
    except (Exception, SystemExit) as error:  # an application may raise anything while it is imported
        raise _failed(error) from None
    finally:
        sys.path[:] = path
        os.environ.clear()
        os.environ.update(environ)


def _failed(error: BaseException) -> ConfigError:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{frame.filename}:{frame.lineno}"
    if isinstance(error, SyntaxError):
        where = f"{error.filename}:{error.lineno}"
    return ConfigError(where, "".join(traceback.format_exception_only(error)[-1:]).strip())


async def _nobody_asks(container: svcs.Container) -> dict[str, Any]:
    return {}


@implementer(IBlockingRunner)
class _Nowhere:
    """Runs nothing, as nothing is asked of a router that is only checked."""

    def run(self, function: Callable[[], Any]) -> Awaitable[Any]:
        """Refuse."""
        raise NotImplementedError
