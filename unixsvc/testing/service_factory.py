"""Makes services in memory for tests with pytest."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Final, TypedDict, Unpack

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from unixsvc.config.settings import Limits, Security
from unixsvc.domain.json import Json
from unixsvc.routing.app import App
from unixsvc.service.host import ServiceHost
from unixsvc.testing.call import Call
from unixsvc.testing.call_loop import CallLoop
from unixsvc.testing.service import MemoryService, MemoryStream
from unixsvc.typing import IServices

__all__ = ["ServiceFactory", "ServiceOptions"]


_START_TIMEOUT: Final = 60.0  # seconds


class ServiceOptions(TypedDict, total=False):
    """The options of :class:`~unixsvc.testing.MemoryService`."""

    options: Mapping[str, object] | None
    folder: str
    token: str | None
    limits: Limits | None
    security: Security | None
    services: Mapping[str, MemoryService] | IServices | None


class ServiceFactory:
    """Makes services in memory: the value of the fixture ``unixsvc_service``."""

    def __init__(self) -> None:
        self._made: list[_LoopService] = []

    def __call__(self, app: App, **options: Unpack[ServiceOptions]) -> MemoryService:
        """Make a service, which is closed after the test.

        :param options: of :class:`~unixsvc.testing.MemoryService`.
        :raises unixsvc.errors.ConfigError: if the application cannot start.
        :raises Exception: what its lifespan raises. In an asynchronous test, the calls raise it.
        """
        loop = CallLoop()
        try:
            service = loop.run(partial(_LoopService, loop, app, **options))
            service.wait_for_start()
        except BaseException:
            loop.close()
            raise
        self._made.append(service)
        return service

    def close(self) -> Deferred[None]:
        """Close all services; the last first, as it may call the others.

        :returns: has fired already, unless an event loop or a reactor runs. It fails with the error of a
            call that has failed at once, and whose result the test has not asked for.
        """
        made, self._made = self._made[::-1], []
        errors = [error for each in made for error in each.untaken_errors()]
        closing: Deferred[list[None]] = gatherResults([each.loop.close() for each in made])
        return closing.addCallback(lambda _: errors[0].raiseException() if errors else None)


class LoopClock(Clock):
    """A clock that is advanced while the event loop of the test runs."""

    def __init__(self, loop: CallLoop) -> None:
        super().__init__()
        self._loop = loop

    def advance(self, amount: float) -> None:
        """Advance the time, and call what is due."""
        self._loop.run(partial(super().advance, amount))


class _LoopService(MemoryService):
    """A service whose actions have an event loop in every test."""

    def __init__(self, loop: CallLoop, app: App, **options: Unpack[ServiceOptions]) -> None:
        self.loop = loop
        self._failed: list[Call[Json]] = []
        self._closed: Call[None] | None = None
        super().__init__(app, clock=LoopClock(loop), **options)
        loop.on_close = self.close

    def call(self, method: str, path: str, data: Mapping[str, object], **envelope: object) -> Call[Json]:
        call = super().call(method, path, data, **envelope)
        call.loop = self.loop
        if isinstance(getattr(call, "result", None), Failure):
            self._failed.append(call)
        return call

    def stream(self, path: str, credit: int | None = None, /, **data: object) -> MemoryStream:
        stream = super().stream(path, credit, **data)
        stream.ended.loop = self.loop
        return stream

    def close(self) -> Call[None]:
        if self._closed is None:
            self._closed = Call()
            self._closed.loop = self.loop
            self.loop.run(super().close).chainDeferred(self._closed)
        return self._closed

    def wait_for_start(self) -> None:
        """Wait for the lifespan of the application, if the test is not asynchronous."""
        if not self.loop.busy:
            started: Call[ServiceHost] = Call()
            started.loop = self.loop
            self._host.when_started().chainDeferred(started)
            started.wait(_START_TIMEOUT)

    def untaken_errors(self) -> list[Failure]:
        """The errors of calls that have failed at once, and whose result nothing has asked for."""
        errors: list[Failure] = []
        for call in self._failed:
            if not call.awaited:
                call.addErrback(errors.append)
        return errors

    def _send(self, number: int, **message: object) -> None:
        self.loop.run(partial(super()._send, number, **message))
