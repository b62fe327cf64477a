"""Parameters of the type ``WebSocket[In, Out]``."""

from __future__ import annotations

import math
from typing import Final, get_args, get_origin

from unixsvc.contract.schemas import UnsupportedType, require_json_types
from unixsvc.domain.body_spec import BodyKind
from unixsvc.domain.message import Request
from unixsvc.domain.request_context import current_slot
from unixsvc.domain.validation.field_errors import FieldError
from unixsvc.domain.validation.type_forms import TypeForm
from unixsvc.domain.websocket import WEBSOCKET
from unixsvc.errors import ConfigError, UpgradeRequired
from unixsvc.routing.parameters.interfaces import ParameterDescription
from unixsvc.routing.websocket.codec import IS_TEXT, MessageCodec, codec_for
from unixsvc.routing.websocket.socket import WebSocket

__all__ = ["WEBSOCKET_REMEDY", "WebSocketKind", "WebSocketSource"]

WEBSOCKET_REMEDY: Final = "write WebSocket[In, Out], with the types of messages in both directions"


class WebSocketSource:
    """Makes the WebSocket of one request.

    :ivar receives: the type of the messages from the client.
    :ivar sends: the type of the messages to the client.
    """

    descriptions: tuple[ParameterDescription, ...] = ()
    body: BodyKind | None = None

    def __init__(self, receives: TypeForm, sends: TypeForm, codec: MessageCodec) -> None:
        self.receives = receives
        self.sends = sends
        self._codec = codec

    def read(self, request: Request, errors: list[FieldError]) -> WebSocket[object, object]:
        """Return the WebSocket of a request.

        :raises UpgradeRequired: if the request has none.
        """
        if request.channel is None:
            raise UpgradeRequired
        current_slot().seconds = math.inf  # a WebSocket may last for any time
        return WebSocket(request.channel, self._codec, request)


class WebSocketKind:
    """Recognizes ``WebSocket[In, Out]``."""

    def source(self, name: str, hint: TypeForm, default: object, where: str) -> WebSocketSource | None:
        """See :class:`~unixsvc.routing.parameters.interfaces.ParameterKind`."""
        if hint is WebSocket:
            raise ConfigError(where, f"the parameter {name!r} has no types of messages", WEBSOCKET_REMEDY)
        if get_origin(hint) is not WebSocket:
            return None
        if not where.startswith(f"{WEBSOCKET} "):
            problem = f"the parameter {name!r} is a WebSocket, and the method is not WEBSOCKET"
            raise ConfigError(where, problem, "declare the route with WEBSOCKET(...)")
        receives, sends = get_args(hint)
        for each in {receives, sends} - IS_TEXT.keys():
            try:
                require_json_types([each])
            except (UnsupportedType, TypeError, NameError) as error:
                raise ConfigError(where, f"the messages of {name!r} cannot be JSON: {error}") from None
        try:
            return WebSocketSource(receives, sends, codec_for(receives, sends))
        except TypeError as error:
            raise ConfigError(where, str(error)) from None
