"""Calls from actions to other services, within the request context."""

from __future__ import annotations

import math
import re
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, TypeVar, Unpack, cast

from msgspec import Raw
from twisted.internet.defer import Deferred, fail
from twisted.python.failure import Failure
from zope.interface import implementer

from unixsvc.domain.call_options import CallOptions, OpenOptions, ResultT, ResultType, StreamOptions
from unixsvc.domain.interfaces import IServices
from unixsvc.domain.json import Json, JsonObject
from unixsvc.domain.message import Created, Reply
from unixsvc.domain.request_context import current_request
from unixsvc.domain.trace_context import inherited_meta
from unixsvc.errors import Cancelled, DeadlineExceeded, ServiceError, Unavailable
from unixsvc.telemetry.metrics.snapshot import ClientStats

if TYPE_CHECKING:
    from unixsvc.client.twisted.client import Client, RawStream
    from unixsvc.client.twisted.other_hosts import OtherHosts
    from unixsvc.client.twisted.stream import Stream

__all__ = ["NoServices", "ServiceClients", "ServiceVerbs"]

# Actions may take service names from their callers; the reports of a worker must stay short all the same.
_MAX_REPORTED: Final = 100
_OK: Final = 200
_T = TypeVar("_T")
_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,62}")


class ServiceVerbs:
    """The short forms of ``call`` for each HTTP method."""

    def call(
        self,
        service: str,
        method: str,
        path: str,
        data: object = None,
        *,
        type: ResultType[ResultT] = Json,
        **options: Unpack[CallOptions],
    ) -> Awaitable[ResultT]:
        """Call a service."""
        raise NotImplementedError

    def get(
        self, service: str, path: str, /, *, type: ResultType[ResultT] = Json, **data: object
    ) -> Awaitable[ResultT]:
        """Call a service with the method GET."""
        return self.call(service, "GET", path, data, type=type)

    def post(
        self, service: str, path: str, /, *, type: ResultType[ResultT] = Json, **data: object
    ) -> Awaitable[ResultT]:
        """Call a service with the method POST."""
        return self.call(service, "POST", path, data, type=type)

    def put(
        self, service: str, path: str, /, *, type: ResultType[ResultT] = Json, **data: object
    ) -> Awaitable[ResultT]:
        """Call a service with the method PUT."""
        return self.call(service, "PUT", path, data, type=type)

    def patch(
        self, service: str, path: str, /, *, type: ResultType[ResultT] = Json, **data: object
    ) -> Awaitable[ResultT]:
        """Call a service with the method PATCH."""
        return self.call(service, "PATCH", path, data, type=type)

    def delete(
        self, service: str, path: str, /, *, type: ResultType[ResultT] = Json, **data: object
    ) -> Awaitable[ResultT]:
        """Call a service with the method DELETE."""
        return self.call(service, "DELETE", path, data, type=type)


