"""Types of data that was decoded from JSON.

Static types cannot say more about such data without a check at each step, so the aliases stand for ``Any``.
The data is validated where it is converted to a type, by msgspec.
"""

from __future__ import annotations

from typing import Any, TypeAlias

__all__ = ["Json", "JsonObject"]

Json: TypeAlias = Any  # None, a bool, an int, a float, a str, a list, or a dict with string keys
JsonObject: TypeAlias = dict[str, Any]
