"""What the clients of Twisted, asyncio and plain threads share: they differ only in how they wait."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypedDict, TypeVar, Unpack

from unixsvc.client.breaker import CircuitBreaker
from unixsvc.client.calls import DEFAULT_TIMEOUT, NO_LIMIT, make_call, require_decodable, timeout_or_default
from unixsvc.client.connection import Call
from unixsvc.client.discovery.location import ServiceLocation
from unixsvc.client.discovery.service_finder import ServiceFinder
from unixsvc.client.retry import RetryPolicy
from unixsvc.config.loader import Files
from unixsvc.domain.call_options import ResultType, StreamOptions
from unixsvc.domain.json import Json
from unixsvc.interception.call import Interceptor
from unixsvc.interception.client import ClientInterceptors

__all__ = ["ClientBase", "ClientOptions", "Stats"]

R = TypeVar("R")
S = TypeVar("S")


class ClientOptions(TypedDict, total=False):
    """The options of every client, see :class:`ClientBase`."""

    socket_dir: str | None
    token: str | None
    config: Files
    token_file: str | None
    timeout: float
    connections: int
    retry: bool
    location: ServiceLocation | None
    interceptors: Sequence[Interceptor]


class Stats(TypedDict):
    """What a client has to report.

    :ivar open: True while the circuit breaker is open.
    :ivar refused: the number of calls that it has refused.
    :ivar connections: the number of connections.
    :ivar calls: the number of calls.
    :ivar retries: the number of attempts after the first one of a call.
    :ivar failures: the number of calls that have failed: the service could not be reached, did not reply in
        time, or replied with a code of 500 or more.
    :ivar budget: the part of the retry budget that is left, from 0 to 1.
    """

    open: bool
    refused: int
    connections: int
    calls: int
    retries: int
    failures: int
    budget: float


class ClientBase(Generic[R, S]):
    """Calls one service. Connections are made when they are needed, and kept for further calls.

    ``R`` is what a call returns: a Deferred, a coroutine, or the result itself; ``S`` is the stream. The type
    of a result cannot be an argument of ``R``, as Python has no type variables of a higher kind: each client
    declares the methods again for type checkers.

    :param service: its name.
    :param socket_dir: the socket directory; if None, that of the configuration in the current directory.
    :param token: the token; if None, that of the same configuration.
    :param config: the file of the configuration, or several of which the later override the earlier, instead
        of that in the current directory.
    :param token_file: a file with the token, in place of ``token``. It is read for the first connection, and
        again after a change.
    :param timeout: for a call without a timeout of its own, in seconds.
    :param connections: the maximum number of connections.
    :param retry: False to retry only while the backlog of the service is full.
    :param location: the socket directory and the credentials, if they are known already.
    :param interceptors: code around each call, the first outermost. All attempts of a call are one for them.
    :ivar breaker: the circuit breaker.
    """

    def __init__(
        self,
        service: str,
        *,
        socket_dir: str | None = None,
        token: str | None = None,
        config: Files = None,
        token_file: str | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        connections: int = 4,
        retry: bool = True,
        location: ServiceLocation | None = None,
        interceptors: Sequence[Interceptor] = (),
    ) -> None:
        self._finder = ServiceFinder(
            service, location, socket_dir=socket_dir, token=token, config=config, token_file=token_file
        )
        self._timeout = timeout_or_default(timeout, DEFAULT_TIMEOUT)
        self._connection_limit = connections
        self._policy = RetryPolicy(enabled=retry)
        self._budget = self._policy.budget
        self.breaker: CircuitBreaker = self._policy.breaker
        if interceptors:
            self._service = service
            self._interceptors = ClientInterceptors(interceptors)
            # In place of the methods of the class, so that clients without interceptors need not ask.
            self._start = self._start_intercepted  # type: ignore[method-assign]
            self._start_stream = self._start_intercepted_stream  # type: ignore[method-assign]

    def call(
        self,
        method: str,
        path: str,
        data: object = None,
        *,
        timeout: float | None = None,
        type: ResultType[Json] = Json,
        meta: dict[str, str] | None = None,
        idempotency_key: str | None = None,
    ) -> R:
        """Make a call. Cancelling it cancels the action in the service.

        :param data: a dict or a Struct.
        :param timeout: for all attempts together, in seconds.
        :param type: what the result is decoded as.
        :param meta: entries of the caller's own.
        :param idempotency_key: identifies the call to the service. With it, a call is retried after its reply
            was lost even if its method is not idempotent.
        :returns: the result.
        :raises ServiceError: the error of the service; Unavailable if it cannot be reached; DeadlineExceeded
            after the timeout.
        """
        seconds = timeout_or_default(timeout, self._timeout)
        return self._start(make_call(method, path, data, meta, idempotency_key), seconds, type)

    def stream(
        self,
        method: str,
        path: str,
        data: object = None,
        *,
        type: ResultType[Json] = Json,
        **options: Unpack[StreamOptions],
    ) -> S:
        """Request a stream, and iterate over its items. Leaving the loop cancels it.

        It is not retried after the first item.

        :param data: a dict or a Struct.
        :param type: what each item is decoded as.
        :param options: ``timeout``, for the whole stream, in seconds; None for no limit. ``meta``, entries of
            the caller's own.
        """
        seconds = timeout_or_default(options.get("timeout"), NO_LIMIT)
        call = make_call(method, path, data, options.get("meta"))
        if type is not Json:
            require_decodable(type)
        return self._start_stream(call, seconds, type)

    def get(self, path: str, /, *, type: ResultType[Json] = Json, **data: object) -> R:
        """Make a call with the method GET."""
        return self._start(make_call("GET", path, data), self._timeout, type)

    def post(self, path: str, /, *, type: ResultType[Json] = Json, **data: object) -> R:
        """Make a call with the method POST."""
        return self._start(make_call("POST", path, data), self._timeout, type)

    def put(self, path: str, /, *, type: ResultType[Json] = Json, **data: object) -> R:
        """Make a call with the method PUT."""
        return self._start(make_call("PUT", path, data), self._timeout, type)

    def patch(self, path: str, /, *, type: ResultType[Json] = Json, **data: object) -> R:
        """Make a call with the method PATCH."""
        return self._start(make_call("PATCH", path, data), self._timeout, type)

    def delete(self, path: str, /, *, type: ResultType[Json] = Json, **data: object) -> R:
        """Make a call with the method DELETE."""
        return self._start(make_call("DELETE", path, data), self._timeout, type)

    def use_token(self, token: str) -> None:
        """Use another token for new connections; a connection that is open stays authenticated."""
        self._finder.use_token(token)

    def stats(self) -> Stats:
        """The state of the circuit breaker and of the connections, and what has become of the calls."""
        is_open = self.breaker.is_open(self._policy.clock())
        return {
            "open": is_open,
            "refused": self.breaker.refused,
            "connections": self._connection_count(),
            "calls": self._policy.budget.calls,
            "retries": self._policy.retries,
            "failures": self._policy.failures,
            "budget": round(self._policy.budget.share_left, 3),
        }

    def _start(self, call: Call, timeout: float, type: ResultType[Json]) -> R:
        """Make a call."""
        raise NotImplementedError

    def _start_stream(self, call: Call, timeout: float, type: ResultType[Json]) -> S:
        """Request a stream."""
        raise NotImplementedError

    def _start_intercepted(self, call: Call, timeout: float, type: ResultType[Json]) -> R:
        """Make a call through the interceptors."""
        raise NotImplementedError

    def _start_intercepted_stream(self, call: Call, timeout: float, type: ResultType[Json]) -> S:
        """Request a stream through the interceptors."""
        raise NotImplementedError

    def _connection_count(self) -> int:
        """The number of connections, for :meth:`stats`."""
        raise NotImplementedError
