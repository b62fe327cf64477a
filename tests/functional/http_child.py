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
    from twisted.web.resource import Resource
    from twisted.web.server import NOT_DONE_YET

    from unixsvc.listen.adopted import AdoptedServerEndpoint
    from unixsvc.listen.connection_counts import WorkerSlot
    from unixsvc.rest.server.connections import HttpConnections
    from unixsvc.rest.server.site import HttpSite

    class Gateway(Resource):
        """``/big/N`` is N bytes, ``/slow`` takes a second, other paths return the length of the body."""

        isLeaf = True

        def render(self, request: Any) -> Any:
            body = request.content.read()
            if request.path.startswith(b"/big/"):
                return b"a" * int(request.path[5:])
            if request.path == b"/slow":
                later = reactor.callLater(1.0, self._finish, request)
                request.notifyFinish().addErrback(lambda _: later.cancel())
                return NOT_DONE_YET
            return b"%d" % len(body)

        def _finish(self, request: Any) -> None:
            request.setHeader(b"Content-Length", b"4")
            request.write(b"slow")
            request.finish()

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