@implementer(IServices)
class ServiceClients(ServiceVerbs):
    """Creates a client for each service on its first call.

    :param socket_dir: the socket directory; empty for that of the configuration in the current directory.
    :param token: the token for the services.
    :param now: the clock of the request context, in seconds.
    :param make_client: creates a client, as :class:`~unixsvc.client.twisted.client.Client`; that one if None.
    :param other_hosts: makes connections to services of other hosts; None without a cluster.
    :param on_end: called at the end of each call, but of streams, with the service, the code and the seconds.
    """

    def __init__(
        self,
        socket_dir: str,
        token: str,
        reactor: Any,
        now: Callable[[], float],
        make_client: Callable[..., Any] | None = None,
        other_hosts: OtherHosts | None = None,
        on_end: Callable[[str, int, float], object] | None = None,
    ) -> None:
        self._other_hosts = other_hosts
        self._on_end = on_end
        self._timed_services: set[str] = set()
        self._socket_dir = socket_dir or None
        self._token = token
        self._reactor = reactor
        self._now = now
        self._make_client = make_client
        self._clients: dict[str, Client] = {}
        self._closed = False
        self._thread = threading.get_ident()
        self._for_probes: ServiceClients | None = None

    def call(
        self,
        service: str,
        method: str,
        path: str,
        data: object = None,
        *,
        type: ResultType[ResultT] = Json,
        **options: Unpack[CallOptions],
    ) -> Deferred[ResultT]:
        """Call a service, as :meth:`unixsvc.Client.call`, within the request context."""
        try:
            client = self._prepare(service, options)
        except (Unavailable, DeadlineExceeded) as error:
            return fail(error)
        return self._timed(service, client.call(method, path, data, type=type, **options))

    def stream(
        self,
        service: str,
        method: str,
        path: str,
        data: object = None,
        *,
        type: ResultType[ResultT] = Json,
        **options: Unpack[StreamOptions],
    ) -> Stream[ResultT]:
        """Call a service for a stream, as :meth:`unixsvc.Client.stream`, within the request context.

        :raises unixsvc.errors.DeadlineExceeded: if the deadline of the action has passed.
        """
        client = self._prepare(service, options)
        return client.stream(method, path, data, type=type, **options)

    def open(
        self, service: str, method: str, path: str, data: object = None, **options: Unpack[OpenOptions]
    ) -> Deferred[Raw | Created[Raw] | Reply | RawStream]:
        """Call a service for a result or a stream, as :meth:`unixsvc.Client.open`, within the context."""
        try:
            client = self._prepare(service, options)
        except (Unavailable, DeadlineExceeded) as error:
            return fail(error)
        return self._timed(service, client.open(method, path, data, **options))

    def stats(self) -> dict[str, JsonObject]:
        """Return the state of each client: :meth:`unixsvc.Client.stats`, and ``half_open``.

        A half-open circuit breaker lets the next call through, after several failed ones; the outcome closes
        or opens it.
        """
        return {name: _stats_of(client) for name, client in self._clients.items()}

    def client_stats(self) -> dict[str, ClientStats]:
        """Return the state of the clients for the metrics of the worker, of at most 100 services."""
        named = ((name, client) for name, client in self._clients.items() if _NAME.fullmatch(name))
        return {name: _to_client_stats(_stats_of(client)) for name, client in islice(named, _MAX_REPORTED)}

    def use_token(self, token: str) -> None:
        """Use another token for new connections."""
        self._token = token
        for client in self._clients.values():
            client.use_token(token)
        if self._for_probes is not None:
            self._for_probes.use_token(token)

    def for_probes(self) -> ServiceClients:
        """Return other clients of the same services, for health checks.

        Their connections and circuit breakers are their own: probes have short deadlines, and their failures
        must not make the calls of actions fail.
        """
        if self._for_probes is None:
            made = ServiceClients(
                self._socket_dir or "", self._token, self._reactor, self._now, self._make_client
            )
            made._closed = self._closed
            self._for_probes = made
        return self._for_probes

    def close(self) -> None:
        """Close all clients; pending calls fail with Unavailable."""
        self._closed = True
        for client in self._clients.values():
            client.close()
        if self._for_probes is not None:
            self._for_probes.close()

    def _timed(self, service: str, call: Deferred[_T]) -> Deferred[_T]:
        """Report the end of a call."""
        # As for the reports: not more services than a worker should have.
        if self._on_end is None:
            return call
        if service not in self._timed_services:
            if len(self._timed_services) >= _MAX_REPORTED or not _NAME.fullmatch(service):
                return call
            self._timed_services.add(service)
        return call.addBoth(self._end, service, self._now(), self._on_end)

    def _end(
        self, result: _T | Failure, service: str, started: float, on_end: Callable[[str, int, float], object]
    ) -> _T | Failure:
        code = _OK
        if isinstance(result, Failure):
            error = result.value
            code = error.code if isinstance(error, ServiceError) else Cancelled.code
        on_end(service, code, self._now() - started)
        return result

    def _client(self, service: str) -> Client:
        if threading.get_ident() != self._thread:
            # The Deferred would fire in the reactor's thread, and the reactor does not support a second
            # thread.
            raise RuntimeError("a blocking action calls with unixsvc.blocking.Client, not with IServices")
        if self._closed:
            raise Unavailable
        client = self._clients.get(service)
        if client is None:
            client = self._clients[service] = self._make(service)
        return client

    def _make(self, service: str) -> Client:
        options: dict[str, Any] = {"socket_dir": self._socket_dir, "token": self._token}
        if self._other_hosts is not None:
            options["other_hosts"] = self._other_hosts
        make = self._make_client or _client_class()
        return cast("Client", make(service, reactor=self._reactor, **options))

    def _prepare(self, service: str, options: CallOptions | OpenOptions | StreamOptions) -> Client:
        """Combine the timeout and the meta of a call with those of the request context.

        :returns: the client for the call.
        """
        client = self._client(service)
        timeout, meta = options.get("timeout"), options.get("meta") or {}
        options["meta"] = meta
        if timeout is not None and timeout <= 0:
            raise DeadlineExceeded
        current = current_request()
        if current is None:
            return client
        request, deadline = current
        left = deadline - self._now()
        if left <= 0:
            raise DeadlineExceeded
        options["meta"] = inherited_meta(request) | meta
        if left != math.inf:  # as it is for a stream without a limit
            options["timeout"] = left if timeout is None else min(timeout, left)
        return client


def _client_class() -> type[Client]:
    # Late: many services call no other.
    from unixsvc.client.twisted.client import Client

    return Client


def _stats_of(client: Client) -> JsonObject:
    stats = client.stats()
    # At the beginning of time no pause is over: the breaker is open or half-open if calls have failed.
    tripped = client.breaker.is_open(-math.inf)
    return stats | {"half_open": tripped and not stats["open"]}


def _to_client_stats(stats: JsonObject) -> ClientStats:
    is_open, half_open = stats["open"], stats["half_open"]
    return ClientStats(
        open=int(is_open),
        half_open=int(half_open),
        closed=int(not (is_open or half_open)),
        refused=stats["refused"],
        connections=stats["connections"],
        calls=stats["calls"],
        retries=stats["retries"],
        failures=stats["failures"],
        spent=int(stats["budget"] < 0.01),  # a retry takes a hundredth
    )


@implementer(IServices)
class NoServices(ServiceVerbs):
    """Raises an error for each call: the services of a test that declares none.

    A fake that derives from it has only the methods that the controllers call.
    """

    def call(
        self,
        service: str,
        method: str,
        path: str,
        data: object = None,
        *,
        type: ResultType[ResultT] = Json,
        **options: Unpack[CallOptions],
    ) -> Awaitable[ResultT]:
        """Fail.

        :raises LookupError: with the remedy.
        """
        raise _not_declared(service, method, path)

    def stream(
        self,
        service: str,
        method: str,
        path: str,
        data: object = None,
        *,
        type: ResultType[ResultT] = Json,
        **options: Unpack[StreamOptions],
    ) -> AsyncIterator[ResultT]:
        """Fail, as :meth:`call`."""
        raise _not_declared(service, method, path)

    def open(
        self, service: str, method: str, path: str, data: object = None, **options: Unpack[OpenOptions]
    ) -> Awaitable[Raw | Created[Raw] | Reply | AsyncIterator[Raw]]:
        """Fail, as :meth:`call`."""
        raise _not_declared(service, method, path)


def _not_declared(service: str, method: str, path: str) -> LookupError:
    return LookupError(
        f"{method} {path} of {service!r}: pass the services to MemoryService(..., services=...)"
    )
