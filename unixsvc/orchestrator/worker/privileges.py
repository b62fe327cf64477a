"""The user and the resource limits of workers: found by the orchestrator, applied by the worker."""

from __future__ import annotations

import errno
import os
import resource
from contextlib import suppress
from importlib import import_module
from typing import Final

from msgspec.structs import replace

from unixsvc.config.settings import ServiceSettings
from unixsvc.errors import ConfigError
from unixsvc.orchestrator.worker.prctl import DROP_BOUNDING_CAPABILITY, SET_NO_NEW_PRIVS, prctl
from unixsvc.security.identity import User, find_group, find_user
from unixsvc.service.spec import Privileges

__all__ = ["drop", "find_privileges", "import_framework", "import_framework_handler"]

# A worker has about 20 descriptors of its own, and opens files while it imports its application.
_MIN_OPEN_FILES: Final = 64
# What workers import when an application uses a feature.
_LATE: Final = (
    "authentication", "client", "contract", "datasource", "domain", "execution", "files", "interception",
    "limiting", "routing", "schedules", "security", "server", "service", "telemetry", "transport", "wire",
)  # fmt: skip
# What a worker imports when the orchestrator asks for it. The user may not be able to read it then.
_LATE_MODULES: Final = ("unixsvc.schedules.cron_ticks", "unixsvc.orchestrator.worker.inspection")
# With the SDK of OpenTelemetry and what sends spans, 20 MiB.
_TRACING: Final = (
    "unixsvc.tracing.provider", "unixsvc.tracing.interceptor",
    "unixsvc.service.calls.traced", "unixsvc.datasource.traced_services",
)  # fmt: skip
# With treq and OpenSSL, 18 MiB; an application that uses it imports it by its name.
_LARGE: Final = "unixsvc.datasource.http"


def import_framework_handler(spec: str) -> None:
    """Import a request handler of the framework before privileges are dropped.

    The user that a worker switches to may not be able to read the framework's modules. A handler of the
    application is imported afterwards, as all its code.

    :param spec: the handler, as in the configuration.
    """
    if spec.startswith("unixsvc."):
        import_module(spec.partition(":")[0])


def import_framework(handler: str, *, tracing: bool = False) -> None:
    """Import all of the framework that an application can use, for a worker that switches to another user.

    :param handler: the request handler, as in the configuration.
    :param tracing: whether the service has traces.
    """
    from pkgutil import walk_packages  # late: of few workers

    packages = [*_LATE, "rest"] if handler.startswith("unixsvc.rest.") else _LATE
    for package in packages:
        name = f"unixsvc.{package}"
        for module in walk_packages(import_module(name).__path__, f"{name}."):
            if module.name == _LARGE or module.name in _TRACING:
                continue
            try:
                import_module(module.name)
            except ModuleNotFoundError as error:
                if (error.name or "").startswith("unixsvc"):
                    raise
                # Else of an extra that is not installed, so no application uses it.
    for name in _TRACING if tracing else ():
        with suppress(ModuleNotFoundError):  # the worker reports it when it starts what sends spans
            import_module(name)


def find_privileges(settings: ServiceSettings, where: str, euid: int) -> Privileges:
    """Resolve the settings of a service on this machine.

    :param where: the table of the settings, for messages.
    :param euid: the effective user id of the orchestrator.
    :raises ConfigError: if a user or group does not exist, or if the orchestrator may not switch to it.
    """
    if settings.isolation == "inline" and (settings.user or settings.group):
        remedy = "remove user and group, or isolation"
        raise ConfigError(where, "an inline service runs as the user of the orchestrator", remedy)
    limits = settings.rlimits
    _check_limit(resource.RLIMIT_NOFILE, limits.open_files, f"{where}.rlimits.open_files", euid)
    _check_limit(resource.RLIMIT_AS, limits.memory, f"{where}.rlimits.memory", euid)
    if limits.open_files is not None and limits.open_files < _MIN_OPEN_FILES:
        raise ConfigError(
            f"{where}.rlimits.open_files", "is too little for a worker", f"use at least {_MIN_OPEN_FILES}"
        )
    user = find_user(settings.user, f"{where}.user") if settings.user else None
    gid = find_group(settings.group, f"{where}.group") if settings.group else None
    umask = int(settings.umask, 8) if settings.umask else None
    privileges = Privileges(umask=umask, open_files=limits.open_files, memory=limits.memory)
    if euid == 0:
        return _with_user(privileges, user, gid, where)
    if user is not None and user.uid != euid:
        raise _requires_root(f"{where}.user")
    if gid is not None and gid != os.getegid():
        raise _requires_root(f"{where}.group")
    return privileges  # without root, setting even our own ids and groups fails


