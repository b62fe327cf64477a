"""Feeds requests to a protocol in memory, for callgrind: name of the protocol, number of requests.

The protocols are those of the servers; their transports discard the output. What remains is the work of
Python itself, whose instructions do not depend on the load of the machine.
"""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Callable, Iterable
from typing import Any, Final

__all__: list[str] = []

_TOKEN: Final = "x" * 43
_REQUEST: Final = {"id": 10, "path": "/user/7", "auth_token": _TOKEN}
_MESSAGE: Final = json.dumps(_REQUEST, separators=(",", ":")).encode() + b"\n"

Feed = Callable[[bytes], None]


class _Transport:
    """As much of a transport as the protocols use; it accepts and discards.

    :ivar written: the last reply.
    """

    disconnecting = False

    def __init__(self) -> None:
        self.written = b""

    def write(self, data: bytes) -> None:
        self.written = data

    def writeSequence(self, data: Iterable[bytes]) -> None:
        self.written = b"".join(data)

    def registerProducer(self, producer: object, streaming: bool) -> None:
        """Never pause the producer."""


# Transports are Any: this one has a part of the interface only, and each protocol asks for another type.


def _floor(transport: Any) -> Feed:
    from bench.servers.floor import Floor

    protocol = Floor()
    protocol.connection_made(transport)
    return protocol.data_received


def _twisted(transport: Any) -> Feed:
    from bench.servers.twisted_lines import Service

    protocol = Service()
    protocol.makeConnection(transport)
    return protocol.dataReceived


def _unixsvc(transport: Any) -> Feed:
    from twisted.internet.task import Clock

    from bench.app import app
    from unixsvc.config.settings import Limits, Log, Security, ServiceSettings
    from unixsvc.domain.coroutine import run_without_waiting
    from unixsvc.service.factory import make_service_host
    from unixsvc.service.spec import WorkerConfig
    from unixsvc.testing.memory import MemoryEndpoint

    endpoint, clock = MemoryEndpoint(), Clock()
    settings = ServiceSettings("bench.app:app")
    worker_config = WorkerConfig("bench", 1, ".", settings, Limits(), Security(), Log(), _TOKEN)
    run_without_waiting(make_service_host(worker_config, app, endpoint, clock)).listen(probe=False)
    feed: Feed = endpoint.accept(transport).dataReceived
    return feed


_PROTOCOLS: Final = {"floor": _floor, "unixsvc": _unixsvc, "twisted": _twisted}


def main(name: str, count: int) -> None:
    """Feed requests to a protocol."""
    transport = _Transport()
    feed = _PROTOCOLS[name](transport)
    gc.disable()
    for _ in range(count):
        feed(_MESSAGE)
    if b"user 7" not in transport.written:
        sys.exit(f"unexpected reply: {transport.written!r}")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
