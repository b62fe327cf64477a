"""Requests whose data is no object."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.unit.support.memory_connection import ServerConnection, connect

REFUSED = (
    b'"status":"error","code":400,"message":"Bad request",'
    b'"detail":[{"field":"data","message":"Expected `object`"}]}'
)


class OtherDataTests(SynchronousTestCase):
    def accepting(self, *routes: tuple[str, str]) -> ServerConnection:
        """A connection to a service of which some routes take any data."""
        server = connect()
        server.registry.accepts_any = lambda method, path: (method, path) in routes
        server.transport, server.connection = server.connect_another()
        return server

    def sent(self, server: ServerConnection, message: bytes) -> bytes:
        """The bytes of the reply."""
        server.raw(message)
        found: bytes = server.transport.value()
        server.transport.clear()
        return found

    def test_accepted(self) -> None:
        """A route that takes any data gets it, with or without an id and a line end."""
        server = self.accepting(("POST", "/sum"))
        found = self.sent(server, b'{"id":1,"method":"post","path":"/sum?a=b","data":[1,2]}\n')
        self.assertEqual(found, b'{"id":1,"code":200,"data":[1,2]}\n')
        self.assertEqual(self.sent(server, b'{"method":"POST","path":"/sum","data":5}\n'), b"5\n")

    def test_refused(self) -> None:
        """All other routes refuse it, with the error that they always had, and serve the next message."""
        for server in (connect(), self.accepting(("POST", "/sum"))):
            for message in (b'"path":"/other"', b'"path":"/sum"', b'"method":"POST","path":"/sum/"'):
                found = self.sent(server, b'{"id":1,%b,"data":[1]}\n' % message)
                self.assertEqual(found, b'{"id":1,' + REFUSED + b"\n")
                self.assertEqual(self.sent(server, b'{%b,"data":null}\n' % message), b"{" + REFUSED + b"\n")
            self.assertEqual(self.sent(server, b'{"id":2,"oneway":true,"data":[]}\n'), b"")
            self.assertEqual(server.actions.requests, [])
            self.assertIn(b'"code":200', self.sent(server, b'{"id":3,"path":"/"}\n'))

    def test_other_problems(self) -> None:
        """Other fields of an accepted message are checked; a cancel is none."""
        server = self.accepting(("GET", "user"), ("GET", "/"))
        self.assertIn(b"starts with '/'", self.sent(server, b'{"id":1,"path":"user","data":[]}\n'))
        self.assertEqual(self.sent(server, b'{"id":1,"cancel":true,"data":[]}\n'), b"")
