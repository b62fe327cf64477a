"""The two ways of an HTTP request: the gateway's own, and through Klein; each with the same parser."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Any, Final

from tests.unit.rest.http_requests import RawClient
from unixsvc.domain.message import Request
from unixsvc.rest.gateway import Gateway
from unixsvc.rest.server.connections import HttpConnections
from unixsvc.rest.server.interfaces import RequestConnection
from unixsvc.rest.server.request_head import Head
from unixsvc.rest.web.site import HttpSite

__all__ = ["BothWays", "KleinGateway", "normalized"]

_VARYING: Final = re.compile(rb"(?<=Date: )[^\r]*|\b%x-[0-9a-f]{5}\b" % os.getpid())


def normalized(data: bytes) -> bytes:
    """Responses without their dates and generated request ids."""
    return _VARYING.sub(b"*", data)


class KleinGateway:
    """Has Klein dispatch every request that our own server receives.

    :param gateway: whose Klein application it is.
    """

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._resource = gateway.app.resource()

    @property
    def pending(self) -> int:
        """The number of requests without a complete response."""
        return self._gateway.pending

    def answer(self, head: Head, body: bytes, connection: RequestConnection) -> None:
        """Have Klein answer."""
        self._resource.render(connection.web_request(head, body))

    def abort(self) -> None:
        """Answer all pending requests with 503."""
        self._gateway.abort()


class BothWays:
    """A client of each way, which send the same.

    :param make: makes a gateway harness; called for each way.
    """

    def __init__(self, make: Callable[[], Any]) -> None:
        # Generated request ids are as long as each other from here on.
        while Request("GET", "/").number < 0x10000:
            pass
        self.harnesses = (make(), make())
        straight, through = self.harnesses
        connections = HttpConnections(through.http, through.limits, through.clock)
        self.sites = (straight.site, HttpSite(KleinGateway(through.gateway), connections))

    def connect(self) -> tuple[RawClient, RawClient]:
        """New clients."""
        return RawClient(self.sites[0]), RawClient(self.sites[1])

    def advance(self, seconds: float) -> None:
        """Advance the clocks."""
        for harness in self.harnesses:
            harness.clock.pump([seconds / 4] * 4)
