"""One key of a file that may be wrong everywhere else."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, Final

from unixsvc.errors import ConfigError

__all__ = ["key_at_top"]

_REMEDY: Final = "correct it, or give --socket-dir"


def key_at_top(path: Path, key: str) -> Any:  # a value of TOML
    """A key of a file that is in no table; None if the file does not have it.

    :raises ConfigError: if there is no such file, or the key cannot be found in it.
    """
    try:
        text = path.read_text("utf-8-sig", "replace")
    except FileNotFoundError:
        raise ConfigError(str(path), "no such file", _REMEDY) from None
    except OSError as error:
        raise ConfigError(str(path), f"cannot be read: {error}", _REMEDY) from None
    try:
        return tomllib.loads(text).get(key)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        # The key is before all tables. A file without it, as it seems, has the default.
        top = re.split(r"^\s*\[", text, maxsplit=1, flags=re.MULTILINE)[0]
        line = re.search(rf"^\s*{re.escape(key)}\b(.*)", top, re.MULTILINE)
        if line is None:
            return None
        match = re.match(r"\s*=\s*(?:\"([^\"\\]+)\"|'([^']+)')", line[1])
        if match is None:
            raise ConfigError(str(path), f"not valid TOML: {error}", _REMEDY) from None
        return match[1] or match[2]
