"""The environment variables that a worker starts with."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final

from unixsvc.config.settings import ServiceSettings
from unixsvc.service.spec import Privileges

__all__ = ["import_path", "initial_environment"]

# What the interpreter and the C library need, and what says how to show times and texts.
_KEPT: Final = ("LANG", "LANGUAGE", "LD_LIBRARY_PATH", "PATH", "TZ")
_KEPT_PREFIXES: Final = ("LC_", "PYTHON")


def initial_environment(
    ours: Mapping[str, str], settings: ServiceSettings, privileges: Privileges
) -> dict[str, str]:
    """The environment of a new worker.

    A worker that becomes another user gets few of our variables, as others may be secrets. It adds those of
    its service when it has dropped its privileges, as some of them name files that are loaded. Variables for
    keys of the configuration may be secrets of other services; the orchestrator has read them.

    :param ours: the environment of the orchestrator.
    """
    from unixsvc.config.sources.environment import is_table_variable  # late: workers load this module, too

    if privileges.is_other_user:
        environment = {key: ours[key] for key in ours if key in _KEPT or key.startswith(_KEPT_PREFIXES)}
    else:
        environment = {key: ours[key] for key in ours if not is_table_variable(key)} | settings.environment
    if "PYTHONPATH" in environment:
        environment["PYTHONPATH"] = os.pathsep.join(import_path(environment))
    return environment


def import_path(environment: Mapping[str, str]) -> list[str]:
    """The entries of ``PYTHONPATH``.

    An empty one, as ``PYTHONPATH=$PYTHONPATH:/srv`` leaves, would be the current directory, and is left out.
    """
    return [entry for entry in environment.get("PYTHONPATH", "").split(os.pathsep) if entry]
