"""The file ``unixsvc.toml``: found, read, and checked."""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from unixsvc.config.http import Cors, Http, parse_listen
from unixsvc.config.settings import (
    CONTROL_SERVICE,
    HTTP_SERVICE,
    Limits,
    Log,
    ResourceLimits,
    Security,
    ServiceSettings,
    Settings,
    start_order,
)
from unixsvc.domain.validation import PLAIN, FieldError, find_field_errors
from unixsvc.errors import ConfigError

__all__ = ["FILE_NAME", "default_socket_dir", "load_settings"]

FILE_NAME: Final = "unixsvc.toml"

_HTTP_HANDLER: Final = "unixsvc.rest.handler:HttpRequestHandler"
# An application without routes, for a gateway that only mounts others.
NOTHING: Final = "unixsvc.routing.app:NOTHING"
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[a-z0-9.-]+(:[0-9]{1,5})?|[a-z]+://\[[0-9a-f:]+\](:[0-9]{1,5})?")
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_SERVICE_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_DEMO: Final = {
    "services": {"home": {"app": "unix_app.home:app", "workers": 2}, "user": {"app": "unix_app.user:app"}},
    "http": {"app": "rest_app:app", "mounts": {"/users": "user:/user"}, "depends_on": ["user"]},
}

# The table [http]: a service like any other, and what is particular to HTTP.
_field: Any = msgspec.field
_HttpTable: Any = msgspec.defstruct(
    "HttpTable",
    [
        (each.name, each.type, _field(default=each.default, default_factory=each.default_factory))
        for each in (*msgspec.structs.fields(ServiceSettings)[1:], *msgspec.structs.fields(Http))
        if each.name not in ("handler", "isolation")
    ]
    + [("app", str, NOTHING)],
    frozen=True,
    forbid_unknown_fields=True,
)


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    """What may stand in the file, as it stands there."""

    socket_dir: str | None = None
    socket_mode: Annotated[str, Meta(pattern="^0?[0-7]{3}$")] = "0660"
    token_file: str = ".auth_token"
    limits: Limits = Limits()
    security: Security = Security()
    services: dict[str, ServiceSettings] = {}
    http: _HttpTable | None = None
    log: Log = Log()


def default_socket_dir(environ: dict[str, str], uid: int) -> str:
    """Where sockets are when nobody says.

    :param environ: the environment variables.
    :param uid: the user that asks.
    """
    if environ.get("RUNTIME_DIRECTORY"):
        return environ["RUNTIME_DIRECTORY"].split(":")[0]  # systemd may name several
    if environ.get("XDG_RUNTIME_DIR"):
        return os.path.join(environ["XDG_RUNTIME_DIR"], "unixsvc")
    return "/run/unixsvc" if uid == 0 else f"/tmp/unixsvc-{uid}"  # noqa: S108  # 0700 and checked before use


def load_settings(
    path: str | None = None,
    *,
    socket_dir: str | None = None,
    cwd: str | None = None,
    http: tuple[str, ...] | None = None,
) -> Settings:
    """Read the configuration: the named file, else the one in the current directory, else the demo.

    :param socket_dir: overrides what the file says; relative to the current directory.
    :param cwd: the current directory, if not the process's.
    :param http: where to listen for HTTP instead of what the file says; nowhere, if that is empty.
    :raises ConfigError: naming what is wrong and where.
    """
    folder = Path(cwd or os.getcwd())
    fallback = default_socket_dir(dict(os.environ), os.getuid())
    override = None if socket_dir is None else str(folder / socket_dir)
    if path is None and not (folder / FILE_NAME).exists():
        # The demo has no file to be beside of, so all that it keeps is beside its sockets.
        base = Path(override or fallback)
        return _resolve(_checked(_DEMO, "the demo"), "the demo", base, override or fallback, http)
    file = folder / (path or FILE_NAME)
    own = _read(file)
    where = override or (str(file.parent.resolve() / own.socket_dir) if own.socket_dir else fallback)
    return _resolve(own, str(file), file.parent.resolve(), where, http)


def _resolve(
    file: _File, source: str, folder: Path, socket_dir: str, listen: tuple[str, ...] | None
) -> Settings:
    service, http = _http_service(file, source, str(folder), listen)
    services = file.services if service is None else {**file.services, HTTP_SERVICE: service}
    start_order(services, source)
    return Settings(
        source=source,
        folder=str(folder),
        socket_dir=os.path.normpath(socket_dir),
        socket_mode=int(file.socket_mode, 8),
        token_file=str(folder / file.token_file),
        limits=file.limits,
        security=file.security,
        services=services,
        log=file.log,
        http=http,
    )


