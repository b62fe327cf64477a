"""The demo over HTTP, whose workers have Klein dispatch every request."""

from __future__ import annotations

from rest_app import app
from tests.unit.rest.web.klein_gateway import KleinGateway
from unixsvc.rest.gateway import Gateway
from unixsvc.rest.handler import HttpRequestHandler
from unixsvc.server.context import HandlerContext

__all__ = ["app"]


def _make_gateway(context: HandlerContext) -> KleinGateway:
    return KleinGateway(Gateway(context))


# A worker imports its application before it makes the handler. No setting replaces the gateway.
HttpRequestHandler.__init__.__defaults__ = (_make_gateway,)
