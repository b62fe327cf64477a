"""Finds the configuration, and resolves its paths and defaults."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from unixsvc.config.checks import check_access, check_file, check_hooks, check_tokens
from unixsvc.config.dashboard_table import resolve_dashboard
from unixsvc.config.file import ConfigFile, file_type, parse_layers, read_file
from unixsvc.config.gateways import make_gateways
from unixsvc.config.metrics import MetricsEndpoint
from unixsvc.config.nats import check_nats
from unixsvc.config.nats_service import nats_service
from unixsvc.config.settings import ClientSettings, Settings, start_order
from unixsvc.config.sources.development import CLIENT_KEYS, DEVELOPMENT, development_layer
from unixsvc.config.sources.layers import Layer, Layers
from unixsvc.errors import ConfigError

__all__ = [
    "FILE_NAME",
    "Configuration",
    "Files",
    "default_socket_dir",
    "find_socket_dir",
    "load_client_settings",
    "load_configuration",
    "load_settings",
]

Files: TypeAlias = str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | None
"""One file, several of which the later override the earlier, or the default."""

FILE_NAME: Final = "unixsvc.toml"

_DEMO: Final[dict[str, Any]] = {  # as decoded from TOML
    "services": {"home": {"app": "unix_app.home:app", "workers": 2}, "user": {"app": "unix_app.user:app"}},
    "http": {"app": "rest_app:app", "mounts": {"/users": "user:/user"}, "depends_on": ["user"]},
}
_DEMO_NAME: Final = "the demo"


class Configuration(Struct, frozen=True):
    """A configuration with the places that its values are from."""

    settings: Settings
    file: ConfigFile
    layers: Layers


def default_socket_dir(environ: Mapping[str, str], uid: int) -> str:
    """The socket directory if none is configured.

    :param environ: the environment variables.
    :param uid: the user of this process.
    """
    if environ.get("RUNTIME_DIRECTORY"):
        return environ["RUNTIME_DIRECTORY"].split(":")[0]  # systemd may list several
    if environ.get("XDG_RUNTIME_DIR"):
        return os.path.join(environ["XDG_RUNTIME_DIR"], "unixsvc")
    return "/run/unixsvc" if uid == 0 else f"/tmp/unixsvc-{uid}"  # noqa: S108  # 0700 and checked before use


def load_settings(
    config: Files = None,
    *,
    socket_dir: str | None = None,
    cwd: str | None = None,
    http: tuple[str, ...] | None = None,
    development: bool = False,
) -> Settings:
    """Read the configuration: the named files, else the one in the current directory, else the demo.

    Environment variables that stand for keys override the files.

    :param config: a file, or several of which the later override the earlier.
    :param socket_dir: overrides the configuration; relative to the current directory.
    :param cwd: the current directory, if not that of the process.
    :param http: the addresses of the HTTP gateway instead of the configured ones; empty to disable it.
    :param development: True if the tables ``[dev]`` of the files override the others.
    :raises ConfigError: naming the file or the variable, and the key that is wrong.
    """
    return _load(config, Path(cwd or os.getcwd()), socket_dir, http, development).settings


def load_configuration(
    config: Files = None, *, socket_dir: str | None = None, development: bool = False
) -> Configuration:
    """Read the configuration as :func:`load_settings` does, and keep where its values are from."""
    return _load(config, Path.cwd(), socket_dir, None, development)


def _load(
    config: Files,
    current: Path,
    socket_dir: str | None,
    http: tuple[str, ...] | None,
    development: bool,
) -> Configuration:
    files = _paths(config, current)
    layers = _read(files, os.environ, development=development)
    file = parse_layers(layers)
    base, directory = _folders(file.socket_dir, files, current, socket_dir)
    try:
        settings = _resolve(file, layers.source, base, directory, http)
    except ConfigError as error:
        raise layers.located(error) from None
    settings = replace(settings, files=tuple(map(str, files)))
    return Configuration(settings, file, layers)


def load_client_settings(
    config: Files = None, *, socket_dir: str | None = None, variables: bool = True
) -> ClientSettings:
    """Read the part of the configuration that clients need.

    The other keys may refer to environment variables that only the orchestrator has.

    :param variables: False if environment variables do not override the files.
    :raises ConfigError: as :func:`load_settings`.
    """
    current = Path.cwd()
    files = _paths(config, current)
    layers = _read(files, os.environ, CLIENT_KEYS, variables=variables)
    file = parse_layers(layers)
    base, directory = _folders(file.socket_dir, files, current, socket_dir)
    return ClientSettings(
        layers.source, os.path.normpath(directory), str(base / file.token_file), file.security
    )


def find_socket_dir(config: Files = None, *, socket_dir: str | None = None) -> str:
    """Find the socket directory as :func:`load_settings` does, also if other keys are wrong.

    A system that runs can be looked at and managed while its configuration is being changed.

    :raises ConfigError: if it cannot be found.
    """
    current = Path.cwd()
    files = _paths(config, current)
    if socket_dir is not None:
        return os.path.normpath(current / socket_dir)
    from unixsvc.config.sources.damaged import key_at_top  # late: only the command line needs it

    layers = Layers(_source(files))
    for path in files:
        found = key_at_top(path, "socket_dir")
        layers.add(_with_values(Layer(str(path), {} if found is None else {"socket_dir": found}), files))
    _add_variables(layers, os.environ, ("socket_dir",))
    found = layers.table.get("socket_dir")
    if not (found is None or isinstance(found, str)):
        where = layers.source_of("socket_dir").name
        raise ConfigError(f"{where}: socket_dir", "is not a string", "correct it, or give --socket-dir")
    return os.path.normpath(_folders(found, files, current, None)[1])


def _paths(config: Files, current: Path) -> list[Path]:
    """The files of a configuration; none for the demo."""
    if config is None:
        return [current / FILE_NAME] if (current / FILE_NAME).exists() else []
    return [current / each for each in ([config] if isinstance(config, str | os.PathLike) else config)]


def _source(files: Sequence[Path]) -> str:
    return ", ".join(map(str, files)) or _DEMO_NAME


def _read(
    files: Sequence[Path],
    environ: Mapping[str, str],
    keys: Collection[str] | None = None,
    *,
    variables: bool = True,
    development: bool = False,
) -> Layers:
    """Read all layers.

    :param keys: the keys at the top that are read, beside unknown ones; None for all.
    """
    ignored = {DEVELOPMENT, *(() if keys is None else {*ConfigFile.__struct_fields__} - {*keys})}
    layers = Layers(_source(files))
    found = [read_file(path) for path in files] or [Layer(_DEMO_NAME, _DEMO)]
    for layer in found:
        table = {key: value for key, value in layer.table.items() if key not in ignored}
        layers.add(_with_values(replace(layer, table=table), files))
    for layer in found if development else ():
        if DEVELOPMENT in layer.table:
            layers.add(_with_values(development_layer(layer), files))
    if variables:
        _add_variables(layers, environ, keys)
    return layers


def _with_values(layer: Layer, files: Sequence[Path]) -> Layer:
    """A layer with the values of its references."""
    if "$" not in layer.text and not any("$" in str(value) for value in layer.table.values()):
        return layer
    from unixsvc.config.sources.references import resolve  # late: few files have references
    from unixsvc.config.sources.secret_files import read_reference

    folder = _folder(files)

    def read(kind: str, place: str) -> str:
        return read_reference(kind, place, folder, os.environ)

    resolved = resolve(layer.table, file_type(layer.table), os.environ, read, layer.where(""))
    return replace(layer, table=resolved.table, references=resolved.references)


def _add_variables(layers: Layers, environ: Mapping[str, str], keys: Collection[str] | None) -> None:
    from unixsvc.config.sources.environment import add_variables  # late: workers have these settings already

    add_variables(layers, file_type(layers.table), environ, keys)


def _folder(files: Sequence[Path]) -> Path:
    """The base of relative paths: the folder of the first file, also for the other files."""
    return files[0].parent.resolve() if files else Path.cwd()


def _folders(
    configured: str | None, files: Sequence[Path], current: Path, override: str | None
) -> tuple[Path, str]:
    """The base of relative paths, and the socket directory.

    :param configured: the key ``socket_dir``.
    :param override: the socket directory instead of the configured one, relative to the current directory.
    """
    base = _folder(files)
    directory = str(base / configured) if configured else default_socket_dir(os.environ, os.getuid())
    if override is not None:
        directory = str(current / override)
    # The demo has no folder of its own, so its token is in the socket directory.
    return (base if files else Path(directory)), directory


def _resolve(
    file: ConfigFile, source: str, folder: Path, socket_dir: str, listen: tuple[str, ...] | None
) -> Settings:
    check_file(file, source)
    check_tokens(file, source)
    check_access(file, source)
    if file.hooks:
        check_hooks(file, source)
    gateways = make_gateways(file, source, str(folder), listen)
    if file.metrics != MetricsEndpoint():
        from unixsvc.config.metrics_checks import check_metrics  # late: few configurations have this table

        check_metrics(file.metrics, gateways.http, source, str(folder))
    services = {**file.services, **gateways.services}
    nats = check_nats(file.nats, frozenset(services), source, str(folder))
    if nats.servers and nats.prefer != "only-local":
        services |= nats_service(nats, file.services, source)
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
        log=replace(file.log, file=str(folder / file.log.file)) if file.log.file else file.log,
        gateways=gateways.http,
        control=file.control,
        dashboard=resolve_dashboard(file.dashboard, source, str(folder)),
        metrics=_with_absolute_token(file.metrics, folder),
        tokens=file.tokens,
        access=file.access,
        hooks=file.hooks,
        python=str(folder / file.python) if file.python else "",
        tracing=file.tracing,
        nats=nats,
    )


def _with_absolute_token(metrics: MetricsEndpoint, folder: Path) -> MetricsEndpoint:
    path = metrics.token_file
    return replace(metrics, token_file=str(folder / path)) if path else metrics
