"""Tests of an application in memory, with its real routes and the real protocol.

There are no processes, sockets, threads or delays; a test advances the clock::

    class ItemsTests(SynchronousTestCase):
        def test_show(self):
            service = MemoryService(app)
            self.assertEqual(self.successResultOf(service.get("/items/1")), {"name": "Pen"})
            self.failureResultOf(service.get("/items/2"), NotFound)

``service.client()`` is a real :class:`unixsvc.Client` that is connected to the service.
"""

from __future__ import annotations

from unixsvc.datasource.service_clients import NoServices
from unixsvc.telemetry.log_record import LogRecord
from unixsvc.testing.call import Call
from unixsvc.testing.handler import MemoryHandler
from unixsvc.testing.http_client import HttpStream, MemoryHttp
from unixsvc.testing.http_response import HttpResponse
from unixsvc.testing.memory import ImmediateRunner, MemoryEndpoint, MemoryTransport
from unixsvc.testing.process import ProcessFactory, ServiceProcess, StartFailed
from unixsvc.testing.service import MemoryService, MemoryStream
from unixsvc.testing.service_factory import HttpFactory, ServiceFactory
from unixsvc.testing.websocket import MemoryWebSocket

__all__ = [
    "Call",
    "HttpFactory",
    "HttpResponse",
    "HttpStream",
    "ImmediateRunner",
    "LogRecord",
    "MemoryEndpoint",
    "MemoryHandler",
    "MemoryHttp",
    "MemoryService",
    "MemoryStream",
    "MemoryTransport",
    "MemoryWebSocket",
    "NoServices",
    "ProcessFactory",
    "ServiceFactory",
    "ServiceProcess",
    "StartFailed",
]
