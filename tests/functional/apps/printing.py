"""An application that prints."""

from __future__ import annotations

import sys

import svcs
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from unixsvc import GET, App

print("imported")  # noqa: T201


def hello() -> str:
    """Print to both streams."""
    print("on standard output")  # noqa: T201
    print("on standard error", file=sys.stderr)  # noqa: T201
    return "hello"


async def later(seconds: float, reactor: svcs.Container) -> str:
    """Print after a while."""
    await deferLater(reactor.get(IReactorTime), seconds)
    return hello()


app = App([GET("/", hello), GET("/later", later)])
