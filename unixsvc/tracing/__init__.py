"""Traces of OpenTelemetry: spans of requests and calls. It needs the extra ``otel``.

:class:`TracedCalls` is for programs that call services.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unixsvc.tracing.interceptor import TracedCalls

__all__ = ["TracedCalls"]


def __getattr__(name: str) -> object:
    if name == "TracedCalls":
        from unixsvc.tracing.interceptor import TracedCalls

        return TracedCalls
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
