"""HTTP: the gateway and its server."""

from __future__ import annotations

from unixsvc.rest.pages.rate_limit import rate_limit
from unixsvc.rest.standalone import klein

__all__ = ["klein", "rate_limit"]
