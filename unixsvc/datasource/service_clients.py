"""Calls from one service to others, for as long as what they are made for is wanted."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from itertools import islice
from typing import Any, Final

from twisted.internet.defer import Deferred, fail
from zope.interface import implementer

from unixsvc.client.twisted.client import Client
from unixsvc.client.twisted.stream import Stream
from unixsvc.domain.interfaces import IServices
from unixsvc.domain.request_context import current_request
from unixsvc.errors import DeadlineExceeded, Unavailable
from unixsvc.telemetry.metrics import ClientStats

__all__ = ["NoServices", "ServiceClients"]

# What an application asks for may come from its callers; a worker's report must stay short all the same.
_MOST: Final = 100
_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_BEFORE_ALL_TIMES: Final = float("-inf")


@implementer(IServices)
class ServiceClients:
    """Keeps a client for each service that was asked.

    :param socket_dir: where the services listen; empty if the configuration in the current directory says.
    :param token: that is shown to them.
    :param now: the clock by which requests have their time, in seconds.
    :param make: makes a client, as :class:`~unixsvc.client.twisted.client.Client` is made.
    """

    def __init__(
        self,
        socket_dir: str,
        token: str,
        reactor: Any,
        now: Callable[[], float],
        make: Callable[..., Any] = Client,
    ) -> None:
        self._socket_dir = socket_dir or None
        self._token = token
        self._reactor = reactor
        self._now = now
        self._make = make
        self._clients: dict[str, Any] = {}
        self._closed = False
        self._thread = threading.get_ident()

    def get(self, service: str, path: str, /, **data: Any) -> Deferred[Any]:
        """Ask with the method GET."""
        return self.call(service, "GET", path, data)

    def post(self, service: str, path: str, /, **data: Any) -> Deferred[Any]:
        """Ask with the method POST."""
        return self.call(service, "POST", path, data)

    def put(self, service: str, path: str, /, **data: Any) -> Deferred[Any]:
        """Ask with the method PUT."""
        return self.call(service, "PUT", path, data)

    def patch(self, service: str, path: str, /, **data: Any) -> Deferred[Any]:
        """Ask with the method PATCH."""
        return self.call(service, "PATCH", path, data)

    def delete(self, service: str, path: str, /, **data: Any) -> Deferred[Any]:
        """Ask with the method DELETE."""
        return self.call(service, "DELETE", path, data)

    def call(
        self,
        service: str,
        method: str,
        path: str,
        data: Any = None,
        *,
        timeout: float | None = None,
        type: Any = Any,
        meta: dict[str, str] | None = None,
        idempotency_key: str | None = None,
    ) -> Deferred[Any]:
        """Call a service, as :meth:`unixsvc.Client.call` does, within the time of the current request."""
        try:
            client = self._client(service)
            seconds, carried = self._carried(timeout, meta)
        except (Unavailable, DeadlineExceeded) as error:
            return fail(error)
        called: Deferred[Any] = client.call(
            method, path, data, timeout=seconds, type=type, meta=carried, idempotency_key=idempotency_key
        )
        return called

    def stream(
        self,
        service: str,
        method: str,
        path: str,
        data: Any = None,
        *,
        timeout: float | None = None,
        type: Any = Any,
        meta: dict[str, str] | None = None,
    ) -> Stream:
        """Ask for a stream, as :meth:`unixsvc.client.twisted.client.Client.stream` does, likewise.

        :raises unixsvc.errors.DeadlineExceeded: if no time is left.
        """
        client = self._client(service)
        seconds, carried = self._carried(timeout, meta)
        asked: Stream = client.stream(method, path, data, timeout=seconds, type=type, meta=carried)
        return asked

    def open(
        self,
        service: str,
        method: str,
        path: str,
        data: Any = None,
        *,
        timeout: float | None = None,
        limit: float | None = None,
        meta: dict[str, str] | None = None,
    ) -> Deferred[Any]:
        """Ask for either, as :meth:`unixsvc.client.twisted.client.Client.open` does, likewise."""
        try:
            client = self._client(service)
            seconds, carried = self._carried(timeout, meta)
        except (Unavailable, DeadlineExceeded) as error:
            return fail(error)
        asked: Deferred[Any] = client.open(method, path, data, timeout=seconds, limit=limit, meta=carried)
        return asked

    def stats(self) -> dict[str, dict[str, Any]]:
        """Of each service that was asked: what :meth:`unixsvc.client.twisted.client.Client.figures` tells.

        And whether its breaker is ``half_open``: it refuses nothing now, but the last calls have not found
        the service, and the next one shows whether it is there again.
        """
        return {name: _figures_of(each) for name, each in self._clients.items()}

    def asked(self) -> dict[str, ClientStats]:
        """The same, as it is added up over workers: of a hundred services at most."""
        named = ((name, each) for name, each in self._clients.items() if _NAME.fullmatch(name))
        return {name: _asked(_figures_of(each)) for name, each in islice(named, _MOST)}

    def close(self) -> None:
        """Ask nothing more; what is unanswered fails with Unavailable."""
        self._closed = True
        for each in self._clients.values():
            each.close()

    def _client(self, service: str) -> Any:
        if threading.get_ident() != self._thread:
            # A Deferred would be told in the reactor's thread, and a second thread would confuse the reactor.
            raise RuntimeError("a blocking action calls with unixsvc.blocking.Client, not with IServices")
        if self._closed:
            raise Unavailable
        client = self._clients.get(service)
        if client is None:
            client = self._clients[service] = self._make(
                service, socket_dir=self._socket_dir, token=self._token, reactor=self._reactor
            )
        return client

    def _carried(
        self, timeout: float | None, meta: dict[str, str] | None
    ) -> tuple[float | None, dict[str, str]]:
        """The time for a call and its meta: the current request's, unless it is given less, or others."""
        if timeout is not None and timeout <= 0:
            raise DeadlineExceeded
        current = current_request()
        if current is None:
            return timeout, meta or {}
        request, deadline = current
        left = deadline - self._now()
        if left <= 0:
            raise DeadlineExceeded
        carried = {"request_id": request.request_id}
        if "traceparent" in request.meta:
            carried["traceparent"] = request.meta["traceparent"]
        carried |= meta or {}
        if left == float("inf"):  # a stream, whose caller has set no limit
            return timeout, carried
        return (left if timeout is None else min(timeout, left)), carried


