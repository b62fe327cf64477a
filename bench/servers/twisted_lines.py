"""A service on plain Twisted, written by hand: lines, JSON, and an if for each route."""

from __future__ import annotations

import json
import sys
from typing import Any

from twisted.internet.protocol import Factory
from twisted.protocols.basic import LineOnlyReceiver

from bench.servers.data import show


class Service(LineOnlyReceiver):
    """One connection."""

    delimiter = b"\n"
    MAX_LENGTH = 1 << 21

    def lineReceived(self, line: bytes) -> None:
        """Answer a message."""
        message = json.loads(line)
        path = message["path"]
        data = show(int(path[6:])) if path.startswith("/user/") else {"text": message["data"]["text"]}
        self.sendLine(json.dumps({"id": message["id"], "code": 200, "data": data}).encode())


def _serve(path: str) -> None:
    from twisted.internet import epollreactor

    epollreactor.install()
    from twisted.internet import reactor

    running: Any = reactor
    running.listenUNIX(path, Factory.forProtocol(Service), backlog=1024)
    running.run()


if __name__ == "__main__":
    _serve(sys.argv[1])
