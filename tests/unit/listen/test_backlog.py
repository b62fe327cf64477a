"""What the kernel reports about a listening socket."""

from __future__ import annotations

import os
import socket
import tempfile

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.listen.backlog import backlog_of


class BacklogTests(SynchronousTestCase):
    """The backlog."""

    def test_unix(self) -> None:
        """It is the value of the last call of listen()."""
        with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listening:
            listening.bind(os.path.join(folder, "x"))
            for backlog in (7, 300):
                listening.listen(backlog)
                self.assertEqual(backlog_of(listening), backlog)

    def test_tcp(self) -> None:
        """The same over TCP, on IPv4 and IPv6."""
        for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            with socket.create_server((host, 0), family=family, backlog=77) as listening:
                self.assertEqual(backlog_of(listening), 77)

    def test_unknown(self) -> None:
        """A closed socket has none."""
        closed = socket.socket(socket.AF_UNIX)
        closed.close()
        self.assertIsNone(backlog_of(closed))
