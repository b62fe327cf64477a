"""A service on AMP, Twisted's own RPC protocol."""

from __future__ import annotations

import sys
from typing import Any

from twisted.internet.protocol import Factory
from twisted.protocols.amp import AMP, Command, Integer, Unicode

from bench.servers.data import show


class Show(Command):
    """One user."""

    arguments = [(b"id", Integer())]  # noqa: RUF012  # as AMP requires
    response = [(b"id", Integer()), (b"name", Unicode())]  # noqa: RUF012


class Echo(Command):
    """The same text."""

    arguments = [(b"text", Unicode())]  # noqa: RUF012
    response = [(b"text", Unicode())]  # noqa: RUF012


class Service(AMP):
    """One connection."""

    @Show.responder
    def show(self, id: int) -> dict[str, Any]:
        """One user."""
        return show(id)

    @Echo.responder
    def echo(self, text: str) -> dict[str, Any]:
        """The same text."""
        return {"text": text}


def _serve(path: str) -> None:
    from twisted.internet import epollreactor

    epollreactor.install()
    from twisted.internet import reactor

    running: Any = reactor
    running.listenUNIX(path, Factory.forProtocol(Service), backlog=1024)
    running.run()


if __name__ == "__main__":
    _serve(sys.argv[1])
