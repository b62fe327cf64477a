"""References in strings of the configuration, such as ``${NAME}``, and their values."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec import Struct

from unixsvc.config.sources.typed_text import is_unicode, type_of_item, type_of_key, value_of
from unixsvc.domain.validation.type_forms import TypeForm
from unixsvc.errors import ConfigError

__all__ = ["Resolved", "UnresolvedReference", "resolve"]

_REFERENCE: Final = re.compile(
    r"\$(?:"
    r"(?P<dollar>\$)"
    r"|\{(?P<kind>file|credential):(?!-)(?P<place>[^{}]+)\}"
    r"|\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>(?:(?!\$\{)[^}])*))?\}"
    r"|(?P<invalid>\{))"
)
_SYNTAX: Final = (
    "write ${NAME}, ${NAME:-default}, ${file:PATH} or ${credential:NAME}, and $$ for a dollar sign"
)


class UnresolvedReference(ConfigError):
    """A reference has no value in this environment."""


class Resolved(Struct, frozen=True):
    """A table without references.

    :ivar references: the references of each key that has some, without defaults, by the name of the key.
    """

    table: dict[str, Any]  # values of TOML
    references: dict[str, tuple[str, ...]]


def resolve(
    table: dict[str, Any],
    type_form: TypeForm,
    environ: Mapping[str, str],
    read: Callable[[str, str], str],
    source: str,
) -> Resolved:
    """Replace the references in all strings of a table.

    :param type_form: of the table: a string with a reference becomes a value of the type of its key.
    :param environ: the environment variables.
    :param read: returns the content of a file or a credential.
    :param source: what precedes the name of a key in messages: the file.
    :raises ConfigError: naming each key with a reference that is not valid or has no value.
    """
    resolver = _Resolver(environ, read)
    resolved: dict[str, Any] = resolver.table(table, type_form, "")
    for kind, problems in ((ConfigError, resolver.invalid), (UnresolvedReference, resolver.unresolved)):
        if problems:
            first, *others = problems
            rest = "".join(f"; {each}" for each in others)
            raise kind(f"{source}{first.where}", first.problem, f"{first.remedy}{rest}")
    return Resolved(resolved, resolver.references)


class _Resolver:
    def __init__(self, environ: Mapping[str, str], read: Callable[[str, str], str]) -> None:
        self._environ = environ
        self._read = read
        self.references: dict[str, tuple[str, ...]] = {}
        self.invalid: list[ConfigError] = []
        self.unresolved: list[ConfigError] = []

    def table(self, table: Mapping[str, Any], type_form: TypeForm, field: str) -> dict[str, Any]:
        return {
            key: self.value(value, type_of_key(type_form, key), f"{field}.{key}" if field else key)
            for key, value in table.items()
        }

    def value(self, value: Any, type_form: TypeForm, field: str) -> Any:
        if isinstance(value, dict):
            return self.table(value, type_form, field)
        if isinstance(value, list):
            kind = type_of_item(type_form)
            return [self.value(each, kind, field) for each in value]
        if not isinstance(value, str) or "$" not in value:
            return value
        found = [each for each in _REFERENCE.finditer(value) if each["dollar"] is None]
        text = _REFERENCE.sub(lambda match: self._replace(match, field), value)
        if not found:
            return text
        self.references[field] = (*self.references.get(field, ()), *map(_without_default, found))
        return value_of(text, type_form)

    def _replace(self, match: re.Match[str], field: str) -> str:
        if match["dollar"]:
            return "$"
        if match["invalid"]:
            self.invalid.append(ConfigError(field, "'${' does not start a valid reference", _SYNTAX))
            return ""
        if match["kind"]:
            try:
                return self._read(match["kind"], match["place"])
            except ConfigError as error:
                problem = f"{match[0]}: {error.problem}"
                self.unresolved.append(ConfigError(field, problem, error.remedy))
                return ""
        name, default = match["name"], match["default"]
        text = self._environ.get(name)
        if default is not None:
            text = text or default.replace("$$", "$")
        if text is None:
            problem, remedy = f"the environment variable {name} is not set", f"write ${{{name}:-default}}"
            self.unresolved.append(ConfigError(field, problem, f"set it, or {remedy}"))
            return ""
        if not is_unicode(text):
            self.unresolved.append(
                ConfigError(field, f"the environment variable {name} is not valid UTF-8", "")
            )
        return text


def _without_default(match: re.Match[str]) -> str:
    return f"${{{match['name']}}}" if match["name"] else match[0]
