"""What a route takes as the body of a request."""

from __future__ import annotations

import enum
from typing import Final

from msgspec import Struct

__all__ = ["HTTP_ONLY", "MAX_BODY", "MAX_MESSAGE", "NO_ROUTE", "BodyKind", "BodySpec"]

MAX_MESSAGE: Final = "max_message_bytes"
"""The setting that limits the bodies of other routes."""
MAX_BODY: Final = "max_body"
"""The option of a route that limits its body."""
HTTP_ONLY: Final = "the route exists over HTTP only"


class BodyKind(enum.Enum):
    """The form in which a route takes the body.

    ``OBJECT`` is a JSON object or a form of text fields, as most routes take it; ``ANY_JSON`` any JSON value;
    ``RAW`` bytes of any media type; ``STREAM`` the same while they arrive; ``TEXT_FORM`` a form of text
    fields; ``FORM`` a multipart form with files.
    """

    OBJECT = "object"
    ANY_JSON = "any_json"
    RAW = "raw"
    STREAM = "stream"
    TEXT_FORM = "text_form"
    FORM = "form"


class BodySpec(Struct, frozen=True):
    """How a route takes the body.

    :ivar max_body: the most bytes; None for ``max_message_bytes``.
    :ivar apart: whether a form becomes the ``body`` of the request, urlencoded: the query, in which it is
        otherwise, has parameters of its own.
    :ivar routed: false if there is no route.
    """

    kind: BodyKind = BodyKind.OBJECT
    max_body: int | None = None
    apart: bool = False
    routed: bool = True

    @property
    def arrives_later(self) -> bool:
        """Whether the action, or what calls it, reads the body while it arrives."""
        return self.kind in (BodyKind.STREAM, BodyKind.FORM)


NO_ROUTE: Final = BodySpec(BodyKind.RAW, routed=False)
"""Of a request that no route serves. Any body will do, as the error does not depend on it."""
