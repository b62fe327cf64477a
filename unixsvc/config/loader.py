"""Finds the configuration, and resolves its paths and defaults."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from msgspec.structs import replace

from unixsvc.config.checks import check_file, check_http, check_tokens
from unixsvc.config.file import NO_APP, ConfigFile, parse_table, read_file
from unixsvc.config.http import Http
from unixsvc.config.settings import HTTP_SERVICE, ServiceSettings, Settings, start_order
from unixsvc.errors import ConfigError

__all__ = ["FILE_NAME", "default_socket_dir", "find_socket_dir", "load_settings"]

FILE_NAME: Final = "unixsvc.toml"

_DEMO: Final[dict[str, Any]] = {  # as decoded from TOML
    "services": {"home": {"app": "unix_app.home:app", "workers": 2}, "user": {"app": "unix_app.user:app"}},
    "http": {"app": "rest_app:app", "mounts": {"/users": "user:/user"}, "depends_on": ["user"]},
}


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
    path: str | None = None,
    *,
    socket_dir: str | None = None,
    cwd: str | None = None,
    http: tuple[str, ...] | None = None,
) -> Settings:
    """Read the configuration: the named file, else the one in the current directory, else the demo.

    :param socket_dir: overrides the file; relative to the current directory.
    :param cwd: the current directory, if not that of the process.
    :param http: the addresses of the HTTP gateway instead of those in the file; empty to disable it.
    :raises ConfigError: naming the file, and the key that is wrong.
    """
    folder = Path(cwd or os.getcwd())
    source = _find_file(folder, path)
    if source is None:
        # The demo has no folder of its own, so its token is in the socket directory.
        directory = _choose_socket_dir(folder, socket_dir, None)
        return _resolve(parse_table(_DEMO, "the demo"), "the demo", Path(directory), directory, http)
    file = read_file(source)
    base = source.parent.resolve()
    directory = _choose_socket_dir(folder, socket_dir, base / file.socket_dir if file.socket_dir else None)
    return _resolve(file, str(source), base, directory, http)


def find_socket_dir(path: str | None = None, *, socket_dir: str | None = None) -> str:
    """Find the socket directory as :func:`load_settings` does, also if the rest of the file is wrong.

    A system that runs can be looked at and managed while its configuration is being changed.

    :raises ConfigError: if it cannot be found.
    """
    folder = Path.cwd()
    source = _find_file(folder, path)
    configured = None
    if source is not None and socket_dir is None and (found := _socket_dir_of(source)):
        configured = source.parent.resolve() / found
    return _choose_socket_dir(folder, socket_dir, configured)


def _find_file(folder: Path, path: str | None) -> Path | None:
    """The named file, else the one in a folder; None for the demo."""
    if path is None and not (folder / FILE_NAME).exists():
        return None
    return folder / (path or FILE_NAME)


def _choose_socket_dir(folder: Path, override: str | None, configured: Path | None) -> str:
    """The socket directory: an override, relative to a folder, else the configured one, else the default."""
    fallback = default_socket_dir(os.environ, os.getuid())
    return os.path.normpath(folder / override if override is not None else configured or fallback)


def _socket_dir_of(source: Path) -> str | None:
    """The key ``socket_dir`` of a file; None if it has none."""
    # Here, as every worker loads this module, and only the command line needs these.
    import re
    import tomllib

    remedy = "correct it, or give --socket-dir"
    try:
        text = source.read_text("utf-8-sig", "replace")
    except FileNotFoundError:
        raise ConfigError(str(source), "no such file", remedy) from None
    except OSError as error:
        raise ConfigError(str(source), f"cannot be read: {error}", remedy) from None
    try:
        value = tomllib.loads(text).get("socket_dir")
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        # The key is at the top. A file without it, as it seems, has the default directory.
        top = re.split(r"^\s*\[", text, maxsplit=1, flags=re.MULTILINE)[0]
        line = re.search(r"^\s*socket_dir\b(.*)", top, re.MULTILINE)
        if line is None:
            return None
        match = re.match(r"\s*=\s*(?:\"([^\"\\]+)\"|'([^']+)')", line[1])
        if match is None:
            raise ConfigError(str(source), f"not valid TOML: {error}", remedy) from None
        return match[1] or match[2]
    if value is not None and not isinstance(value, str):
        raise ConfigError(f"{source}: socket_dir", "is not a string", remedy)
    return value


def _resolve(
    file: ConfigFile, source: str, folder: Path, socket_dir: str, listen: tuple[str, ...] | None
) -> Settings:
    check_file(file, source)
    check_tokens(file, source)
    service, http = _http_service(file, source, str(folder), listen)
    services = file.services if service is None else {**file.services, HTTP_SERVICE: service}
    start_order(services, source)
    return Settings(
        source=source,
        folder=str(folder),
        socket_dir=socket_dir,
        socket_mode=int(file.socket_mode, 8),
        token_file=str(folder / file.token_file),
        limits=file.limits,
        security=file.security,
        services=services,
        log=replace(file.log, file=str(folder / file.log.file)) if file.log.file else file.log,
        http=http,
        control=file.control,
        tokens=file.tokens,
    )


def _http_service(
    file: ConfigFile, source: str, folder: str, listen: tuple[str, ...] | None
) -> tuple[ServiceSettings | None, Http | None]:
    """The table ``[http]`` as a service with its HTTP settings.

    :param listen: as ``http`` of :func:`load_settings`.
    """
    if file.http is None:
        if listen:
            remedy = "add it, with an app, mounts, or both"
            raise ConfigError("--http", f"{source} has no table [http]", remedy)
        return None, None
    if listen == ():
        return None, None
    http = file.http.http()
    if listen:
        http = replace(http, listen=listen)
    if file.http.app == NO_APP and not http.mounts:
        raise ConfigError(f"{source}: http", "has neither an app nor mounts", "add one of them")
    check_http(http, f"{source}: http", folder, file.services)
    return file.http.service(), http
