"""Asks the workers what they do, and puts their answers together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final, Literal, TypeVar

import msgspec
from msgspec import Raw
from twisted.internet.defer import gatherResults
from zope.interface import implementer

from unixsvc.domain.json import Json
from unixsvc.domain.validation.field_errors import shortened
from unixsvc.errors import Conflict, NotFound
from unixsvc.orchestrator.inspection.interfaces import (
    EndedList,
    EndedRequest,
    IInspector,
    ListedRequest,
    MemoryResult,
    ProfileResult,
    RequestList,
    SilentWorker,
    WorkerMemory,
)
from unixsvc.orchestrator.pool.interfaces import IServicePool
from unixsvc.orchestrator.pool.questions import Finding
from unixsvc.service.inspection.model import Cancellation, Profile

__all__ = ["Inspector", "find_id"]

_T = TypeVar("_T")
# How long workers may take to answer a question that needs no time, in seconds.
_AT_ONCE: Final = 1.0
# How long they may take to put the results of a measurement together, in seconds.
_MEASURED: Final = 10.0
# Ids that an error names.
_MOST_NAMED: Final = 5
# Requests that have ended in one answer.
_MOST_ENDED: Final = 100


@implementer(IInspector)
class Inspector:
    """Asks the workers of an orchestrator.

    :param pools: returns the pools by the names of their services, all or that of one.
    """

    def __init__(self, pools: Callable[[str], Mapping[str, IServicePool]]) -> None:
        self._pools = pools

    async def requests(self, service: str = "") -> RequestList:
        """The requests in flight; see :class:`IInspector`."""
        found: list[ListedRequest] = []
        silent: list[SilentWorker] = []
        for name, each in await self._ask(service, "requests", {}):
            if each.answer is None:
                silent.append(SilentWorker(name, each.pid, each.problem))
                continue
            requests = msgspec.json.decode(each.answer, type=list[ListedRequest])
            found += [msgspec.structs.replace(one, service=name, pid=each.pid) for one in requests]
        return RequestList(sorted(found, key=lambda each: -(each.age or 0.0)), silent)

    async def ended(self, topic: Literal["slowest", "failed"], service: str = "") -> EndedList:
        """The slowest or the failed requests; see :class:`IInspector`."""
        found: list[EndedRequest] = []
        silent: list[SilentWorker] = []
        for name, each in await self._ask(service, topic, {}):
            if each.answer is None:
                silent.append(SilentWorker(name, each.pid, each.problem))
                continue
            requests = msgspec.json.decode(each.answer, type=list[EndedRequest])
            found += [msgspec.structs.replace(one, service=name, pid=each.pid) for one in requests]
        found.sort(key=lambda each: -(each.seconds if topic == "slowest" else each.ended))
        return EndedList(found[:_MOST_ENDED], silent)

    async def profile(self, service: str, seconds: float, pid: int | None = None) -> ProfileResult:
        """Take samples; see :class:`IInspector`."""
        answers, silent = await self._measure(service, "profile", seconds, pid)
        profiles = {key: msgspec.json.decode(each, type=Profile) for key, each in answers.items()}
        stacks: Counter[str] = Counter()
        for each in profiles.values():
            stacks.update(each.stacks)  # adds them
        overhead = sum(each.overhead for each in profiles.values())
        return ProfileResult(seconds, overhead, [*profiles], dict(stacks), silent)

    async def memory(self, service: str, seconds: float, pid: int | None = None) -> MemoryResult:
        """Watch the memory; see :class:`IInspector`."""
        answers, silent = await self._measure(service, "memory", seconds, pid)
        found = [msgspec.json.decode(each, type=WorkerMemory) for each in answers.values()]
        with_pids = zip(found, answers, strict=True)
        return MemoryResult([msgspec.structs.replace(each, pid=key) for each, key in with_pids], silent)

    async def _measure(
        self, service: str, topic: str, seconds: float, pid: int | None
    ) -> tuple[dict[int, Raw], list[SilentWorker]]:
        findings = await self._ask(service, topic, {"seconds": seconds}, seconds + _MEASURED, pid)
        if not findings:
            which = "no worker that serves" if pid is None else f"no worker with the pid {pid}"
            raise NotFound(f"{service} has {which}")
        silent = [
            SilentWorker(name, each.pid, each.problem) for name, each in findings if each.answer is None
        ]
        return {each.pid or 0: each.answer for _, each in findings if each.answer is not None}, silent

    async def cancel(self, request_id: str, service: str = "") -> Cancellation:
        """Cancel the requests with an id; see :class:`IInspector`."""
        listed = await self.requests(service)
        whole = find_id(request_id, {each.id for each in listed.requests})
        findings = await self._ask(service, "cancel", {"request_id": whole})
        done = [msgspec.json.decode(each.answer, type=Cancellation) for _, each in findings if each.answer]
        cancelled, shielded = sum(each.cancelled for each in done), sum(each.shielded for each in done)
        if not cancelled:
            if shielded:
                raise Conflict(f"{whole} is not cancelled: its route has a shield")
            raise NotFound(f"{whole} is not in flight any more")
        return Cancellation(cancelled, shielded)

    async def _ask(
        self,
        service: str,
        topic: str,
        options: dict[str, Json],
        seconds: float = _AT_ONCE,
        pid: int | None = None,
    ) -> list[tuple[str, Finding]]:
        """Ask all workers of all services or of one, at the same time; their services and answers."""
        pools = self._pools(service)
        asked = [pool.inspect(topic, options, seconds, pid) for pool in pools.values()]
        answers = await gatherResults(asked, consumeErrors=True)
        return [(name, each) for name, findings in zip(pools, answers, strict=True) for each in findings]


def find_id(beginning: str, ids: set[str]) -> str:
    """The id that is given, or the only one that begins so.

    :raises NotFound: if there is none.
    :raises Conflict: if there are several.
    """
    if beginning in ids:
        return beginning
    found = sorted(each for each in ids if beginning and each.startswith(beginning))
    if not found:
        raise NotFound(f"no request in flight has the id {shortened(beginning)!r}; see: unixsvc ps")
    if len(found) > 1:
        named = ", ".join(found[:_MOST_NAMED]) + (", ..." if len(found) > _MOST_NAMED else "")
        raise Conflict(f"{len(found)} ids of requests begin with {shortened(beginning)!r}: {named}")
    return found[0]
