"""The real gateway over HTTP, under a real orchestrator."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from tests.functional.orchestrator_process import Running, RunningTestCase

__all__ = ["Answer", "WebTestCase"]

_WHERE = re.compile(r"https?://[^ ,]*:(\d+)")


class Answer(Struct, frozen=True):
    """What came back.

    :ivar headers: by their names in lower case.
    """

    code: int
    headers: dict[str, str]
    body: bytes

    @property
    def data(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)


class WebTestCase(RunningTestCase):
    """Has an orchestrator with a table ``[http]``."""

    config = (
        '[services.codes]\napp = "codes:app"\n'
        '[http]\napp = "codes:app"\nlisten = ["tcp:0:interface=127.0.0.1"]\n'
    )

    def serve(self, *arguments: str) -> Running:
        """Start it, and find out where it listens."""
        running = self.start(*arguments)
        self.port = self.port_of(running)
        return running

    def port_of(self, running: Running) -> int:
        """The first port that it listens on."""
        found = _WHERE.search(running.until("listens on")["message"])
        assert found is not None
        return int(found[1])

    def connect(self) -> http.client.HTTPConnection:
        """A connection that is kept."""
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
    ) -> Answer:
        """Ask for something.

        :param data: sent as JSON; bytes are sent as they are.
        :param token: whether the token is shown.
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
        return Answer(response.status, found, response.read())
