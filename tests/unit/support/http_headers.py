"""The headers that gates add to the replies of an application in memory."""

from __future__ import annotations

from tests.unit.routing.serving import Serving
from unixsvc.domain.message import Caller, Request
from unixsvc.routing.app import App
from unixsvc.routing.deprecation import deprecation_gate

__all__ = ["reply_headers"]


def reply_headers(app: App, path: str) -> dict[str, str]:
    """The headers that the reply to a GET has in addition."""
    request = Request("GET", path, caller=Caller(trusted=True))
    Serving(*app.routes, gates=[deprecation_gate]).router.dispatch(request)
    return dict(request.reply_headers)
