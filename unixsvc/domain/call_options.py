"""The options of a call to another service: keyword arguments that several interfaces share."""

from __future__ import annotations

import typing
from typing import TYPE_CHECKING, TypedDict

from unixsvc.domain.json import Json

if TYPE_CHECKING:
    from typing_extensions import TypeForm as ResultType
    from typing_extensions import TypeVar

    ResultT = TypeVar("ResultT", default=Json)
else:  # type checkers know typing_extensions always; it need not be installed
    ResultType = type
    ResultT = typing.TypeVar("ResultT")

__all__ = ["CallOptions", "OpenOptions", "ResultT", "ResultType", "StreamOptions"]


class StreamOptions(TypedDict, total=False):
    """What every call accepts.

    ``timeout`` is in seconds; the remaining time of the action applies if it is less. ``meta`` replaces
    inherited entries of the same names.
    """

    timeout: float | None
    meta: dict[str, str] | None


class CallOptions(StreamOptions, total=False):
    """The options of ``call``.

    ``idempotency_key`` identifies the call to the service, so that the client can retry it safely.
    """

    idempotency_key: str | None


class OpenOptions(StreamOptions, total=False):
    """The options of ``open``: ``timeout`` is for the reply or the first item.

    ``limit`` is for the whole stream, in seconds; None for no limit.
    """

    limit: float | None
