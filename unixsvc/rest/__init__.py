"""HTTP: the gateway and its server."""

from __future__ import annotations

from unixsvc.rest.pages.rate_limit import rate_limit
from unixsvc.rest.pages.users import current_user, find_user, message_of, requires
from unixsvc.rest.standalone import klein

__all__ = ["current_user", "find_user", "klein", "message_of", "rate_limit", "requires"]
