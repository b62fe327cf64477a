"""An HTTP application whose requests wait."""

from __future__ import annotations

from klein import Klein
from twisted.internet.defer import Deferred
from twisted.web.iweb import IRequest

from unixsvc import GET, App


async def wait() -> None:
    """Wait for a Deferred."""
    await Deferred()


def web(app: Klein, container: object) -> None:
    """Add a page that waits."""

    @app.route("/page")
    async def page(request: IRequest) -> bytes:
        await Deferred()
        return b""


app = App([GET("/wait", wait)], web=web)
