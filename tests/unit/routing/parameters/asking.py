"""Services with one route, which are asked over both transports."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Unpack

import msgspec

from unixsvc.config.http import Http
from unixsvc.errors import ConfigError, Invalid, ServiceError
from unixsvc.routing.app import App
from unixsvc.routing.route import GET, POST
from unixsvc.testing import MemoryHttp, MemoryService
from unixsvc.testing.http_client import RequestOptions
from unixsvc.testing.http_response import HttpResponse

__all__ = ["Asked", "refused"]


class Asked:
    """A service with one action, for ``GET`` and ``POST``.

    :param methods: that the route has.
    """

    def __init__(self, action: Callable[..., object], *methods: str, http: Http | None = None) -> None:
        makers = {"GET": GET, "POST": POST}
        self.app = App([makers[method]("/", action, public=True) for method in methods or ("POST",)])
        self._method = (methods or ("POST",))[0]
        self.service = MemoryService(self.app)
        self._http = MemoryHttp(self.app, http=http)

    def call(self, data: object = None, query: str = "", **meta: str) -> Any:
        """The result over a socket, or the problems of the arguments by field.

        :param meta: with underscores in place of hyphens.
        """
        given = {} if data is None else {"data": data}
        entries = {name.replace("_", "-"): value for name, value in meta.items()}
        return self.outcome(given.get("data", {}), query, entries)

    def outcome(self, data: object, query: str, meta: dict[str, str]) -> Any:
        """The result over a socket, the problems of the arguments by field, or the code of another error."""
        found: list[Any] = []
        self.service.call(self._method, f"/{query}", data, meta=meta).addBoth(found.append)
        error = getattr(found[0], "value", None)
        if isinstance(error, Invalid):
            return {each["field"]: each["message"] for each in error.detail}
        return error.code if isinstance(error, ServiceError) else found[0]

    def request(self, query: str = "", **options: Unpack[RequestOptions]) -> HttpResponse:
        """The response over HTTP."""
        return self._http.request(self._method, f"/{query}", **options).wait()

    def other(self, method: str, **options: Any) -> HttpResponse:
        """The response over HTTP to another method."""
        return self._http.request(method, "/", **options).wait()

    def ask(self, query: str = "", **options: Unpack[RequestOptions]) -> Any:
        """The result over HTTP, or the problems of the arguments by field; other errors by their codes."""
        response = self.request(query, **options)
        if response.status_code == Invalid.code:
            return {each["field"]: each["message"] for each in response.json()["errors"]}
        if response.status_code >= 400:
            return response.status_code
        return msgspec.json.decode(response.content) if response.content else None

    def contract(self) -> dict[str, Any]:
        """The contract of the route."""
        found: list[Any] = []
        self.service.get("/-/routes").addBoth(found.append)
        return next(each for each in found[0]["routes"] if each["path"] == "/")


def refused(action: Callable[..., object], method: str = "POST") -> str:
    """What is wrong with an action."""
    try:
        Asked(action, method)
    except ConfigError as error:
        return str(error)
    return ""
