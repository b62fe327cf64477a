"""The effective configuration as TOML, with a comment where each value is from. Secrets are masked."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date, time
from typing import Any, Final

from msgspec import Struct

from unixsvc.config.file import HttpTable
from unixsvc.config.loader import Configuration
from unixsvc.config.settings import HTTP_SERVICE, Limits, Settings

__all__ = ["effective_toml"]

_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")
_MASK: Final = "***"
_SECRET_NAME: Final = re.compile(
    r"pass|pwd|secret|token|key|credential|auth|private|dsn|cookie|salt|signature", re.IGNORECASE
)
_AMBIGUOUS_DOLLAR: Final = re.compile(r"\$(?=[{$])")  # which would be read as a part of a reference
_SECRET_REFERENCE: Final = ("${file:", "${credential:")
# The password of a URL, and of a connection string such as libpq's.
_PASSWORD: Final = re.compile(
    r"(?P<url>://[^\s:@/]*:)\S*@|(?P<name>\b(?:password|passwd|pwd|secret|token)\s*=\s*)\S+", re.IGNORECASE
)
# The paths that are shown as they are used.
_PATHS: Final[dict[tuple[str, ...], Callable[[Settings], str]]] = {
    ("socket_dir",): lambda settings: settings.socket_dir,
    ("token_file",): lambda settings: settings.token_file,
    ("python",): lambda settings: settings.python,
    ("dashboard", "token_file"): lambda settings: settings.dashboard.token_file,
    ("log", "file"): lambda settings: settings.log.file,
}
_USERS_TABLES: Final = ("environment", "options", "headers")  # which may have secrets


def effective_toml(
    configuration: Configuration, folder: str = "", overrides: Mapping[str, str] | None = None
) -> str:
    """The whole configuration as a TOML document.

    :param folder: paths of files below it are shown relative to it.
    :param overrides: the origins of keys at the top that have other values than configured.
    """
    writer = _Writer(configuration, folder, overrides or {})
    return "\n".join(writer.table((), configuration.file)).lstrip("\n") + "\n"


class _Writer:
    def __init__(self, configuration: Configuration, folder: str, overrides: Mapping[str, str]) -> None:
        self._layers = configuration.layers
        self._settings = configuration.settings
        self._folder = folder
        self._overrides = overrides

    def table(self, path: tuple[str, ...], table: Struct | Mapping[str, Any]) -> Iterator[str]:
        """The lines of a table: its values first, then the tables in it."""
        items = _items(table) if isinstance(table, Struct) else table
        if path == (HTTP_SERVICE,) and HTTP_SERVICE not in self._settings.gateways:
            items = {key: value for key, value in items.items() if isinstance(value, HttpTable)}
        inner = {key: value for key, value in items.items() if value and isinstance(value, Struct | dict)}
        lists = {key: value for key, value in items.items() if _is_list_of_tables(value)}
        values = [
            line
            for key, value in items.items()
            if key not in inner | lists
            for line in self._value(path, key, value)
        ]
        if path and values:
            yield ""
            yield f"[{'.'.join(map(_key, path))}]"
        yield from values
        for key, value in inner.items():
            yield from self.table((*path, key), value)
        for key, value in lists.items():
            for each in value:
                yield from self._list_item((*path, key), each)

    def _list_item(self, path: tuple[str, ...], table: Struct) -> Iterator[str]:
        """One of several tables with the same name."""
        yield ""
        yield f"[[{'.'.join(map(_key, path))}]]  # {self._origin(path)}"
        references = self._references(path[:-1], path[-1])
        for key, value in _items(table).items():
            is_secret = isinstance(value, dict) or any(
                each.startswith(_SECRET_REFERENCE) for each in references
            )
            masked = dict.fromkeys(value, _MASK) if isinstance(value, dict) else value
            yield f"{_key(key)} = {_literal(_without_passwords(masked, is_secret))}"

    def _value(self, path: tuple[str, ...], key: str, value: Any) -> Iterator[str]:
        origin = self._origin((*path, key))
        if value is None and key in Limits.__struct_fields__:
            # [services.NAME], [http] or [http.NAME]
            service = path[-1] if path[0] == "services" else "-".join(path)
            value = getattr(self._settings.services[service], key)
            if value is None:
                value, origin = getattr(self._settings.limits, key), "as in [limits]"
        if (*path, key) in _PATHS:
            value = _PATHS[(*path, key)](self._settings)
        if value is None:
            return
        masked = _masked(value, path, key, self._references(path, key))
        yield f"{_key(key)} = {_literal(masked)}  # {origin}"

    def _origin(self, path: tuple[str, ...]) -> str:
        field = ".".join(path)
        if field in self._overrides:
            return self._overrides[field]
        layer = self._layers.layer_of(field)
        if layer is None:
            return "default"
        references = layer.references.get(field, ())
        place = layer.place_of(field)
        if self._folder:
            place = place.removeprefix(f"{self._folder}/")
        return _printable(", ".join([place, *dict.fromkeys(references)]))

    def _references(self, path: tuple[str, ...], key: str) -> tuple[str, ...]:
        field = ".".join((*path, key))
        layer = self._layers.layer_of(field)
        return () if layer is None else tuple(layer.references.get(field, ()))


def _is_list_of_tables(value: Any) -> bool:
    return isinstance(value, tuple) and any(isinstance(each, Struct) for each in value)


def _items(table: Struct) -> dict[str, Any]:
    fields = zip(table.__struct_encode_fields__, table.__struct_fields__, strict=True)
    return {key: getattr(table, name) for key, name in fields}


def _masked(value: Any, path: tuple[str, ...], key: str, references: tuple[str, ...]) -> Any:
    names = (key, *references, *path[2:])
    is_users = any(each in _USERS_TABLES for each in path)
    if any(each.startswith(_SECRET_REFERENCE) for each in references):
        return _MASK
    if is_users and any(_SECRET_NAME.search(name) for name in names):
        return _MASK
    return _without_passwords(value, is_users)


def _without_passwords(value: Any, is_users: bool) -> Any:
    if isinstance(value, str):
        return _PASSWORD.sub(
            lambda match: f"{match['url']}{_MASK}@" if match["url"] else match["name"] + _MASK, value
        )
    if isinstance(value, list | tuple):
        return [_without_passwords(each, is_users) for each in value]
    if isinstance(value, dict):
        return {
            name: _MASK if is_users and _SECRET_NAME.search(name) else _without_passwords(each, is_users)
            for name, each in value.items()
        }
    return value


def _literal(value: Any) -> str:
    """A value of TOML as it is written there."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_literal, value))}]"
    if isinstance(value, dict):
        items = ", ".join(f"{_key(key)} = {_literal(each)}" for key, each in value.items())
        return f"{{ {items} }}" if items else "{}"
    if isinstance(value, date | time):  # datetime is a date, too
        return value.isoformat()
    return repr(value)  # a number: TOML writes infinity and NaN as Python does


def _key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else _string(key)


def _string(text: str) -> str:
    # The escapes of JSON are some of those of TOML, which has one more control character.
    quoted = json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
    return _AMBIGUOUS_DOLLAR.sub("$$", quoted)


def _printable(text: str) -> str:
    return "".join(each if each.isprintable() else "?" for each in text)