def _http_service(
    file: _File, source: str, folder: str, listen: tuple[str, ...] | None
) -> tuple[ServiceSettings | None, Http | None]:
    """The table ``[http]`` as a service, and what is particular to it."""
    if file.http is None:
        if listen:
            remedy = "add it, with an app, mounts, or both"
            raise ConfigError("--http", f"{source} has no table [http]", remedy)
        return None, None
    if listen == ():
        return None, None
    own = msgspec.structs.asdict(file.http)
    http = Http(**{name: own.pop(name) for name in Http.__struct_fields__})
    if listen:
        http = msgspec.structs.replace(http, listen=listen)
    if own["app"] == NOTHING and not http.mounts:
        raise ConfigError(f"{source}: http", "has neither an app nor mounts", "add one of them")
    _check_http(http, f"{source}: http", folder, file.services)
    return ServiceSettings(handler=_HTTP_HANDLER, **own), http


def _check_http(http: Http, where: str, folder: str, services: Collection[str]) -> None:
    for prefix, target in http.mounts.items():
        service = target.partition(":")[0]
        if service not in services:
            known = ", ".join(services) or "none"
            raise ConfigError(f"{where}.mounts", f"{prefix!r} leads to {target!r}", f"there are: {known}")
        if "{" in prefix:
            raise ConfigError(f"{where}.mounts", f"{prefix!r} has a variable", "a prefix is plain text")
        if http.docs and f"{prefix}/".startswith(("/docs/", "/openapi.json/")):
            remedy = "choose another, or set docs = false"
            raise ConfigError(f"{where}.mounts", f"{prefix!r} hides the documentation", remedy)
    _check_cors(http.cors, f"{where}.cors")
    if not http.listen:
        raise ConfigError(f"{where}.listen", "is empty", "say where, or leave the table [http] out")
    for each in http.listen:
        try:
            parse_listen(each, folder)
        except ConfigError as error:
            raise ConfigError(f"{where}.listen", str(error)) from None


def _check_cors(cors: Cors, where: str) -> None:
    for origin in cors.origins:
        if origin != "*" and not _ORIGIN.fullmatch(origin):
            remedy = "write it as a browser does: https://example.org, with a port if it is not the usual one"
            raise ConfigError(f"{where}.origins", f"{origin!r} is no origin", remedy)
    for name in ("methods", "headers", "expose"):
        for value in getattr(cors, name):
            if not _TOKEN.fullmatch(value):
                raise ConfigError(f"{where}.{name}", f"{value!r} cannot be in a header")
    if cors.credentials and "*" in cors.origins:
        raise ConfigError(where, "credentials are not for every origin", "list the origins")


def _read(file: Path) -> _File:
    try:
        table = tomllib.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        raise ConfigError(str(file), "no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(str(file), f"cannot be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(str(file), f"is no TOML: {error}") from None
    except RecursionError:
        raise ConfigError(str(file), "is nested too deeply") from None
    return _checked(table, str(file))


def _checked(table: dict[str, Any], source: str) -> _File:
    problems = find_field_errors(_File, table, PLAIN)
    if problems:
        raise ConfigError(source, "; ".join(_explain(each) for each in problems))
    file = msgspec.convert(table, _File)
    if not (file.services or file.http):
        raise ConfigError(source, "no service is configured", "add a table [services.NAME] with an app")
    if file.http and HTTP_SERVICE in file.services:
        where = f"{source}: services.{HTTP_SERVICE}"
        raise ConfigError(where, "has the name of the table [http]", "rename it")
    for name in file.services:
        if name == CONTROL_SERVICE or not _SERVICE_NAME.fullmatch(name):
            raise ConfigError(
                f"{source}: services.{name}",
                "is no name for a service",
                f"use lower-case letters, digits, '-' and '_', and not {CONTROL_SERVICE!r}",
            )
        for variable, value in file.services[name].environment.items():
            if not variable or {"=", "\0"} & {*variable} or "\0" in value:
                where = f"{source}: services.{name}.environment"
                raise ConfigError(where, f"{variable!r} and its value cannot be in an environment")
    return file


def _explain(problem: FieldError) -> str:
    near = ""
    if problem.message == "is unknown":
        parent, _, key = problem.field.rpartition(".")
        close = difflib.get_close_matches(key, _keys_of(parent), 1)
        near = f" (did you mean {close[0]!r}?)" if close else ""
    return f"{problem.field} {_lower(problem.message)}{near}"


def _keys_of(table: str) -> list[str]:
    kinds: dict[str, type[Struct]] = {
        "": _File, "limits": Limits, "security": Security, "log": Log, "http": _HttpTable, "http.cors": Cors,
    }  # fmt: skip
    kind = kinds.get(table, _File)
    if table.startswith("services."):
        inner = table.count(".") > 1  # a service may have the name of a table
        kind = ResourceLimits if inner else ServiceSettings
    return list(kind.__struct_fields__)


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:]
