"""AMP's own client on epoll, with one connection: a path, seconds."""

from __future__ import annotations

import sys
from typing import Any

from twisted.internet import epollreactor

epollreactor.install()

from twisted.internet.defer import Deferred, gatherResults  # noqa: E402  # only now
from twisted.internet.endpoints import UNIXClientEndpoint, connectProtocol  # noqa: E402
from twisted.internet.task import react  # noqa: E402
from twisted.protocols.amp import AMP  # noqa: E402

from bench.callers.lanes import LANES, Count, expect  # noqa: E402
from bench.servers.amp import Show  # noqa: E402


async def _main(reactor: Any, path: str, seconds: str) -> None:
    remote = await connectProtocol(UNIXClientEndpoint(reactor, path), AMP())
    expect(await remote.callRemote(Show, id=7))
    count = Count(float(seconds))
    lane = count.lane
    await gatherResults(
        [Deferred.fromCoroutine(lane(lambda: remote.callRemote(Show, id=7))) for _ in range(LANES)]
    )
    count.tell()


if __name__ == "__main__":
    react(lambda reactor, *args: Deferred.fromCoroutine(_main(reactor, *args)), sys.argv[1:])
