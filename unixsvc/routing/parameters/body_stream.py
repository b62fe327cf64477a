"""Parameters that are the body, while it arrives."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from typing import Final, get_args, get_origin

from unixsvc.domain.body_spec import HTTP_ONLY, BodyKind
from unixsvc.domain.message import Request
from unixsvc.domain.validation.field_errors import FieldError
from unixsvc.domain.validation.type_forms import TypeForm, bare
from unixsvc.errors import ConfigError, Malformed
from unixsvc.routing.parameters.interfaces import ParameterDescription

__all__ = ["BodyStreamKind"]

_STREAMS: Final = (AsyncIterator, AsyncIterable, AsyncGenerator)


class _BodyStreamSource:
    """Hands the body over."""

    body: BodyKind | None = BodyKind.STREAM

    def __init__(self, name: str) -> None:
        self.descriptions = (ParameterDescription(name, "body", None, http_only=True),)

    def read(self, request: Request, errors: list[FieldError]) -> object:
        """Return the iterator; see :class:`~unixsvc.routing.parameters.interfaces.ParameterSource`."""
        if request.upload is None:
            raise Malformed(HTTP_ONLY)
        return request.upload.chunks()


class BodyStreamKind:
    """Recognizes ``AsyncIterator[bytes]``."""

    def source(self, name: str, hint: TypeForm, default: object, where: str) -> _BodyStreamSource | None:
        """Return the source of a parameter; None if it is not the body as a stream."""
        form = bare(hint)
        if (get_origin(form) or form) not in _STREAMS:
            return None
        if get_args(form) != (bytes,) or get_origin(form) is AsyncGenerator:
            raise ConfigError(where, f"{name!r} is a stream of other than bytes", "use AsyncIterator[bytes]")
        return _BodyStreamSource(name)
