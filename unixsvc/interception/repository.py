"""Interceptors on the server's side."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Any, Final

from msgspec.structs import replace
from zope.interface import implementer

from unixsvc.domain.action_runner import ActionRunner
from unixsvc.domain.interfaces import IRouterDatasource, IRouterRepository
from unixsvc.domain.message import Reply, Request
from unixsvc.domain.path_prefix import BUILTIN_PREFIX
from unixsvc.domain.route_info import RouteInfo
from unixsvc.errors import ServiceError
from unixsvc.interception.call import Call, Interceptor
from unixsvc.interception.chain import compose, error_of, own_call

__all__ = ["InterceptingRepository"]

_FAILURE: Final = 400


@implementer(IRouterRepository, IRouterDatasource)
class InterceptingRepository:
    """Calls the interceptors of an application around its datasources. The built-in routes have none.

    :param service: the name of the service.
    :param repository: chooses the datasource, when the interceptors proceed.
    :param find_route: finds the route of a request.
    :param runner: runs the interceptors, which are application code.
    :param now: a monotonic clock, in seconds.
    """

    def __init__(
        self,
        service: str,
        interceptors: Sequence[Interceptor],
        repository: IRouterRepository,
        find_route: Callable[[Request], RouteInfo | None],
        runner: ActionRunner,
        now: Callable[[], float],
    ) -> None:
        self._service = service
        self._repository = repository
        self._find_route = find_route
        self._runner = runner
        self._now = now
        self._proceed = compose(interceptors, self._serve)

    def datasource_for(self, request: Request) -> IRouterDatasource:
        """Return this object, or the datasource of a built-in route."""
        if request.path.startswith(f"{BUILTIN_PREFIX}/"):
            datasource: IRouterDatasource = self._repository.datasource_for(request)
            return datasource
        return self

    def handle(self, request: Request) -> Reply | Awaitable[Reply]:
        """Call the interceptors.

        Most calls end in their first step. It is run here as the router runs that of an action, so that it
        costs no task of its own.
        """
        call = _ServedCall(self._service, request, "server", self._find_route, self._now)
        call.error = call.error_reply = call.items = None
        steps: Any = self._proceed(call)  # a coroutine of compose()
        runner = self._runner
        loop, task, current = runner.loop, runner.task, runner.current
        if loop in current:  # the caller runs in another task
            task = runner.enter_nested()
        else:
            current[loop] = task
        try:
            awaited = steps.send(None)
        except StopIteration as stop:
            return self._with_task(call, stop.value)
        except ServiceError as error:
            return _unchanged(call, error)
        else:
            return self._wait(call, runner.suspend(current.get(loop, task), steps, awaited))
        finally:
            task = current.get(loop, task)  # the action may have taken the first one
            del current[loop]
            if task.touched:
                runner.settle(task)

    async def _wait(self, call: _ServedCall, rest: Awaitable[Reply]) -> Reply:
        try:
            return self._with_task(call, await rest)
        except ServiceError as error:
            return _unchanged(call, error)

    async def _serve(self, call: Call) -> Reply:
        served, request = own_call(call, _ServedCall), call.request
        datasource: IRouterDatasource = self._repository.datasource_for(request)
        runner = self._runner
        loop, current = runner.loop, runner.current
        task = current.get(loop)
        if task is not None and task is runner.task and not task.touched:
            # No code of this step knows the task, so the action may have it.
            del current[loop]
            try:
                answer = datasource.handle(request)
            finally:
                current[loop] = runner.task
        else:
            answer = datasource.handle(request)
        reply: Reply = answer if isinstance(answer, Reply) else await answer
        if reply.code >= _FAILURE:
            served.error, served.error_reply = error_of(reply), reply
            raise served.error
        served.items = reply.items
        return reply

    def _with_task(self, call: _ServedCall, reply: Reply) -> Reply:
        """A reply whose stream, if it is one of an interceptor, is run as application code."""
        if reply.items is None or reply.items is call.items:
            return reply
        return replace(reply, items=self._runner.stream(reply.items))


def _unchanged(call: _ServedCall, error: ServiceError) -> Reply:
    """The error reply of a datasource, if its error is unchanged: it is logged where it is from.

    :raises ServiceError: any other error.
    """
    if error is call.error and call.error_reply is not None:
        return call.error_reply
    raise error


class _ServedCall(Call):
    """A call on the server's side.

    :ivar error: the error of an error reply of the datasource.
    :ivar error_reply: that reply.
    :ivar items: those of a stream of the datasource.
    """

    __slots__ = ("error", "error_reply", "items")

    error: ServiceError | None
    error_reply: Reply | None
    items: AsyncGenerator[bytes, None] | None
