"""For tests of an application: the real routes, the real protocol, in memory.

No process, no socket, no thread, and no waiting: time passes when the test says so::

    class ItemsTests(SynchronousTestCase):
        def test_show(self):
            service = MemoryService(app)
            self.assertEqual(self.successResultOf(service.get("/items/1")), {"name": "Pen"})
            self.failureResultOf(service.get("/items/2"), NotFound)

``service.client()`` is a real :class:`unixsvc.Client`, joined to it.
"""

from __future__ import annotations

from unixsvc.datasource.service_clients import NoServices
from unixsvc.testing.memory import ImmediateRunner, MemoryEndpoint, MemoryTransport
from unixsvc.testing.service import MemoryService, MemoryStream

__all__ = [
    "ImmediateRunner",
    "MemoryEndpoint",
    "MemoryService",
    "MemoryStream",
    "MemoryTransport",
    "NoServices",
]
