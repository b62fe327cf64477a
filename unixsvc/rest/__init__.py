"""HTTP: the gateway, and all that it needs."""

from __future__ import annotations

from unixsvc.rest.standalone import resource

__all__ = ["resource"]