def drop(privileges: Privileges) -> None:
    """Apply the privileges to this process, irrevocably, before the application is imported.

    A user other than root cannot get new ones either, as by set-user-id programs: see capabilities(7) and
    ``PR_SET_NO_NEW_PRIVS`` of prctl(2).

    :raises ConfigError: if the kernel refuses; the process must exit then.
    """
    if privileges.is_other_user:
        for name in _LATE_MODULES:
            import_module(name)
    try:
        _set_limit(resource.RLIMIT_NOFILE, privileges.open_files)
        _set_limit(resource.RLIMIT_AS, privileges.memory)
        if privileges.gid is not None:
            os.setgroups(privileges.groups)
            os.setresgid(privileges.gid, privileges.gid, privileges.gid)
        if privileges.is_other_user:
            _empty_bounding_set()
        if privileges.uid is not None:
            # Last: without root, the groups cannot be changed.
            os.setresuid(privileges.uid, privileges.uid, privileges.uid)
        if privileges.is_other_user:
            prctl(SET_NO_NEW_PRIVS, 1)
    except (OSError, ValueError) as error:
        raise ConfigError("user, group or rlimits", f"cannot be set: {error}") from None
    if privileges.uid is not None:
        _check_dropped(privileges.uid)
        _set_user_variables(privileges)
    if privileges.umask is not None:
        os.umask(privileges.umask)


def _with_user(privileges: Privileges, user: User | None, gid: int | None, where: str) -> Privileges:
    if user is None:
        return privileges if gid is None else replace(privileges, gid=gid, groups=(gid,))
    gid = user.gid if gid is None else gid
    if gid is None:
        raise ConfigError(f"{where}.user", f"the user {user.uid} has no group", f"set {where}.group as well")
    groups = os.getgrouplist(user.name, gid) if user.name else [gid]
    return replace(privileges, uid=user.uid, gid=gid, groups=tuple(groups), home=user.home, name=user.name)


def _check_limit(kind: int, value: int | None, where: str, euid: int) -> None:
    maximum = resource.getrlimit(kind)[1]
    if value is not None and euid != 0 and value > maximum != resource.RLIM_INFINITY:
        raise ConfigError(where, f"only root can exceed {maximum}", "use less, or raise the hard limit")


def _requires_root(where: str) -> ConfigError:
    return ConfigError(where, "only root can run workers as another user", "remove it, or start as root")


def _set_limit(kind: int, value: int | None) -> None:
    if value is not None:
        resource.setrlimit(kind, (value, value))


def _set_user_variables(privileges: Privileges) -> None:
    os.environ["HOME"] = privileges.home
    for variable in "USER", "LOGNAME":
        os.environ.pop(variable, None)  # for a user without a name, they would name the orchestrator's user
        if privileges.name:
            os.environ[variable] = privileges.name


def _empty_bounding_set() -> None:
    """Give up all capabilities for every program that this process and its children will execute."""
    capability = 0
    while True:
        try:
            prctl(DROP_BOUNDING_CAPABILITY, capability)
        except OSError as error:
            # EINVAL: the kernel has no more of them. EPERM: a sandbox keeps CAP_SETPCAP from root.
            if error.errno in (errno.EINVAL, errno.EPERM):
                return
            raise
        capability += 1


def _check_dropped(uid: int) -> None:
    """Check that the process cannot become root again."""
    if uid == 0:
        return
    try:
        os.setuid(0)
    except OSError:
        return
    raise ConfigError(
        f"user {uid}",
        "could become root again",
        "start the orchestrator without secure bits, capabilities(7)",
    )
