"""The options of a call to another service: keyword arguments that several interfaces share."""

from __future__ import annotations

from typing import TypedDict

from unixsvc.domain.validation.type_forms import TypeForm

__all__ = ["CallOptions", "OpenOptions", "StreamOptions"]


class _Options(TypedDict, total=False):
    """What every call accepts.

    ``timeout`` is in seconds; the remaining time of the action applies if it is less. ``meta`` replaces
    inherited entries of the same names.
    """

    timeout: float | None
    meta: dict[str, str] | None


class StreamOptions(_Options, total=False):
    """The options of ``stream``: ``type`` is the type of each item."""

    type: TypeForm


class CallOptions(StreamOptions, total=False):
    """The options of ``call``: ``type`` is the type of the result.

    ``idempotency_key`` identifies the call to the service, so that the client can retry it safely.
    """

    idempotency_key: str | None


class OpenOptions(_Options, total=False):
    """The options of ``open``: ``timeout`` is for the reply or the first item.

    ``limit`` is for the whole stream, in seconds; None for no limit.
    """

    limit: float | None
