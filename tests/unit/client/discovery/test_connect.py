"""Connecting to a service, with real sockets."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import socket
import tempfile
from unittest import skipIf

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.client.discovery.connect import connect
from unixsvc.client.errors import BacklogFull, ConnectAttemptFailed, ServiceUnreachable
from unixsvc.errors import ConfigError


class ConnectTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Make a socket directory."""
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)

    def listen(self, name: str = "shop", backlog: int = 5) -> socket.socket:
        """Listen as a service."""
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.addCleanup(listening.close)
        listening.bind(os.path.join(self.folder, f"service_{name}.sock"))
        listening.listen(backlog)
        return listening

    def as_user(self, uid: int) -> None:
        """Switch to another user until the end of the test."""
        before = os.geteuid()
        os.seteuid(uid)
        self.addCleanup(os.seteuid, before)

    def assertAttemptFails(self, *words: str) -> ConnectAttemptFailed:
        """The attempt fails, and may be repeated; the error for the caller contains these words."""
        error: ConnectAttemptFailed = self.assertRaises(ConnectAttemptFailed, connect, self.folder, "shop")
        for word in words:
            self.assertIn(word, str(error.reason))
        return error

    def assertUnreachable(self, *words: str) -> None:
        """The service is unreachable; the error contains these words."""
        error = self.assertRaises(ServiceUnreachable, connect, self.folder, "shop")
        for word in words:
            self.assertIn(word, str(error))

    def test_connected(self) -> None:
        """The socket is connected, non-blocking, and not inherited by child processes."""
        listening = self.listen()
        with connect(self.folder, "shop") as connection, listening.accept()[0] as accepted:
            accepted.sendall(b"hello")
            self.assertEqual(connection.recv(9), b"hello")
            self.assertEqual((connection.getblocking(), connection.get_inheritable()), (False, False))

    def test_absent(self) -> None:
        """If the socket does not exist, the error lists the services that exist."""
        self.listen("user")
        self.listen("home")
        error = self.assertAttemptFails("there is no service 'shop'; there are: home, user", "unixsvc ls")
        self.assertTrue(error.absent)

    def test_not_listening(self) -> None:
        """A stale socket may be replaced soon."""
        self.listen().close()
        self.assertFalse(self.assertAttemptFails("no process listens").absent)

    def test_full_backlog(self) -> None:
        """A full backlog does not block, and the attempt may be repeated."""
        listening = self.listen(backlog=0)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
            other.connect(listening.getsockname())
            error = self.assertAttemptFails("the backlog is full", os.strerror(errno.EAGAIN))
            self.assertIsInstance(error.reason, BacklogFull)
            self.assertTrue(error.busy)

    def test_too_many_files(self) -> None:
        """The same holds if this process has too many open files."""
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

    def test_datagram_socket(self) -> None:
        """A socket of another type is an error that retries do not solve."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
            other.bind(os.path.join(self.folder, "service_shop.sock"))
            self.assertUnreachable("cannot be reached")

    def test_long_path(self) -> None:
        """A path that is too long for a socket is an error in the configuration."""
        self.assertRaises(ConfigError, connect, "/tmp/" + "x" * 200, "shop")  # noqa: S108

    @skipIf(os.geteuid() != 0, "only root can be another user")
    def test_forbidden(self) -> None:
        """Denied permission is an error that retries do not solve."""
        self.listen()
        os.chmod(self.folder, 0o700)
        self.as_user(65534)
        self.assertUnreachable("permission to connect is denied")

    @skipIf(os.geteuid() != 0, "only root can be another user")
    def test_other_user(self) -> None:
        """A socket of another user is not trusted, and the connection is closed."""
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
    def test_owned_by_root(self) -> None:
        """Another user is trusted if only root could create the socket."""
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
