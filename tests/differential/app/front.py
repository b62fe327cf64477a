"""A service that calls another one in its actions and mounts it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from unixsvc import GET, POST, App, Group, IServices


class Front:
    """Calls the service ``main``.

    :param services: the clients of other services.
    """

    def __init__(self, services: IServices) -> None:
        self._services = services

    async def ask(
        self,
        path: str,
        method: str = "GET",
        data: dict[str, Any] | None = None,
        service: str = "main",
        key: str = "",
    ) -> Any:
        """Return the result of a call."""
        if data is None:
            data = {}
        return await self._services.call(service, method, path, data, idempotency_key=key or None)

    async def together(self, paths: list[str]) -> list[Any]:
        """Return the results of several concurrent calls."""
        calls = [self._services.get("main", each) for each in paths]
        return [await each for each in calls]

    async def limited(self, path: str, seconds: float) -> Any:
        """Return the result of a call with a timeout."""
        return await self._services.call("main", "GET", path, timeout=seconds)

    async def stream(self, path: str, most: int = 1000) -> AsyncIterator[Any]:
        """Pass a stream on, item by item."""
        if most == 0:
            return
        async for each in self._services.stream("main", "GET", path):
            yield each
            most -= 1
            if most == 0:
                break


app = App(
    [
        Group("/via", Front, [
            POST("", Front.ask),
            POST("/together", Front.together),
            POST("/limited", Front.limited),
            GET("/stream", Front.stream),
        ]),
    ],
    mounts={
        "/item": "main", "/things": "main:/thing", "/m": "main:/", "/count": "main",
        "/slow": "hasty:/gate",
    },
    title="The front",
)  # fmt: skip
