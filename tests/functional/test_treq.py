"""treq as the client, over real sockets."""

from __future__ import annotations

import os
from typing import Any

import treq
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase
from twisted.web.client import HTTPConnectionPool

from tests.functional.http_stack import HttpTestCase
from unixsvc import NotFound, Request
from unixsvc.datasource.http import HttpDatasource, client_over_unix
from unixsvc.domain.message import Caller

_TRUSTED = Caller(trusted=True)


class TreqTests(HttpTestCase, TestCase):
    """Over TCP and over a Unix socket."""

    config = '[http]\napp = "codes:app"\nlisten = ["tcp:0:interface=127.0.0.1", "unix:web.sock:mode=600"]\n'

    def setUp(self) -> None:
        """Start the gateway."""
        super().setUp()
        self.serve()
        self.headers: Any = {"Authorization": f"Bearer {self.token()}"}
        self.base = f"http://127.0.0.1:{self.port}"

    async def test_tcp(self) -> None:
        """JSON is sent and received."""
        pool = HTTPConnectionPool(reactor)
        self.addCleanup(pool.closeCachedConnections)
        item = {"name": "Pen", "price": 1.5}
        made = await treq.post(f"{self.base}/item", json=item, headers=self.headers, pool=pool)
        self.assertEqual((made.code, await made.json()), (200, item))
        refused = await treq.get(f"{self.base}/item/7", pool=pool)
        self.assertEqual((refused.code, (await refused.json())["title"]), (401, "Unauthorized"))

    async def test_unix(self) -> None:
        """With a Unix socket, the host of the URL does not matter."""
        client = client_over_unix(os.path.join(self.folder, "web.sock"))
        answer = await client.get("http://anything/item/7", headers=self.headers)
        self.assertEqual((answer.code, await answer.json()), (200, {"id": 7}))
        await self.closed(client)

    async def test_datasource(self) -> None:
        """HttpDatasource has the results and errors of a gateway."""
        client = client_over_unix(os.path.join(self.folder, "web.sock"))
        source = HttpDatasource("http://web", self.headers, client=client)
        reply = await source.handle(Request("GET", "/item/7", caller=_TRUSTED))
        self.assertEqual(reply.body, b'{"id":7}')
        try:
            await source.handle(Request("GET", "/nothing", caller=_TRUSTED))
        except NotFound:
            pass
        else:
            self.fail("it is there")
        await self.closed(client)

    def closed(self, client: treq.client.HTTPClient) -> Deferred[None]:
        """Wait until all connections are closed."""
        agent: Any = client._agent
        closing: Deferred[None] = agent._pool.closeCachedConnections()
        return closing
