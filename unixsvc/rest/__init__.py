"""HTTP: the gateway and its server."""

from __future__ import annotations

from unixsvc.rest.standalone import klein

__all__ = ["klein"]
