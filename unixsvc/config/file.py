"""The structure of ``unixsvc.toml``, and errors that name its keys."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Final, Literal, cast

import msgspec
from msgspec import Meta, Struct

from unixsvc.config.access import AccessRule
from unixsvc.config.control import ControlAccess
from unixsvc.config.dashboard import Dashboard
from unixsvc.config.hooks import Hook
from unixsvc.config.http import Cors, Http, StaticFolder, WebSockets
from unixsvc.config.metrics import MetricsEndpoint
from unixsvc.config.nats import Nats
from unixsvc.config.settings import (
    HTTP_SERVICE,
    Limits,
    Log,
    NamedToken,
    ResourceLimits,
    Security,
    ServiceOptions,
    ServiceSettings,
)
from unixsvc.config.sources.layers import Layer, Layers
from unixsvc.config.tracing import Tracing
from unixsvc.config.types import Count, Seconds
from unixsvc.domain.validation.field_errors import FieldError
from unixsvc.domain.validation.formats import DECODED
from unixsvc.domain.validation.validator import find_field_errors
from unixsvc.errors import ConfigError

__all__ = [
    "NO_APP",
    "ConfigFile",
    "HttpTable",
    "file_type",
    "gateway_service",
    "http_tables",
    "parse_layers",
    "read_file",
]

NO_APP: Final = "unixsvc.routing.app:NOTHING"
"""An application without routes, for a gateway that only mounts services."""

_OPTIONS: Final = "options"
# The beginning of a message of msgspec that quotes the value.
_QUOTES: Final = "Invalid enum value"
_HTTP_HANDLER: Final = "unixsvc.rest.handler:HttpRequestHandler"


class HttpTable(ServiceOptions, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The table ``[http]``, or a table ``[http.NAME]``: the options of a service, and the fields of ``Http``.

    msgspec has no multiple inheritance, so the latter are repeated; a test compares them.
    """

    app: str = NO_APP
    listen: tuple[str, ...] = ("tcp:8080:interface=127.0.0.1",)
    allowed_hosts: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()
    proxy_header: Literal["x-forwarded-for", "forwarded"] = "x-forwarded-for"
    forward_headers: tuple[str, ...] = ()
    mounts: dict[str, str] = msgspec.field(default_factory=dict)
    socket_dir: str = ""
    token: Literal["required", "private", "off"] = "private"
    docs: bool = True
    cors: Cors = Cors()
    static: dict[str, StaticFolder] = msgspec.field(default_factory=dict)
    header_timeout: Seconds = 10.0
    send_timeout: Seconds = 30.0
    max_header_bytes: Annotated[int, Meta(ge=512, le=1_048_576)] = 16_384
    upload_dir: str = ""
    spool_over: Annotated[int, Meta(ge=0)] = 262_144
    max_files: Count = 100
    gzip_over: Annotated[int, Meta(ge=0)] = 1024
    websocket: WebSockets = WebSockets()

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
    :ivar http: the HTTP gateway; other tables in it are gateways of their own, by their names.
    :ivar log: the log.
    :ivar control: who may use the control API.
    :ivar dashboard: the live page.
    :ivar metrics: metrics for Prometheus.
    :ivar tokens: tokens besides the shared one, by their names.
    :ivar access: who may call services, by the names of the rules.
    :ivar tracing: traces of requests.
    :ivar hooks: commands and URLs that get events.
    :ivar nats: the cluster.
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
    dashboard: Dashboard = Dashboard()
    metrics: MetricsEndpoint = MetricsEndpoint()
    tokens: dict[str, NamedToken] = {}
    access: dict[str, AccessRule] = {}
    tracing: Tracing = Tracing()
    hooks: tuple[Hook, ...] = ()
    nats: Nats = Nats()


_TABLES: Final[dict[str, type[Struct]]] = {
    "": ConfigFile, "limits": Limits, "security": Security, "log": Log, "http": HttpTable, "http.cors": Cors,
    "http.websocket": WebSockets, "control": ControlAccess, "dashboard": Dashboard,
    "tracing": Tracing, "metrics": MetricsEndpoint, "nats": Nats,
}  # fmt: skip


def file_type(table: Mapping[str, Any]) -> type[ConfigFile]:
    """The type of a file, with a field for each gateway that has a name.

    A table in ``[http]`` is that of a key of the same name, if there is one; else it is a gateway.

    :param table: the whole file.
    """
    http = table.get("http")
    if not isinstance(http, dict):
        return ConfigFile
    known = HttpTable.__struct_fields__
    return _file_type(
        tuple(key for key, value in http.items() if isinstance(value, dict) and key not in known)
    )


