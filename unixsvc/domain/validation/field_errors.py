"""The problems of values, with the fields that they are in."""

from __future__ import annotations

from typing import Final

import msgspec

__all__ = ["MAX_FIELD_ERRORS", "NOT_FINITE", "FieldError", "field_error", "join", "located", "shortened"]

# Limits the reply to a message of a megabyte of wrong fields, which could otherwise be six times as long.
MAX_FIELD_ERRORS: Final = 100
_MAX_TEXT: Final = 300  # characters
# What msgspec appends to a message: " - at `$.tags[1]`", or " - at `key` in `$.homes`".
_PLACE: Final = " - at `"
NOT_FINITE: Final = "Expected a finite number"
# A number such as 1e400, which is no float.
_MESSAGES: Final = {"Number out of range": NOT_FINITE}


class FieldError(msgspec.Struct, frozen=True):
    """A field, as ``address.city`` or ``tags[0]``, and the problem with its value."""

    field: str
    message: str


def field_error(field: str, message: str) -> FieldError:
    """Create an error with texts of limited length: both may quote the peer's data."""
    return FieldError(shortened(field), shortened(message))


def located(error: msgspec.ValidationError, field: str) -> FieldError:
    """Create an error from one of msgspec.

    :param field: the name of the field that holds the value.
    """
    # A message may quote a megabyte of the peer's, so it is searched from the end, and once.
    text = str(error)
    message, _, place = text.rpartition(_PLACE)
    path = place.removeprefix("key` in `").removeprefix("$")
    if not message or not path.endswith("`"):
        return field_error(field, _MESSAGES.get(text, text))
    return field_error((field + path[:-1]).removeprefix("."), _MESSAGES.get(message, message))


def join(field: str, name: str) -> str:
    """Return the name of a field inside another field."""
    return shortened(f"{field}.{name}" if field else name)


def shortened(text: str) -> str:
    """Return a text that may quote a peer's data, with at most 300 characters."""
    return text if len(text) <= _MAX_TEXT else text[: _MAX_TEXT - 1] + "…"
