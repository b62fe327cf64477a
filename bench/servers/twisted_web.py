"""Bare twisted.web and bare Klein; arguments: ``web`` or ``klein``, ``epoll`` or ``uvloop``, port."""

from __future__ import annotations

import json
import sys
from typing import Any

from twisted.web.resource import Resource
from twisted.web.server import Site

from bench.servers.data import show


class _Users(Resource):
    """All users, by their number."""

    def getChild(self, path: bytes, request: Any) -> Resource:
        """One of them."""
        return _User(int(path))


class _User(Resource):
    isLeaf = True

    def __init__(self, number: int) -> None:
        super().__init__()
        self._number = number

    def render_GET(self, request: Any) -> bytes:
        """Show it."""
        request.setHeader(b"content-type", b"application/json")
        return json.dumps(show(self._number), separators=(",", ":")).encode()


def _web() -> Any:
    root = Resource()
    root.putChild(b"user", _Users())
    return root


def _klein() -> Any:
    from klein import Klein  # it imports the reactor

    klein = Klein()

    @klein.route("/user/<int:id>", methods=["GET"])
    def show_user(request: Any, id: int) -> bytes:
        request.setHeader(b"content-type", b"application/json")
        return json.dumps(show(id), separators=(",", ":")).encode()

    return klein.resource()


def _serve(kind: str, loop: str, port: int) -> None:
    if loop == "uvloop":
        import uvloop
        from twisted.internet import asyncioreactor

        asyncioreactor.install(uvloop.new_event_loop())
    else:
        from twisted.internet import epollreactor

        epollreactor.install()
    from twisted.internet import reactor

    running: Any = reactor
    site = Site(_klein() if kind == "klein" else _web())
    running.listenTCP(port, site, backlog=1024, interface="127.0.0.1")
    running.run()


if __name__ == "__main__":
    _serve(sys.argv[1], sys.argv[2], int(sys.argv[3]))
