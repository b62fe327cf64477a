"""Configuration files: tables with values of any type, some of the text damaged."""

from __future__ import annotations

import datetime
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from hypothesis import strategies as st

from tests.fuzz.strategies import NASTY, TEXT, damaged
from tests.fuzz.target import Crash, Target
from unixsvc.config.effective import effective_toml
from unixsvc.config.file import ConfigFile, HttpTable
from unixsvc.config.loader import load_configuration, load_settings
from unixsvc.config.settings import Limits, ServiceSettings
from unixsvc.errors import ConfigError

__all__ = ["CONFIGURATION"]

_REFERENCES: Final = st.lists(
    st.sampled_from(
        ["${", "}", "$", "$$", ":-", "file:", "credential:", "HOME", "NONE_SUCH", "unixsvc.toml", "x", "7"]
    ),
    min_size=1,
    max_size=6,
).map("".join)
_STRINGS: Final = TEXT | TEXT | TEXT | _REFERENCES
_LONGEST_LINE: Final = 2000  # characters of a message about an error
_VALUES = st.one_of(
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    TEXT,
    _REFERENCES,
    st.sampled_from(
        ["off", "required", "auto", "process", "0770", "tcp:80", "unix:/x", "a:b", "items:app", "nobody"]
    ),
    st.lists(TEXT | st.integers(-1, 70_000), max_size=3),
    st.dictionaries(st.text("abc_-", min_size=1, max_size=5), TEXT, max_size=2),
    st.just(datetime.date(2020, 1, 1)),
)


_PLAUSIBLE: Final[dict[type, st.SearchStrategy[Any]]] = {
    bool: st.booleans(), int: st.integers(0, 200), float: st.integers(0, 200) | st.floats(0, 100),
    str: _STRINGS | st.sampled_from(["off", "required", "0770"]), tuple: st.lists(TEXT, max_size=2),
    dict: st.dictionaries(TEXT, _STRINGS, max_size=2),
}  # fmt: skip
"""Values for the type of a key's default."""


def _table(struct: type[msgspec.Struct]) -> st.SearchStrategy[dict[str, Any]]:
    """Some keys of a struct, most with plausible values, and sometimes an unknown key."""
    known = [each for each in msgspec.structs.fields(struct) if each.default is not msgspec.NODEFAULT]
    entry = st.sampled_from(known).flatmap(
        lambda field: st.tuples(st.just(field.encode_name), _PLAUSIBLE.get(type(field.default), _VALUES))
    )
    entries = st.lists(st.one_of(entry, entry, entry, st.tuples(_KEYS, _VALUES)), max_size=2).map(dict)
    return st.one_of(st.just({}), entries)


_KEYS = st.text("abcdefg_-", min_size=1, max_size=8)
_FILES = st.builds(
    lambda top, services, limits, http: {
        **top,
        "services": services,
        **({"limits": limits} if limits else {}),
        **({"http": http} if http else {}),
    },
    st.sampled_from([{}, {"socket_dir": "run"}]) | _table(ConfigFile),
    st.dictionaries(
        st.sampled_from([*["home", "user"] * 5, "orchestrator", "A b", "", "é", "a" * 200]),
        _table(ServiceSettings).map(lambda table: {"app": "items:app", **table}),
        max_size=2,
    ),
    _table(Limits),
    st.just({}) | _table(HttpTable).map(lambda table: {"app": "web:app", **table}),
)


def _toml(value: Any) -> str:
    """A value in the syntax of TOML."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        escaped = "".join(
            f"\\u{ord(each):04x}" if not each.isalnum() and ord(each) < 0x10000 else each for each in value
        )
        return f'"{escaped}"'
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_toml(key)} = {_toml(each)}" for key, each in value.items()) + "}"
    return str(value)


_TEXTS = _FILES.map(
    lambda table: "".join(f"{_toml(key)} = {_toml(each)}\n" for key, each in table.items()).encode()
)
_CASES = st.one_of(_TEXTS, _TEXTS, damaged(_TEXTS), NASTY)


def _run(case: bytes) -> Mapping[str, int]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "unixsvc.toml")
        path.write_bytes(case)
        try:
            found = load_configuration(str(path))
        except ConfigError as error:
            if "\n" in str(error) or len(str(error)) > _LONGEST_LINE:
                raise Crash(f"no line for people: {error}") from None
            return {"refused": 1}
        shown = effective_toml(found)
        path.write_text(shown)
        try:
            load_settings(str(path))
        except ConfigError as error:
            raise Crash(f"check --show prints an invalid configuration: {error}\n{shown}") from None
    return {"loaded": 1}


CONFIGURATION: Final = Target("configuration", _CASES, _run)