@lru_cache(16)
def _file_type(names: tuple[str, ...]) -> type[ConfigFile]:
    if not names:
        return ConfigFile
    options: dict[str, Any] = {"frozen": True, "forbid_unknown_fields": True}  # of several types
    fields = {f"gateway_{number}": name for number, name in enumerate(names)}
    http = msgspec.defstruct(
        "HttpTables",
        [(field, HttpTable | None, None) for field in fields],
        bases=(HttpTable,),
        rename=fields,
        kw_only=True,
        **options,
    )
    found = msgspec.defstruct("ConfigFile", [("http", http | None, None)], bases=(ConfigFile,), **options)
    return cast("type[ConfigFile]", found)


def http_tables(file: ConfigFile) -> dict[str, HttpTable]:
    """The tables of the gateways, by their names; the name of ``[http]`` itself is empty.

    ``[http]`` is a gateway if it has a key of its own, or nothing else.
    """
    http = file.http
    if http is None:
        return {}
    own = HttpTable(**{name: getattr(http, name) for name in HttpTable.__struct_fields__})
    pairs = zip(http.__struct_encode_fields__, http.__struct_fields__, strict=True)
    tables = {name: getattr(http, field) for name, field in pairs if field not in own.__struct_fields__}
    if not tables or own != HttpTable():
        return {"": own, **tables}
    return tables


def gateway_service(name: str) -> str:
    """The service of a gateway.

    :param name: as in :func:`http_tables`.
    """
    return f"{HTTP_SERVICE}-{name}" if name else HTTP_SERVICE


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
    kind = file_type(layers.table)
    errors = find_field_errors(kind, layers.table, DECODED)
    if errors:
        raise layers.error((error.field, _describe(error, kind, layers)) for error in errors)
    for key, value in layers.table.items():
        _refuse_nul(value, key, layers)
    return msgspec.convert(layers.table, kind)


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


def _describe(error: FieldError, kind: type[Struct], layers: Layers) -> str:
    if error.message.startswith(_QUOTES):
        # Late: only for this error.
        from unixsvc.config.allowed_values import allowed_values

        hint = allowed_values(kind, error.field)
        if layers.source_of(error.field).is_outside(error.field):
            return f"{error.field} has an invalid value{hint}"  # which may be a secret
        return f"{error.field} has the invalid value{error.message.removeprefix(_QUOTES)}{hint}"
    hint = _gateway_hint(error.field)
    if error.message == "is unknown" and not hint:
        import difflib

        parent, _, key = error.field.rpartition(".")
        matches = difflib.get_close_matches(key, _keys_of(parent), 1)
        if matches:
            return f"{error.field} is unknown (did you mean {matches[0]!r}?)"
    return f"{error.field} {error.message[:1].lower()}{error.message[1:]}{hint}"


def _gateway_hint(field: str) -> str:
    """Why a table in ``[http]`` is, or is not, that of a gateway; empty if that cannot be the mistake."""
    import difflib

    table, name, key = [*field.split(".", 2), "", ""][:3]
    keys = HttpTable.__struct_fields__
    if table != "http":
        return ""
    if name in keys:
        is_gateway = key in keys and name not in key
        return f" ([http.{name}] is a key of [http], so no gateway can have this name)" if is_gateway else ""
    tables = [each for each in keys if isinstance(getattr(HttpTable(), each), dict | Struct)]
    matches = difflib.get_close_matches(name, tables, 1) if key and key.partition(".")[0] not in keys else ()
    return f" ([http.{name}] is a gateway of its own; did you mean 'http.{matches[0]}'?)" if matches else ""


def _keys_of(table: str) -> list[str]:
    head, name, *rest = [*table.split("."), ""]
    if head == "http" and name and name not in HttpTable.__struct_fields__:
        table = ".".join(("http", *rest[:-1]))  # of a gateway with a name
    kind = _TABLES.get(table, ConfigFile)
    if table.startswith("tokens."):
        kind = NamedToken
    if table.startswith("access."):
        kind = AccessRule
    if table.startswith("http.static."):
        kind = StaticFolder
    if table.startswith("services."):
        is_subtable = table.count(".") > 1  # a service may be called "rlimits"
        kind = ResourceLimits if is_subtable else ServiceSettings
    return list(kind.__struct_fields__)
