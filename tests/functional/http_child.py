"""A process with an HTTP server whose gateway has no service behind it.

It gets its settings as JSON, writes its port on one line, serves until SIGTERM, and then drains.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from typing import Any

import msgspec
import uvloop
from msgspec import Struct
from twisted.internet import asyncioreactor

from unixsvc.config.http import Http
from unixsvc.config.settings import Limits

__all__ = ["Settings", "main"]


class Settings(Struct, frozen=True):
    """The settings of the process."""

    http: Http = Http()
    limits: Limits = Limits()


def main() -> None:
    """Start the server."""
    settings = msgspec.json.decode(sys.argv[1], type=Settings)
    loop = uvloop.new_event_loop()
    asyncio.set_event_loop(loop)
    asyncioreactor.install(loop)
    from twisted.internet import reactor

    running: Any = reactor
    _serve(settings, loop, running)
    running.run(installSignalHandlers=False)


def _serve(settings: Settings, loop: asyncio.AbstractEventLoop, reactor: Any) -> None:
    from twisted.internet.defer import Deferred

    from unixsvc.listen.adopted import AdoptedServerEndpoint
    from unixsvc.listen.balance.connection_counts import WorkerSlot
    from unixsvc.rest.response import EMPTY, Response
    from unixsvc.rest.server.connections import HttpConnections
    from unixsvc.rest.server.interfaces import RequestConnection
    from unixsvc.rest.server.request_head import Head
    from unixsvc.rest.web.site import HttpSite

    class Gateway:
        """``/big/N`` is N bytes, ``/slow`` takes a second, other paths return the length of the body."""

        def answer(self, head: Head, body: bytes, connection: RequestConnection) -> Response | None:
            if head.target.startswith(b"/big/"):
                return _response(b"a" * int(head.target[5:]))
            if head.target == b"/slow":
                writer = connection.writer(head)
                later = reactor.callLater(1.0, writer.send, _response(b"slow"))
                writer.on_disconnect(later.cancel)
                return None
            return _response(b"%d" % len(body))

    def _response(body: bytes) -> Response:
        return Response(200, EMPTY, b"Content-Length: %d\r\n" % len(body), body)

    connections = HttpConnections(settings.http, settings.limits, reactor)
    site = HttpSite(Gateway(), connections)
    listening = socket.create_server(("127.0.0.1", 0), backlog=1024)
    port = listening.getsockname()[1]
    listening.setblocking(False)
    accepting: Any = None

    async def leave() -> None:
        accepting.stopListening()
        await connections.drain(wait_for_idle=False)
        reactor.stop()

    def listens(given: Any) -> None:
        nonlocal accepting
        accepting = given
        sys.stdout.write(f"{port}\n")
        sys.stdout.flush()

    AdoptedServerEndpoint(loop, listening, WorkerSlot()).listen(site).addCallback(listens)
    loop.add_signal_handler(signal.SIGTERM, lambda: Deferred.fromCoroutine(leave()) and None)


if __name__ == "__main__":
    main()
