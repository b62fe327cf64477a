"""The asyncio task of an action: what asyncio's libraries need of an action that runs without a real Task.

``asyncio.timeout``, ``asyncio.TaskGroup`` and anyio ask for the current task, cancel it, and count its
cancellations. A real :class:`asyncio.Task` costs more than most actions take. So the first step of an action
runs with a spare :class:`ActionTask` as the current task. Most actions end in that step, and the next one has
the same spare; an action that waits keeps it.

While an action waits, the driver of its request gets a Deferred: one that the action awaits, or one that
stands for an asyncio future. So drivers know Deferreds only.

This module imports asyncio, so it is imported only where a reactor runs on asyncio.
"""

from __future__ import annotations

import asyncio
from asyncio import CancelledError
from collections.abc import Generator
from types import coroutine
from typing import Any

from twisted.internet.defer import Deferred

from unixsvc.domain.action_runner import Steps
from unixsvc.errors import ServiceError
from unixsvc.execution.asyncio_internals import current_tasks, register_task
from unixsvc.execution.asyncio_wait import AsyncioWait, is_cancellation, wait_for
from unixsvc.execution.task_interface import TaskInterface

__all__ = ["ActionTask"]


class ActionTask(TaskInterface):
    """The task of one action, or of one stream.

    :ivar outer: the task during which this one was entered; nearly always None.
    """

    outer: asyncio.Task[Any] | None = None
    _reason: BaseException | None = None
    _registered = False

    def enter(self) -> None:
        """Make this the current task; :meth:`leave` restores the one before."""
        loop = self._event_loop
        if loop in current_tasks:
            self.outer = current_tasks[loop]
            del current_tasks[loop]
        current_tasks[loop] = self

    def leave(self) -> None:
        """End what :meth:`enter` has begun."""
        del current_tasks[self._event_loop]
        if self.outer is not None:
            current_tasks[self._event_loop] = self.outer
            self.outer = None

    @coroutine
    def run(self, steps: Steps, *, ends: bool = True) -> Generator[Deferred[Any], Any, Any]:
        """Run a coroutine with this as its current task.

        :param ends: whether the task ends with the coroutine; that of a stream does not.
        """
        self.enter()
        try:
            awaited = steps.send(None)
        except StopIteration as stop:
            if ends:
                self.end()
            return stop.value
        except BaseException as error:
            if ends:
                self.end(error)
            raise
        finally:
            self.leave()
        return (yield from self.resume(steps, awaited, ends=ends))

    def keep(self, steps: Steps) -> None:
        """Be the task of a coroutine that waits."""
        self._steps, self.touched = steps, True

    @coroutine
    def resume(  # noqa: C901 # calls would cost more
        self, steps: Steps, awaited: object, *, ends: bool = True
    ) -> Generator[Deferred[Any], Any, Any]:
        """Run the later steps of the coroutine.

        :param awaited: what the last step has yielded.
        :param ends: as of :meth:`run`.
        """
        self._steps, self.touched = steps, True
        loop, failure = self._event_loop, None
        try:
            while True:
                value = error = None
                wait = awaited if isinstance(awaited, Deferred) else self._wait_for_asyncio(awaited)
                self._wait = wait
                if self._cancel_pending:
                    self._interrupt(wait)
                try:
                    value = yield wait
                except GeneratorExit:
                    self._close(steps)
                    raise
                except BaseException as raised:  # all are for the coroutine
                    error = raised
                self._wait = None
                if error is not None or self._cancel_pending:
                    error = self._error_to_raise(error)
                if loop in current_tasks:
                    self.outer = current_tasks[loop]
                current_tasks[loop] = self
                try:
                    awaited = steps.send(value) if error is None else steps.throw(error)
                finally:
                    del current_tasks[loop]
                    if self.outer is not None:
                        current_tasks[loop], self.outer = self.outer, None
        except StopIteration as stop:
            return stop.value
        except BaseException as raised:
            failure = self._reason_of(raised)
            if failure is raised:
                raise
            raise failure from None
        finally:
            if ends:
                self.end(failure)

    def _reason_of(self, error: BaseException) -> BaseException:
        """The reason of an interruption, if a library has raised another error for it."""
        return error if self._reason is None or not is_cancellation(error) else self._reason

    def _wait_for_asyncio(self, awaited: object) -> Deferred[Any]:
        wait = wait_for(awaited, self._event_loop)
        if isinstance(wait, AsyncioWait) and not self._registered:
            self._registered = True
            register_task(self)  # for asyncio.all_tasks()
        return wait

    def _error_to_raise(self, error: BaseException | None) -> BaseException | None:
        if isinstance(error, CancelledError):
            if isinstance(error, ServiceError):  # by the driver, see unixsvc.execution.interruption
                self._cancel_requests += 1
                self._reason = error
        elif self._cancel_pending:
            error = CancelledError() if self._cancel_text is None else CancelledError(self._cancel_text)
        else:
            return error
        self._cancel_pending = False
        return error

    def _close(self, steps: Steps) -> None:
        self._wait = None
        self.enter()
        try:
            steps.close()
        finally:
            self.leave()
