"""The real gateway over HTTP, in workers of a real orchestrator."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from tests.functional.orchestrator_process import OrchestratorProcess, OrchestratorTestCase

__all__ = ["HttpTestCase", "Response"]

_WHERE = re.compile(r"https?://[^ ,]*:(\d+)")


class Response(Struct, frozen=True):
    """A response.

    :ivar headers: values by name in lower case.
    """

    code: int
    headers: dict[str, str]
    body: bytes

    @property
    def data(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)


class HttpTestCase(OrchestratorTestCase):
    """A test case with an orchestrator and a table ``[http]``."""

    config = (
        '[services.codes]\napp = "codes:app"\n'
        '[http]\napp = "codes:app"\nlisten = ["tcp:0:interface=127.0.0.1"]\n'
    )

    def serve(self, *arguments: str) -> OrchestratorProcess:
        """Start the orchestrator; returns the gateway's port."""
        running = self.start(*arguments)
        self.port = self.port_of(running)
        return running

    def port_of(self, running: OrchestratorProcess) -> int:
        """The first port of the gateway."""
        found = _WHERE.search(running.until("listens on ", "http")["message"])
        assert found is not None
        return int(found[1])

    def connect(self) -> http.client.HTTPConnection:
        """A persistent connection."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        self.addCleanup(connection.close)
        return connection

    def fetch(
        self,
        method: str,
        path: str,
        data: Any = None,
        *,
        token: bool = True,
        headers: Mapping[str, str] | None = None,
        connection: http.client.HTTPConnection | None = None,
    ) -> Response:
        """Send a request.

        :param data: sent as JSON; bytes are sent as they are.
        :param token: whether to send the token.
        """
        sent = dict(headers or {})
        if token:
            sent.setdefault("Authorization", f"Bearer {self.token()}")
        body = data
        if data is not None and not isinstance(data, bytes):
            body = json.dumps(data).encode()
            sent.setdefault("Content-Type", "application/json")
        used = connection or self.connect()
        used.request(method, path, body, sent)
        response = used.getresponse()
        found = {name.lower(): value for name, value in response.getheaders()}
        return Response(response.status, found, response.read())
