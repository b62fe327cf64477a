"""The gateway as a resource, for sites of twisted.web."""

from __future__ import annotations

from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request

from unixsvc.rest.gateway import Gateway
from unixsvc.rest.web.responses import WebRequestConnection, WebWriter, head_of

__all__ = ["GatewayResource"]


class GatewayResource(Resource):
    """Answers requests of twisted.web with a gateway.

    It has to be the root of a site, or of everything below one path.
    """

    isLeaf = True

    def __init__(self, gateway: Gateway) -> None:
        super().__init__()
        self._gateway = gateway

    def render(self, request: Request) -> int:
        """Answer a request, at once or later."""
        body = b"" if request.content is None else request.content.read()
        response = self._gateway.answer(head_of(request), body, WebRequestConnection(request))
        if response is not None:
            WebWriter(request).send(response)
        return NOT_DONE_YET
