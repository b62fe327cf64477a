"""The headers of routes that will be removed."""

from __future__ import annotations

from datetime import UTC, date, datetime

from unixsvc.domain.message import Request
from unixsvc.errors import ConfigError
from unixsvc.routing.gates import Gate
from unixsvc.routing.route import Route
from unixsvc.routing.signature import Signature

__all__ = ["deprecation_gate"]


def deprecation_gate(route: Route, signature: Signature, where: str) -> Gate | None:
    """Make the gate that adds ``Deprecation`` (RFC 9745) and ``Sunset`` (RFC 8594) to each response.

    :raises ConfigError: if the route will be removed before it is deprecated.
    """
    headers: list[tuple[str, str]] = []
    since = None if isinstance(route.deprecated, bool) else _moment(route.deprecated)
    if since is not None:
        headers.append(("Deprecation", f"@{int(since.timestamp())}"))
    if route.sunset is not None:
        end = _moment(route.sunset)
        if since is not None and end < since:
            raise ConfigError(where, "the sunset is before the deprecation", "exchange the dates")
        from email.utils import format_datetime  # late: few routes have an end

        headers.append(("Sunset", format_datetime(end, usegmt=True)))
    if not headers:
        return None

    def add(request: Request) -> None:
        for name, value in headers:
            request.add_reply_header(name, value)

    return add


def _moment(day: date) -> datetime:
    """The beginning of a day, or a time, in UTC."""
    if not isinstance(day, datetime):
        return datetime(day.year, day.month, day.day, tzinfo=UTC)
    return day.replace(tzinfo=UTC) if day.tzinfo is None else day.astimezone(UTC)
