"""The calls of one service, in the form that generated clients need."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from typing import Unpack

from unixsvc.domain.call_options import CallOptions, ResultT, ResultType, StreamOptions
from unixsvc.domain.json import Json
from unixsvc.typing import IServices

__all__ = ["ServiceCaller"]


class ServiceCaller:
    """Calls one service through :class:`IServices`, within the request context.

    A client that ``unixsvc stub`` has generated takes it: ``ShopClient(ServiceCaller(services, "shop"))``.

    :param services: from the container.
    :param service: the name of the service.
    """

    def __init__(self, services: IServices, service: str) -> None:
        self._services = services
        self._service = service

    def call(
        self,
        method: str,
        path: str,
        data: object = None,
        *,
        type: ResultType[ResultT] = Json,
        **options: Unpack[CallOptions],
    ) -> Awaitable[ResultT]:
        """Call the service, as :meth:`IServices.call`."""
        return self._services.call(self._service, method, path, data, type=type, **options)

    def stream(
        self,
        method: str,
        path: str,
        data: object = None,
        *,
        type: ResultType[ResultT] = Json,
        **options: Unpack[StreamOptions],
    ) -> AsyncIterator[ResultT]:
        """Call the service for a stream, as :meth:`IServices.stream`."""
        return self._services.stream(self._service, method, path, data, type=type, **options)
