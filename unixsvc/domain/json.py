"""Data that was decoded from JSON: its types, and the errors of decoding.

Static types cannot say more about such data without a check at each step, so the aliases stand for ``Any``.
The data is validated where it is converted to a type, by msgspec.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias

import msgspec

__all__ = ["NOT_JSON", "Json", "JsonObject"]

Json: TypeAlias = Any  # None, a bool, an int, a float, a str, a list, or a dict with string keys
JsonObject: TypeAlias = dict[str, Any]

NOT_JSON: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""The exceptions of ``msgspec.json.decode`` for data that is not JSON, or is nested too deeply."""
