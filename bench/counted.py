"""Requests without sockets, for callgrind: which protocol, how many.

The protocols are those of the servers; their transports throw away what is written. What is left is the
work of Python itself, and the instructions of that are the same however busy the machine is.
"""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Callable
from typing import Any

__all__: list[str] = []

_TOKEN = "x" * 43
_MESSAGE = (
    json.dumps({"id": 10, "path": "/user/7", "auth_token": _TOKEN}, separators=(",", ":")).encode() + b"\n"
)


class _Nowhere:
    """A transport, as far as the protocols need one.

    :ivar written: the last reply.
    """

    disconnecting = False

    def __init__(self) -> None:
        self.written = b""

    def write(self, data: bytes) -> None:
        self.written = data

    def writeSequence(self, data: Any) -> None:
        self.written = b"".join(data)

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """There is nothing that it could hold up."""


def _floor(transport: Any) -> Callable[[bytes], None]:
    from bench.servers.floor import Floor

    protocol = Floor()
    protocol.connection_made(transport)
    return protocol.data_received


def _lines(transport: Any) -> Callable[[bytes], None]:
    from bench.servers.lines import Service

    protocol = Service()
    protocol.makeConnection(transport)
    return protocol.dataReceived


def _ours(transport: Any) -> Callable[[bytes], None]:
    from twisted.internet.task import Clock

    from bench.app import app
    from unixsvc.config.settings import Limits, Log, Security, ServiceSettings
    from unixsvc.service.factory import make_service_host
    from unixsvc.service.spec import WorkerConfig
    from unixsvc.testing.memory import MemoryEndpoint

    endpoint, clock = MemoryEndpoint(), Clock()
    settings = ServiceSettings("bench.app:app")
    worker_config = WorkerConfig("bench", 1, ".", settings, Limits(), Security(), Log(), _TOKEN)
    make_service_host(worker_config, app, endpoint, clock).listen(probe=False)
    feed: Callable[[bytes], None] = endpoint.accept(transport).dataReceived
    return feed


_KINDS = {"floor": _floor, "unixsvc": _ours, "twisted": _lines}


def main(kind: str, count: int) -> None:
    """Feed it."""
    transport = _Nowhere()
    feed = _KINDS[kind](transport)
    gc.disable()
    for _ in range(count):
        feed(_MESSAGE)
    if b"user 7" not in transport.written:
        sys.exit(f"a wrong reply: {transport.written!r}")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
