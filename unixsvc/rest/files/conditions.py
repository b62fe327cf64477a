"""Conditional requests for a file (RFC 9110, section 13). Pure."""

from __future__ import annotations

import re
from calendar import timegm
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import Final

from unixsvc.rest.headers.etags import is_known

__all__ = ["Outcome", "Validators", "evaluate", "is_range_wanted"]

# The three forms of section 5.6.7. The parser of the standard library takes much more, and its errors vary.
_DATE: Final = re.compile(
    rb"[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [12][0-9]{3} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT"
    rb"|[A-Z][a-z]{5,8}, [0-9]{2}-[A-Z][a-z]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT"
    rb"|[A-Z][a-z]{2} [A-Z][a-z]{2} [ 0-9][0-9] [0-9]{2}:[0-9]{2}:[0-9]{2} [12][0-9]{3}"
)
_TAG: Final = re.compile(rb'(W/)?("[\x21\x23-\x7e\x80-\xff]*")')
# A file that changes twice within a second keeps its date: only an older one tells one state from another.
_STRONG_AFTER: Final = 1


class Outcome(Enum):
    """The result of the conditions of a request; the value is the status, 0 to send the file."""

    SEND = 0
    NOT_MODIFIED = 304
    FAILED = 412


class Validators:
    """The validators of a representation.

    :param etag: strong.
    :param modified: seconds since the epoch.
    """

    __slots__ = ("etag", "modified")

    def __init__(self, etag: bytes, modified: int) -> None:
        self.etag = etag
        self.modified = modified


def evaluate(headers: Mapping[bytes, Sequence[bytes]], validators: Validators) -> Outcome:
    """Evaluate the conditions of GET or HEAD in the order of section 13.2.2.

    A date that cannot be parsed is ignored.
    """
    if (tags := headers.get(b"If-Match")) is not None:
        if not _matches_strongly(validators.etag, tags):
            return Outcome.FAILED
    elif (since := _date(headers.get(b"If-Unmodified-Since"))) is not None and validators.modified > since:
        return Outcome.FAILED
    if (tags := headers.get(b"If-None-Match")) is not None:
        return Outcome.NOT_MODIFIED if is_known(validators.etag, tags) else Outcome.SEND
    since = _date(headers.get(b"If-Modified-Since"))
    return Outcome.NOT_MODIFIED if since is not None and validators.modified <= since else Outcome.SEND


def is_range_wanted(headers: Mapping[bytes, Sequence[bytes]], validators: Validators, now: float) -> bool:
    """Return whether ``If-Range`` lets the header ``Range`` apply (section 13.1.5).

    :param now: seconds since the epoch.
    """
    values = headers.get(b"If-Range")
    if values is None:
        return True
    if len(values) > 1:
        return False
    value = values[0].strip()
    if value.startswith(b'"'):
        return value == validators.etag
    return _date(values) == validators.modified and now - validators.modified > _STRONG_AFTER


def _matches_strongly(etag: bytes, values: Sequence[bytes]) -> bool:
    text = b",".join(values)
    return text.strip() == b"*" or any(not weak and tag == etag for weak, tag in _TAG.findall(text))


def _date(values: Sequence[bytes] | None) -> int | None:
    """The time of a date; None if there is none, or not exactly one that is valid."""
    if values is None or len(values) > 1 or not _DATE.fullmatch(values[0]):
        return None
    try:
        return timegm(parsedate_to_datetime(values[0].decode()).timetuple())
    except (ValueError, OverflowError):  # as the 31st of June
        return None
