"""The questions that can be asked, by their names."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct
from twisted.internet.interfaces import IReactorTime

from unixsvc.server.interfaces import IRequestHandler
from unixsvc.service.core import ServiceCore
from unixsvc.service.inspection.memory import measure
from unixsvc.service.inspection.profile import profile
from unixsvc.service.inspection.requests import cancel, list_requests

__all__ = ["Subject", "answer"]


class Subject(Struct, frozen=True):
    """The service that is asked about."""

    core: ServiceCore
    handler: IRequestHandler
    reactor: IReactorTime


async def answer(subject: Subject, topic: str, options: Mapping[str, Any]) -> bytes:
    """Answer a question.

    :param options: as the topic demands, by name.
    :returns: the answer as JSON.
    :raises LookupError: for an unknown topic.
    """
    found = _TOPICS[topic](subject, **options)
    return msgspec.json.encode(await found if isinstance(found, Awaitable) else found)


# The functions take the options of their topic, which the type of a dict cannot express.
_TOPICS: Final[dict[str, Callable[..., object]]] = {
    "requests": lambda subject: list_requests(subject.core, subject.handler, subject.reactor),
    "slowest": lambda subject: subject.core.statistics.notable.slowest(),
    "failed": lambda subject: subject.core.statistics.notable.failed(),
    "profile": lambda subject, seconds: profile(subject.reactor, seconds),
    "memory": lambda subject, seconds: measure(subject.reactor, seconds),
    "cancel": lambda subject, request_id: cancel(subject.handler, request_id),
}
