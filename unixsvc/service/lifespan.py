"""The lifespan of an application: entered before its worker is ready, and left after the last reply."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, get_args, get_type_hints

from twisted.internet.defer import CancelledError, Deferred

from unixsvc.domain.action_runner import ActionRunner
from unixsvc.errors import ConfigError
from unixsvc.execution.shared_result import SharedResult
from unixsvc.routing.app import Lifespan
from unixsvc.routing.container import ServiceContext

__all__ = ["RunningLifespan", "declared_type"]


class RunningLifespan:
    """Runs a lifespan in one task, as anyio's task groups require.

    :param on_failure: called if the lifespan ends by itself, with its exception.
    """

    def __init__(
        self,
        lifespan: Lifespan,
        context: ServiceContext,
        runner: ActionRunner,
        on_failure: Callable[[BaseException], None],
    ) -> None:
        self._lifespan = lifespan
        self._context = context
        self._runner = runner
        self._on_failure = on_failure
        self._entered: Deferred[object] = Deferred()
        self._leaving: SharedResult[None] = SharedResult()
        self._left: Deferred[None] = Deferred()

    async def enter(self) -> object:
        """Enter it; what it yields.

        :raises Exception: what the lifespan raises.
        """
        self._left = Deferred.fromCoroutine(self._run())
        try:
            return await self._entered
        except CancelledError:  # the worker is to exit before it is ready
            self._leaving.succeed(None)
            self._left.cancel()
            await self._left.addErrback(lambda failure: None)
            raise

    async def leave(self) -> None:
        """Leave it.

        :raises Exception: what the lifespan raises at its end.
        """
        self._leaving.succeed(None)
        await self._left

    async def _run(self) -> None:
        await self._runner.run(self._live())

    async def _live(self) -> None:
        try:
            async with _manager_of(self._lifespan, self._context) as value:
                self._entered.callback(value)
                await self._leaving.wait()
        except GeneratorExit:  # the process ends
            raise
        except BaseException as error:
            if self._leaving.done:
                raise
            if not self._entered.called:
                self._entered.errback(error)
            else:
                self._on_failure(error)


def declared_type(lifespan: Lifespan) -> type | None:
    """Return the type in the annotation of a lifespan, as ``AsyncIterator[Pool]``; None without one."""
    hints = get_type_hints(inspect.unwrap(lifespan)) if inspect.isfunction(lifespan) else {}
    arguments = get_args(hints.get("return"))
    return arguments[0] if arguments and isinstance(arguments[0], type) else None


def _manager_of(lifespan: Lifespan, context: ServiceContext) -> AbstractAsyncContextManager[Any]:
    if inspect.isasyncgenfunction(lifespan):
        return asynccontextmanager(lifespan)(context)
    manager = lifespan(context)
    if not isinstance(manager, AbstractAsyncContextManager):
        name = getattr(lifespan, "__qualname__", repr(lifespan))
        remedy = "decorate an async generator function with contextlib.asynccontextmanager"
        raise ConfigError(f"the lifespan {name}", "is not an async context manager", remedy)
    return manager
