"""What code around a request knows of its route."""

from __future__ import annotations

from msgspec import Struct

from unixsvc.domain.json import JsonObject

__all__ = ["RouteInfo"]


class RouteInfo(Struct, frozen=True):
    """What interceptors and an ``error_hook`` get of the route of a request.

    :ivar method: in upper case.
    :ivar pattern: the path with its variables, as ``/user/{id:int}``, so that reports can be grouped by it.
    :ivar title: as of :class:`Route`.
    :ivar meta: as of :class:`Route`.
    """

    method: str
    pattern: str
    title: str = ""
    meta: JsonObject = {}
