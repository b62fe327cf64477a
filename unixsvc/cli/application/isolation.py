"""Looks at an application as a worker would have it: with its user, import path and environment."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import msgspec

from unixsvc.config.settings import ServiceSettings, Settings
from unixsvc.errors import ConfigError
from unixsvc.orchestrator.worker.bytecode import compile_settled_sources
from unixsvc.orchestrator.worker.environment import import_path, initial_environment
from unixsvc.orchestrator.worker.privileges import drop, find_privileges, import_framework_handler
from unixsvc.service.load_failure import load_failure
from unixsvc.service.spec import Privileges

__all__ = ["look_as_worker"]

T = TypeVar("T")


def look_as_worker(
    settings: Settings, name: str, service: ServiceSettings, look: Callable[[], T], kind: type[T]
) -> T:
    """Call a function that executes code of the application of a service.

    As root, it is called in a child process that has dropped its privileges.

    :param kind: a struct: the type of the result, which is passed on as JSON.
    :raises ConfigError: if the application cannot work; what it raises becomes one line.
    """

    def looked() -> T:
        with _worker_environment(settings.folder, service):
            return look()

    if os.geteuid() == 0:
        privileges = find_privileges(service, f"services.{name}", 0)
        if privileges.is_other_user:
            import_framework_handler(service.handler)
            environment = initial_environment(os.environ, service, privileges)
            return _run_as(privileges, environment, looked, kind)
    return looked()


@contextmanager
def _worker_environment(folder: str, service: ServiceSettings) -> Iterator[None]:
    """Set the import path and the environment of a worker; turn what an application raises into one line."""
    path, environ = list(sys.path), dict(os.environ)
    sys.path += [*import_path(service.environment), folder]
    compile_settled_sources()  # workers use the compiled files
    os.environ.update(service.environment)
    try:
        yield
    except ConfigError:
        raise
    except (Exception, SystemExit) as error:  # an application may raise anything while it is imported
        raise load_failure(error) from None
    finally:
        sys.path[:] = path
        os.environ.clear()
        os.environ.update(environ)


def _run_as(
    privileges: Privileges, environment: Mapping[str, str], look: Callable[[], T], kind: type[T]
) -> T:
    """Call a function in a child process that drops its privileges, as it executes code of an application."""
    reading, writing = os.pipe()
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        try:
            os.environ.clear()
            os.environ.update(environment)
            os.write(writing, msgspec.json.encode(_outcome_as(privileges, look)))
            sys.stdout.flush()
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading, "rb") as pipe:
        reply = pipe.read()
    _, status = os.waitpid(pid, 0)
    try:
        either: Any = kind | tuple[str, str, str]  # made at run time, which no type checker follows
        outcome: T | tuple[str, str, str] = msgspec.json.decode(reply, type=either)
    except (msgspec.DecodeError, UnicodeDecodeError):  # the application can write to the pipe as well
        raise ConfigError(
            "the check",
            f"ended early, with status {status}",
            "see what the application does when it is imported",
        ) from None
    if isinstance(outcome, tuple):
        raise ConfigError(*outcome)
    return outcome


def _outcome_as(privileges: Privileges, look: Callable[[], T]) -> T | tuple[str, str, str]:
    try:
        drop(privileges)
        return look()
    except ConfigError as error:
        return error.where, error.problem, error.remedy
