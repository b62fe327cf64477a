"""The Python interpreter of the workers."""

from __future__ import annotations

import os

from unixsvc.config.settings import Settings
from unixsvc.errors import ConfigError

__all__ = ["find_interpreter", "foreign_environment"]


def find_interpreter(settings: Settings) -> str:
    """The configured interpreter; empty if workers have that of the orchestrator.

    Links that lead to its folder are followed now, so that a worker that is replaced later, perhaps after a
    failed reload, runs the same release. The file itself is a link in a virtual environment, which Python
    finds by it.

    :raises ConfigError: if there is no such program.
    """
    if not settings.python:
        return ""
    folder, name = os.path.split(settings.python)
    path = os.path.join(os.path.realpath(folder), name)
    if not (os.path.isfile(path) and os.access(path, os.X_OK)):
        remedy = "name the interpreter of a virtual environment"
        raise ConfigError(f"{settings.source}: python", f"{settings.python} is no program", remedy)
    return path


def foreign_environment(interpreter: str, prefix: str) -> str:
    """The virtual environment of an interpreter, if it is another than that of this process; else empty.

    :param interpreter: the result of :func:`find_interpreter`.
    :param prefix: of this process, as ``sys.prefix``.
    """
    environment = os.path.dirname(os.path.dirname(interpreter))
    return "" if environment in ("", os.path.realpath(prefix)) else environment
