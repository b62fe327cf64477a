"""What a reply says over HTTP besides its body: status, header fields, media type."""

from __future__ import annotations

import re
from typing import Final, Literal

from msgspec import Struct

from unixsvc.domain.open_file import OpenFile

__all__ = [
    "MAX_HEARTBEAT",
    "MIN_HEARTBEAT",
    "BodyForm",
    "HeaderFields",
    "ReplyHead",
    "WrongHeader",
    "check_header",
    "check_media_type",
]

HeaderFields = tuple[tuple[str, str], ...]
"""Names and values of header fields, in the order in which they are sent."""

BodyForm = Literal["json", "text", "base64", "events"]
"""How JSON represents a body: as itself, as a string, as base64 in a string; ``events`` are
:class:`~unixsvc.Event` objects. In this process, ``text`` and ``base64`` are bytes as they are."""

MIN_HEARTBEAT: Final = 1.0
MAX_HEARTBEAT: Final = 3600.0
"""The limits of a heartbeat, in seconds: one for each of many silent clients costs time."""

# RFC 9110, section 5.6.2 and 5.5.
_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,128}")
_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
# RFC 9110, section 8.3.1. A quoted value has no quotes or backslashes inside.
_TYPE_NAME: Final = r"[!#$&^_.+\-0-9A-Za-z]{1,127}"
_TYPE_VALUE: Final = r"[!#$&^_.+\-:0-9A-Za-z]{1,200}|\"[\x20\x21\x23-\x5b\x5d-\x7e]{0,200}\""
_MEDIA_TYPE: Final = re.compile(f"{_TYPE_NAME}/{_TYPE_NAME}(?:; ?{_TYPE_NAME}=(?:{_TYPE_VALUE})){{0,8}}")
# They frame the message or belong to the connection, and are the server's own.
_RESERVED: Final = frozenset(
    {
        "connection", "content-encoding", "content-length", "content-type", "date", "keep-alive",
        "proxy-authenticate", "te", "trailer", "transfer-encoding", "upgrade", "x-request-id",
    }
)  # fmt: skip


class WrongHeader(ValueError):
    """A header field that an application may not send.

    :param name: of the field.
    :param problem: why not.
    """

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"the header {name[:64]!r} {problem}")
        self.name = name
        self.problem = problem


class ReplyHead(Struct, frozen=True):
    """What a reply has for HTTP.

    :ivar status: the status code; 0 for the one that follows from the result.
    :ivar headers: further header fields.
    :ivar media_type: of the body; empty for JSON.
    :ivar form: how JSON represents the body, or each item of a stream.
    :ivar file: what is sent instead of a body; None for nearly all replies.
    :ivar heartbeat: of server-sent events, in seconds; 0 for the usual one.
    :raises WrongHeader: for a field that :func:`check_header` refuses, wherever it comes from.
    """

    status: int = 0
    headers: HeaderFields = ()
    media_type: str = ""
    form: BodyForm = "json"
    file: OpenFile | None = None
    heartbeat: float = 0.0

    def __post_init__(self) -> None:
        for name, value in self.headers:
            check_header(name, value)
        if self.media_type:
            check_media_type(self.media_type)


def check_header(name: str, value: str) -> None:
    """Require that a field can be part of a response: all fields that applications set pass here.

    A line end in a value would end the field, and what follows would be another field or another response
    (header injection, response splitting).

    :raises WrongHeader: for a name or a value with other characters than HTTP allows, and for the fields that
        the server sets.
    """
    if not _TOKEN.fullmatch(name):
        raise WrongHeader(name, "has a name with characters that are not allowed")
    if name.lower() in _RESERVED:
        raise WrongHeader(name, "is set by the server")
    if not _VALUE.fullmatch(value) or value != value.strip(" \t"):
        raise WrongHeader(name, "has a value with characters that are not allowed, or with spaces around it")


def check_media_type(media_type: str) -> None:
    """Require that a text is a media type, as ``text/csv; charset=utf-8``.

    :raises WrongHeader: for another one.
    """
    if not _MEDIA_TYPE.fullmatch(media_type):
        raise WrongHeader("Content-Type", f"has the value {media_type[:64]!r}, which is no media type")
