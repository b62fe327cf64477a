"""The structure of ``unixsvc.toml``, and errors that name its keys."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct

from unixsvc.config.access import AccessRule
from unixsvc.config.control import ControlAccess
from unixsvc.config.http import Cors, Http
from unixsvc.config.settings import (
    Limits,
    Log,
    NamedToken,
    ResourceLimits,
    Security,
    ServiceOptions,
    ServiceSettings,
)
from unixsvc.config.sources.layers import Layer, Layers
from unixsvc.config.types import Count, Seconds
from unixsvc.domain.validation.field_errors import FieldError
from unixsvc.domain.validation.formats import DECODED
from unixsvc.domain.validation.validator import find_field_errors
from unixsvc.errors import ConfigError

__all__ = ["NO_APP", "ConfigFile", "HttpTable", "parse_layers", "read_file"]

NO_APP: Final = "unixsvc.routing.app:NOTHING"
"""An application without routes, for a gateway that only mounts services."""

_OPTIONS: Final = "options"
# The beginning of a message of msgspec that quotes the value.
_QUOTES: Final = "Invalid enum value"
_HTTP_HANDLER: Final = "unixsvc.rest.handler:HttpRequestHandler"


class HttpTable(ServiceOptions, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The table ``[http]``: the options of a service, and the fields of :class:`Http`.

    msgspec has no multiple inheritance, so the latter are repeated; a test compares them.
    """

    app: str = NO_APP
    listen: tuple[str, ...] = ("tcp:8080:interface=127.0.0.1",)
    allowed_hosts: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()
    mounts: dict[str, str] = msgspec.field(default_factory=dict)
    socket_dir: str = ""
    token: Literal["required", "private", "off"] = "private"
    docs: bool = True
    cors: Cors = Cors()
    header_timeout: Seconds = 10.0
    send_timeout: Seconds = 30.0
    max_header_bytes: Annotated[int, Meta(ge=512, le=1_048_576)] = 16_384
    upload_dir: str = ""
    spool_over: Annotated[int, Meta(ge=0)] = 262_144
    max_files: Count = 100
    gzip_over: Annotated[int, Meta(ge=0)] = 1024

    def http(self) -> Http:
        """The fields of :class:`Http`."""
        return Http(**{name: getattr(self, name) for name in Http.__struct_fields__})

    def service(self) -> ServiceSettings:
        """The service that the table configures."""
        options = {name: getattr(self, name) for name in ServiceOptions.__struct_fields__}
        if self.max_connections_per_user is None:
            # That of [limits] is not for HTTP: a reverse proxy has nearly all connections, as one user.
            options["max_connections_per_user"] = 0
        return ServiceSettings(self.app, handler=_HTTP_HANDLER, **options)


class ConfigFile(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file, with its values as written.

    :ivar socket_dir: the directory of the sockets; by default that of the environment.
    :ivar socket_mode: the file mode of the sockets, in octal.
    :ivar token_file: the file with the shared token, which is created at the first start.
    :ivar python: the interpreter of the workers; empty for that of the orchestrator.
    :ivar limits: the limits of one worker.
    :ivar security: access to the services.
    :ivar services: the services by their names.
    :ivar http: the HTTP gateway.
    :ivar log: the log.
    :ivar control: who may use the control API.
    :ivar tokens: tokens besides the shared one, by their names.
    :ivar access: who may call services, by the names of the rules.
    """

    socket_dir: str | None = None
    socket_mode: Annotated[str, Meta(pattern="^0?[0-7]{3}$")] = "0660"
    token_file: str = ".auth_token"
    python: str = ""
    limits: Limits = Limits()
    security: Security = Security()
    services: dict[str, ServiceSettings] = {}
    http: HttpTable | None = None
    log: Log = Log()
    control: ControlAccess = ControlAccess()
    tokens: dict[str, NamedToken] = {}
    access: dict[str, AccessRule] = {}


_TABLES: Final[dict[str, type[Struct]]] = {
    "": ConfigFile, "limits": Limits, "security": Security, "log": Log, "http": HttpTable, "http.cors": Cors,
    "control": ControlAccess,
}  # fmt: skip


def read_file(path: Path) -> Layer:
    """Read a file.

    :raises ConfigError: naming the file, and the line that is wrong.
    """
    import tomllib  # here, and difflib below: few workers read a file, all of them have this module

    try:
        text = path.read_text("utf-8-sig")  # some editors begin a file with a byte order mark
        return Layer(str(path), tomllib.loads(text), text)
    except FileNotFoundError:
        raise ConfigError(str(path), "no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(str(path), f"cannot be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(str(path), f"not valid TOML: {error}") from None
    except RecursionError:
        raise ConfigError(str(path), "is nested too deeply") from None


def parse_layers(layers: Layers) -> ConfigFile:
    """Convert the values of all layers.

    :raises ConfigError: naming every key that is unknown or has a wrong value, and where it is from.
    """
    errors = find_field_errors(ConfigFile, layers.table, DECODED)
    if errors:
        raise layers.error((error.field, _describe(error, layers)) for error in errors)
    for key, value in layers.table.items():
        _refuse_nul(value, key, layers)
    return msgspec.convert(layers.table, ConfigFile)


def _refuse_nul(value: Any, field: str, layers: Layers) -> None:
    """Refuse NUL characters: no path, name or address can contain one. An application's options may."""
    if isinstance(value, str) and "\0" in value:
        raise ConfigError(layers.source_of(field).where(field), "contains a NUL character", "remove it")
    if isinstance(value, list):
        for each in value:
            _refuse_nul(each, field, layers)
    if isinstance(value, dict):
        for key, each in value.items():
            _refuse_nul(key, field, layers)
            if key != _OPTIONS:
                _refuse_nul(each, f"{field}.{key}", layers)


def _describe(error: FieldError, layers: Layers) -> str:
    if error.message.startswith(_QUOTES) and layers.source_of(error.field).is_outside(error.field):
        return f"{error.field} has an invalid value"
    if error.message == "is unknown":
        import difflib

        parent, _, key = error.field.rpartition(".")
        matches = difflib.get_close_matches(key, _keys_of(parent), 1)
        if matches:
            return f"{error.field} is unknown (did you mean {matches[0]!r}?)"
    return f"{error.field} {error.message[:1].lower()}{error.message[1:]}"


def _keys_of(table: str) -> list[str]:
    kind = _TABLES.get(table, ConfigFile)
    if table.startswith("tokens."):
        kind = NamedToken
    if table.startswith("access."):
        kind = AccessRule
    if table.startswith("services."):
        is_subtable = table.count(".") > 1  # a service may be called "rlimits"
        kind = ResourceLimits if is_subtable else ServiceSettings
    return list(kind.__struct_fields__)
