"""What the kernel tells of a socket that listens."""

from __future__ import annotations

import os
import socket
import tempfile

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.listen.backlog import backlog_of


class BacklogTests(SynchronousTestCase):
    """How many may wait to be accepted."""

    def test_unix(self) -> None:
        """It is what was asked for, and follows what is asked for later."""
        with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listening:
            listening.bind(os.path.join(folder, "x"))
            for backlog in (7, 300):
                listening.listen(backlog)
                self.assertEqual(backlog_of(listening), backlog)

    def test_tcp(self) -> None:
        """Likewise over TCP, of both versions."""
        for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            with socket.create_server((host, 0), family=family, backlog=77) as listening:
                self.assertEqual(backlog_of(listening), 77)

    def test_unknown(self) -> None:
        """Of what is closed, nothing is told."""
        closed = socket.socket(socket.AF_UNIX)
        closed.close()
        self.assertIsNone(backlog_of(closed))
