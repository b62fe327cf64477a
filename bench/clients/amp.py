"""AMP's own client on epoll, with one connection; arguments: path, seconds."""

from __future__ import annotations

import sys
from typing import Any

from twisted.internet import epollreactor

epollreactor.install()

from twisted.internet.defer import Deferred, gatherResults  # noqa: E402  # only after the reactor is installed
from twisted.internet.endpoints import UNIXClientEndpoint, connectProtocol  # noqa: E402
from twisted.internet.task import react  # noqa: E402
from twisted.protocols.amp import AMP  # noqa: E402

from bench.clients.concurrent_calls import CONCURRENCY, CallCounter, check_result  # noqa: E402
from bench.servers.amp import Show  # noqa: E402


async def _main(reactor: Any, path: str, seconds: str) -> None:
    remote = await connectProtocol(UNIXClientEndpoint(reactor, path), AMP())
    check_result(await remote.callRemote(Show, id=7))
    counter = CallCounter(float(seconds))
    calls = [counter.call_repeatedly(lambda: remote.callRemote(Show, id=7)) for _ in range(CONCURRENCY)]
    await gatherResults([Deferred.fromCoroutine(each) for each in calls])
    counter.write_result()


if __name__ == "__main__":
    react(lambda reactor, *args: Deferred.fromCoroutine(_main(reactor, *args)), sys.argv[1:])