def _figures_of(client: Any) -> dict[str, Any]:
    stats: dict[str, Any] = client.stats()
    # Whether it would refuse if no pause could be over: whether calls in a row have not found the service.
    tripped = client.breaker.is_open(_BEFORE_ALL_TIMES)
    return stats | {"half_open": tripped and not stats["open"]}


def _asked(stats: dict[str, Any]) -> ClientStats:
    is_open, half_open = stats["open"], stats["half_open"]
    return ClientStats(
        open=int(is_open),
        half_open=int(half_open),
        closed=int(not (is_open or half_open)),
        refused=stats["refused"],
        connections=stats["connections"],
    )


@implementer(IServices)
class NoServices:
    """Stands where a test has no other services: to ask one is a mistake of the test."""

    def get(self, service: str, path: str, /, **data: Any) -> Deferred[Any]:
        """Fail."""
        return self.call(service, "GET", path)

    def post(self, service: str, path: str, /, **data: Any) -> Deferred[Any]:
        """Fail."""
        return self.call(service, "POST", path)

    def put(self, service: str, path: str, /, **data: Any) -> Deferred[Any]:
        """Fail."""
        return self.call(service, "PUT", path)

    def patch(self, service: str, path: str, /, **data: Any) -> Deferred[Any]:
        """Fail."""
        return self.call(service, "PATCH", path)

    def delete(self, service: str, path: str, /, **data: Any) -> Deferred[Any]:
        """Fail."""
        return self.call(service, "DELETE", path)

    def call(self, service: str, method: str, path: str, data: Any = None, **options: Any) -> Deferred[Any]:
        """Fail.

        :raises LookupError: always; it says what to do.
        """
        raise LookupError(
            f"{method} {path} of {service!r}: give MemoryService(..., services=...) what answers"
        )

    def stream(self, service: str, method: str, path: str, data: Any = None, **options: Any) -> Any:
        """Fail likewise."""
        return self.call(service, method, path)

    def open(self, service: str, method: str, path: str, data: Any = None, **options: Any) -> Deferred[Any]:
        """Fail likewise."""
        return self.call(service, method, path)
