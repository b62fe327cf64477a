"""The table ``[dev]``, which overrides the others during development."""

from __future__ import annotations

from typing import Final

from unixsvc.config.sources.layers import Layer
from unixsvc.errors import ConfigError

__all__ = ["CLIENT_KEYS", "DEVELOPMENT", "development_layer"]

DEVELOPMENT: Final = "dev"
"""The name of the table."""
CLIENT_KEYS: Final = ("socket_dir", "token_file", "security")
"""The keys at the top that clients read, who do not know the table."""


def development_layer(layer: Layer) -> Layer:
    """The table of a file as a layer of its own.

    :raises ConfigError: if it is no table, or has a key that clients read.
    """
    table = layer.table[DEVELOPMENT]
    where = f"{layer.name}: {DEVELOPMENT}"
    if not isinstance(table, dict):
        raise ConfigError(where, "is not a table", f"write [{DEVELOPMENT}.log], for example")
    for key in CLIENT_KEYS:
        if key in table:
            problem = "cannot be overridden here, as clients read it without this table"
            raise ConfigError(f"{where}.{key}", problem, "set it in a second file for --config")
    return Layer(layer.name, table, layer.text, prefix=f"{DEVELOPMENT}.")
