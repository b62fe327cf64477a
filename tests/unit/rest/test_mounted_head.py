"""HEAD at a mount, whose service has a route for GET only."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from unixsvc import GET, App, Call, Proceed, Reply
from unixsvc.testing import MemoryHttp, MemoryService


def count() -> int:
    """A number."""
    return 7


async def stamp(call: Call, proceed: Proceed) -> Reply:
    """Add a header to each reply."""
    try:
        return await proceed(call)
    finally:
        call.add_reply_header("X-Stamp", "once")


class MountedHeadTests(SynchronousTestCase):
    """The gateway asks again with GET, after 405."""

    def test_headers(self) -> None:
        """The response has the headers of the second attempt, and none of the first."""
        http = MemoryHttp(
            App([], interceptors=[stamp]),
            mounts={"/stock": "stock"},
            services={"stock": MemoryService(App([GET("/stock/count", count)]))},
        )
        response = self.successResultOf(http.request("HEAD", "/stock/count"))
        self.assertEqual((response.status_code, response.content), (200, b""))
        self.assertEqual(response.headers.get_all("X-Stamp"), ["once"])
