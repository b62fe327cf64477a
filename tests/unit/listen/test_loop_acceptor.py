"""When the loop's own server may accept."""

from __future__ import annotations

import asyncio
import os
import socket
import tempfile
from unittest import skipIf

import uvloop
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.listen.loop_acceptor import can_use_loop_acceptor

_NOBODY = 65534


class CanUseLoopAcceptorTests(SynchronousTestCase):
    """It may if clients cannot tell."""

    def setUp(self) -> None:
        """A loop and a listening socket."""
        self.loop = uvloop.new_event_loop()
        self.addCleanup(self.loop.close)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.listening = socket.socket(socket.AF_UNIX)
        self.addCleanup(self.listening.close)
        self.listening.bind(os.path.join(folder.name, "x"))
        self.listening.listen()

    def test_ours(self) -> None:
        """It may if the user of this process has called listen()."""
        self.assertTrue(can_use_loop_acceptor(self.loop, self.listening))

    def test_tcp(self) -> None:
        """It may on TCP, where clients see no user."""
        with socket.create_server(("127.0.0.1", 0)) as listening:
            self.assertTrue(can_use_loop_acceptor(self.loop, listening))

    def test_another_loop(self) -> None:
        """It may not on another loop than uvloop."""
        loop = asyncio.new_event_loop()
        self.addCleanup(loop.close)
        self.assertFalse(can_use_loop_acceptor(loop, self.listening))

    @skipIf(os.geteuid() != 0, "only root can become another user")
    def test_another_user(self) -> None:
        """It may not if another user or group has called listen(): clients trust that one."""
        for become in (os.seteuid, os.setegid):
            become(_NOBODY)
            try:
                allowed = can_use_loop_acceptor(self.loop, self.listening)
            finally:
                become(0)
            self.assertFalse(allowed)
