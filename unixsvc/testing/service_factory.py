"""Makes services in memory for tests with pytest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final, Protocol, TypedDict, TypeVar, Unpack

from twisted.internet.defer import Deferred, gatherResults
from twisted.python.failure import Failure

from unixsvc.config.settings import Limits, Security
from unixsvc.domain.json import Json
from unixsvc.routing.app import App
from unixsvc.service.host import ServiceHost
from unixsvc.testing.call import Call, CallLoop, LoopClock
from unixsvc.testing.http_client import HttpOptions, MemoryHttp
from unixsvc.testing.service import MemoryService, MemoryStream
from unixsvc.typing import IServices

__all__ = ["HttpFactory", "ServiceFactory", "ServiceOptions"]


_START_TIMEOUT: Final = 60.0  # seconds


class ServiceOptions(TypedDict, total=False):
    """The options of :class:`~unixsvc.testing.MemoryService`."""

    options: Mapping[str, object] | None
    folder: str
    token: str | None
    limits: Limits | None
    security: Security | None
    services: Mapping[str, MemoryService] | IServices | None
    user: object


class _Made(Protocol):
    """A service in memory, or an HTTP gateway."""

    def when_started(self) -> Deferred[ServiceHost]: ...

    def close(self) -> Deferred[None]: ...


_MadeT = TypeVar("_MadeT", bound=_Made)


class _Factory:
    """Makes services in memory that have an event loop in every test."""

    def __init__(self) -> None:
        self._loops: list[CallLoop] = []

    @property
    def busy(self) -> bool:
        """Whether a service cannot be closed here, because an event loop or a reactor runs."""
        return any(loop.busy for loop in self._loops)

    def close(self) -> Deferred[None]:
        """Close all services; the last first, as it may call the others.

        :returns: has fired already, unless an event loop or a reactor runs.
        """
        loops, self._loops = self._loops[::-1], []
        closing: Deferred[list[None]] = gatherResults([loop.close() for loop in loops])
        return closing.addCallback(lambda _: None)

    def _make(self, make: Callable[[CallLoop], _MadeT]) -> _MadeT:
        """Make a service, and wait for its start, unless the test is asynchronous."""
        loop = CallLoop()
        self._loops.append(loop)
        made = loop.run(partial(make, loop))
        loop.on_close = made.close
        if not loop.busy:
            started: Call[ServiceHost] = Call()
            started.loop = loop
            made.when_started().chainDeferred(started)
            started.wait(_START_TIMEOUT)
        return made


class ServiceFactory(_Factory):
    """Makes services in memory: the value of the fixture ``unixsvc_service``."""

    def __init__(self) -> None:
        super().__init__()
        self._made: list[_LoopService] = []

    def __call__(self, app: App, **options: Unpack[ServiceOptions]) -> MemoryService:
        """Make a service, which is closed after the test.

        :param options: of :class:`~unixsvc.testing.MemoryService`.
        :raises unixsvc.errors.ConfigError: if the application cannot start.
        :raises Exception: what its lifespan raises. In an asynchronous test, the calls raise it.
        """
        service = self._make(lambda loop: _LoopService(loop, app, **options))
        self._made.append(service)
        return service

    def close(self) -> Deferred[None]:
        """Close all services.

        :returns: as that of the base class. It fails with the error of a call that has failed at once, and
            whose result the test has not asked for.
        """
        errors = [error for each in self._made for error in each.untaken_errors()]
        return super().close().addCallback(lambda _: errors[0].raiseException() if errors else None)


class HttpFactory(_Factory):
    """Makes HTTP clients of applications in memory: the value of the fixture ``unixsvc_http``."""

    def __call__(self, app: App, **options: Unpack[HttpOptions]) -> MemoryHttp:
        """Make a client, which is closed after the test.

        :param options: of :class:`~unixsvc.testing.MemoryHttp`.
        :raises unixsvc.errors.ConfigError: if the application cannot start.
        :raises Exception: what its lifespan raises. In an asynchronous test, the first call waits for it.
        """
        return self._make(lambda loop: MemoryHttp(app, loop=loop, **options))


class _LoopService(MemoryService):
    """A service whose actions have an event loop in every test."""

    def __init__(self, loop: CallLoop, app: App, **options: Unpack[ServiceOptions]) -> None:
        self.loop = loop
        self._failed: list[Call[Json]] = []
        self._closed: Call[None] | None = None
        super().__init__(app, clock=LoopClock(loop), **options)

    def call(self, method: str, path: str, data: object, **envelope: object) -> Call[Json]:
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

    def when_started(self) -> Deferred[ServiceHost]:
        """Fires when the lifespan of the application has been entered."""
        return self._host.when_started()

    def untaken_errors(self) -> list[Failure]:
        """The errors of calls that have failed at once, and whose result nothing has asked for."""
        errors: list[Failure] = []
        for call in self._failed:
            if not call.awaited:
                call.addErrback(errors.append)
        return errors

    def _send(self, number: int, **message: object) -> None:
        self.loop.run(partial(super()._send, number, **message))
