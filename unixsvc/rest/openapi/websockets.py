"""WebSockets in an OpenAPI document, as an extension. Pure."""

from __future__ import annotations

from collections.abc import Callable

from unixsvc.contract.model import MessageContract, WebSocketContract
from unixsvc.domain.json import Json, JsonObject

__all__ = ["as_websocket"]


def as_websocket(
    operation: JsonObject, websocket: WebSocketContract, rewrite: Callable[[Json], Json]
) -> JsonObject:
    """Make the extension ``x-websocket`` of an operation.

    It has the parameters, the security and the errors of the handshake, and the messages of both directions
    as in an operation of AsyncAPI: clients send what the action receives.

    :param rewrite: rewrites the references of schemas to those of the document.
    """
    responses = {code: each for code, each in operation["responses"].items() if not code.startswith("2")}
    accepted = {"description": "The WebSocket is open."}
    upgrade = {"description": "The request is no handshake of a WebSocket."}
    return {
        **operation,
        "send": _messages(websocket.receives, rewrite),
        "receive": _messages(websocket.sends, rewrite),
        "responses": {"101": accepted, **responses, "426": upgrade},
    }


def _messages(messages: MessageContract, rewrite: Callable[[Json], Json]) -> JsonObject:
    found: JsonObject = {"kinds": messages.kinds}
    return found if messages.schema is None else found | {"schema": rewrite(messages.schema)}
