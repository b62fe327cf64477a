"""The requests in flight of a service in this process: their list, and their cancellation."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import Final

from twisted.internet.interfaces import IReactorTime

import unixsvc
from unixsvc.domain.message import Request
from unixsvc.domain.notable import caller_of
from unixsvc.domain.providers import as_provider
from unixsvc.errors import Cancelled
from unixsvc.execution.in_flight.facts import CallFacts
from unixsvc.execution.in_flight.stacks import Frame, request_of_thread, stack_of
from unixsvc.server.interfaces import IListsCalls, IRequestHandler
from unixsvc.server.pending_call import PendingCall
from unixsvc.service.core import ServiceCore
from unixsvc.service.inspection.model import Cancellation, RequestInFlight

__all__ = ["cancel", "list_requests"]

_OWN: Final = os.path.dirname(unixsvc.__file__) + os.sep
_READER: Final = "waits for its reader"


def list_requests(
    core: ServiceCore, handler: IRequestHandler, reactor: IReactorTime
) -> list[RequestInFlight]:
    """The requests in flight, the oldest first.

    A request handler that does not list its calls has none.
    """
    threads = _threads()
    found = [
        _describe(core, reactor.seconds(), facts, facts.request, threads)
        for _, facts in _calls(handler)
        if facts.request is not None
    ]
    return sorted(found, key=lambda each: -(each.age or 0.0))


def cancel(handler: IRequestHandler, request_id: str) -> Cancellation:
    """Cancel the requests with an id: their callers get 499.

    :param request_id: the whole id.
    """
    cancelled = shielded = 0
    for call, facts in list(_calls(handler)):
        if facts.request is None or facts.request.request_id != request_id:
            continue
        if facts.shielded:
            shielded += 1
        else:
            cancelled += 1
            call.cancel(Cancelled())
    return Cancellation(cancelled, shielded)


def _calls(handler: IRequestHandler) -> Iterator[tuple[PendingCall, CallFacts]]:
    lister = as_provider(IListsCalls, handler)
    for call in () if lister is None else lister.pending_calls():
        yield call, call.facts()


def _describe(
    core: ServiceCore, now: float, facts: CallFacts, request: Request, threads: dict[int, list[Frame]]
) -> RequestInFlight:
    route = core.router.route_of(request)
    frames = stack_of(facts.steps) + threads.get(id(request), [])
    own = tuple(str(each) for each in frames if not each.file.startswith(_OWN))
    innermost = own[-1] if own else str(frames[-1]) if frames else ""
    if facts.started is not None:
        age: float | None = core.handle.age_of(facts.started)
    else:
        age = None if facts.began is None else now - facts.began
    return RequestInFlight(
        request.request_id,
        facts.kind,
        request.method,
        request.path,
        "" if route is None else f"{route.method} {route.pattern}",
        age,
        None if facts.deadline is None else max(facts.deadline - now, 0.0),
        caller_of(request),
        _READER if facts.for_reader else innermost,
        own,
        facts.shielded,
    )


def _threads() -> dict[int, list[Frame]]:
    """The frames of the actions that run in threads, by the ``id`` of their requests."""
    stacks = map(request_of_thread, sys._current_frames().values())
    return {id(request): frames for request, frames in filter(None, stacks)}
