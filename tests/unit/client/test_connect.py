"""Connecting to a service. What is tested is what sockets do, so there are some."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import socket
import tempfile
from unittest import skipIf

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.client.connect import connect
from unixsvc.client.errors import ConnectAttemptFailed, ServiceUnreachable
from unixsvc.errors import ConfigError


class DialingTests(SynchronousTestCase):
    """In a folder of its own."""

    def setUp(self) -> None:
        """Make it."""
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)

    def listen(self, name: str = "shop", backlog: int = 5) -> socket.socket:
        """Listen as that service."""
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.addCleanup(listening.close)
        listening.bind(os.path.join(self.folder, f"service_{name}.sock"))
        listening.listen(backlog)
        return listening

    def as_user(self, uid: int) -> None:
        """Be another user until the end of the test."""
        before = os.geteuid()
        os.seteuid(uid)
        self.addCleanup(os.seteuid, before)

    def assertUnreached(self, *words: str) -> ConnectAttemptFailed:
        """It may be otherwise soon; the caller would be told these words."""
        error: ConnectAttemptFailed = self.assertRaises(ConnectAttemptFailed, connect, self.folder, "shop")
        for each in words:
            self.assertIn(each, str(error.reason))
        return error

    def assertUnreachable(self, *words: str) -> None:
        """It will not be otherwise; the caller is told these words."""
        error = self.assertRaises(ServiceUnreachable, connect, self.folder, "shop")
        for each in words:
            self.assertIn(each, str(error))

    def test_connected(self) -> None:
        """It is connected, does not block, and no other program inherits it."""
        listening = self.listen()
        with connect(self.folder, "shop") as connection, listening.accept()[0] as accepted:
            accepted.sendall(b"hello")
            self.assertEqual(connection.recv(9), b"hello")
            self.assertEqual((connection.getblocking(), connection.get_inheritable()), (False, False))

    def test_absent(self) -> None:
        """Where there is no socket, those that there are are named."""
        self.listen("user")
        self.listen("home")
        error = self.assertUnreached("there is no service 'shop'; there are: home, user", "unixsvc ls")
        self.assertTrue(error.absent)

    def test_nobody(self) -> None:
        """A socket on which nobody listens any more may be listened on soon."""
        self.listen().close()
        self.assertFalse(self.assertUnreached("no process listens").absent)

    def test_full(self) -> None:
        """More who wait than may is no reason to wait here, nor to give up."""
        listening = self.listen(backlog=0)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
            other.connect(listening.getsockname())
            self.assertUnreached(os.strerror(errno.EAGAIN))

    def test_too_many_files(self) -> None:
        """Neither is it that this process has too many files open."""
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.listen()
        lowest = os.dup(0)
        os.close(lowest)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, before[1]))
        try:
            error = self.assertRaises(ConnectAttemptFailed, connect, self.folder, "shop")
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)
        self.assertIn(os.strerror(errno.EMFILE), str(error))

    def test_no_socket(self) -> None:
        """Something else in its place is nothing that time will change."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
            other.bind(os.path.join(self.folder, "service_shop.sock"))
            self.assertUnreachable("cannot be reached")

    def test_long_path(self) -> None:
        """A path that no socket can have is a mistake in the configuration."""
        self.assertRaises(ConfigError, connect, "/tmp/" + "x" * 200, "shop")  # noqa: S108

    @skipIf(os.geteuid() != 0, "only root can be another user")
    def test_forbidden(self) -> None:
        """One who may not connect is told so."""
        self.listen()
        os.chmod(self.folder, 0o700)
        self.as_user(65534)
        self.assertUnreachable("permission to connect is denied")

    @skipIf(os.geteuid() != 0, "only root can be another user")
    def test_other_user(self) -> None:
        """Somebody else who could put the socket there is not trusted, and gets no connection to keep."""
        os.chmod(self.folder, 0o777)
        os.seteuid(65534)
        try:
            listening = self.listen()
        finally:
            os.seteuid(0)
        self.assertUnreachable("another user listens there (uid 65534)")
        with listening.accept()[0] as accepted:
            self.assertEqual(accepted.recv(1), b"")

    @skipIf(os.geteuid() != 0, "only root can be another user")
    def test_vouched_for(self) -> None:
        """Another user who listens where only root can put a socket is trusted."""
        os.chmod(self.folder, 0o700)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.addCleanup(listening.close)
        listening.bind(os.path.join(self.folder, "service_shop.sock"))
        os.seteuid(65534)
        try:
            listening.listen(1)
        finally:
            os.seteuid(0)
        connect(self.folder, "shop").close()
