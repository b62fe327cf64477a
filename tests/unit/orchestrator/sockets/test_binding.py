"""The socket directory's one owner, and the sockets in it."""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import stat
import tempfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.errors import ConfigError
from unixsvc.orchestrator.sockets.binding import BoundSocket, bind, remove_stale_socket
from unixsvc.orchestrator.sockets.directory_lock import DirectoryLock
from unixsvc.orchestrator.sockets.unix_listener import UnixListener


class DirectoryTestCase(SynchronousTestCase):
    """Has a directory of sockets."""

    def setUp(self) -> None:
        """Make it."""
        self.folder = tempfile.mkdtemp()  # trial's own have paths too long for a socket
        self.addCleanup(shutil.rmtree, self.folder)
        self.path = os.path.join(self.folder, "service_home.sock")

    def bound(self, mode: int = 0o660) -> BoundSocket:
        """A socket at the path."""
        bound = bind(self.path, mode, 10)
        self.addCleanup(bound.close)
        return bound

    def connects(self) -> bool:
        """Whether somebody listens at the path."""
        with socket.socket(socket.AF_UNIX) as client:
            return client.connect_ex(self.path) == 0


class LockTests(DirectoryTestCase):
    """Who may use the directory."""

    def test_second(self) -> None:
        """A second one is refused, and told who has it and what to do."""
        lock = DirectoryLock(self.folder)
        self.addCleanup(lock.release)
        error = self.assertRaises(ConfigError, DirectoryLock, self.folder)
        self.assertIn(f"pid {os.getpid()}", str(error))
        self.assertIn("--socket-dir", str(error))

    def test_refusal_harms_nobody(self) -> None:
        """The first still has it after that, and its name is still there."""
        lock = DirectoryLock(self.folder)
        self.addCleanup(lock.release)
        self.assertRaises(ConfigError, DirectoryLock, self.folder)
        self.assertIn(f"pid {os.getpid()}", str(self.assertRaises(ConfigError, DirectoryLock, self.folder)))

    def test_released(self) -> None:
        """After it is released, another can have it."""
        DirectoryLock(self.folder).release()
        DirectoryLock(self.folder).release()

    def test_what_is_left(self) -> None:
        """The file of one that is gone stops nobody, whatever it says."""
        Path(self.folder, ".lock").write_text("what is longer than any pid\n")
        lock = DirectoryLock(self.folder)
        self.addCleanup(lock.release)
        self.assertEqual(Path(self.folder, ".lock").read_text(), f"{os.getpid()}\n")

    def test_not_inherited(self) -> None:
        """A child process does not hold it too."""
        lock = DirectoryLock(self.folder)
        self.addCleanup(lock.release)
        path = os.path.realpath(os.path.join(self.folder, ".lock"))
        links = [os.path.join("/proc/self/fd", each) for each in os.listdir("/proc/self/fd")]
        (link,) = [each for each in links if os.path.lexists(each) and os.readlink(each) == path]
        descriptor = int(os.path.basename(link))
        self.assertTrue(fcntl.fcntl(descriptor, fcntl.F_GETFD) & fcntl.FD_CLOEXEC)

    def test_link(self) -> None:
        """A symbolic link is not followed: whatever it leads to would be overwritten."""
        rollout = Path(self.folder, "precious")
        rollout.write_text("mine")
        os.symlink(rollout, os.path.join(self.folder, ".lock"))
        self.assertRaises(ConfigError, DirectoryLock, self.folder)
        self.assertEqual(rollout.read_text(), "mine")


class BindTests(DirectoryTestCase):
    """A socket and its path."""

    def test_listens(self) -> None:
        """Clients can connect as soon as it is bound."""
        self.bound()
        self.assertTrue(self.connects())

    def test_mode(self) -> None:
        """The path has the mode that was asked for, whatever the umask, which stays as it was."""
        for umask in 0o000, 0o077:
            before = os.umask(umask)
            self.addCleanup(os.umask, before)
            bound = bind(self.path, 0o660, 10)
            self.assertEqual(stat.S_IMODE(os.lstat(self.path).st_mode), 0o660)
            self.assertEqual(os.umask(before), umask)
            bound.close()

    def test_close(self) -> None:
        """With the socket, its path goes."""
        bind(self.path, 0o660, 10).close()
        self.assertFalse(os.path.lexists(self.path))

    def test_close_leaves_others(self) -> None:
        """What somebody else has put in its place stays there."""
        bound = bind(self.path, 0o660, 10)
        os.unlink(self.path)
        Path(self.path).write_text("mine")
        bound.close()
        self.assertEqual(Path(self.path).read_text(), "mine")

    def test_close_without_path(self) -> None:
        """That the path is gone already is no error."""
        bound = bind(self.path, 0o660, 10)
        os.unlink(self.path)
        bound.close()
        self.assertFalse(os.path.lexists(self.path))

    def test_no_directory(self) -> None:
        """Where it cannot be bound, the error says where and why."""
        path = os.path.join(self.folder, "none", "service_home.sock")
        self.assertIn(path, str(self.assertRaises(ConfigError, bind, path, 0o660, 10)))


class ListenerTests(DirectoryTestCase):
    """A socket that can be opened and closed more than once."""

    def setUp(self) -> None:
        """One that is closed."""
        super().setUp()
        self.listener = UnixListener(self.path, 0o600, 10)
        self.addCleanup(self.listener.close)

    def test_closed(self) -> None:
        """Before it is opened there is nothing, and nothing to accept from."""
        self.assertFalse(os.path.lexists(self.path))
        self.assertIn(self.path, str(self.assertRaises(ValueError, self.listener.descriptors)))

    def test_open(self) -> None:
        """Once open clients can connect; its descriptor is that of the socket, its path has its mode."""
        self.listener.open()
        self.assertTrue(self.connects())
        with socket.socket(fileno=os.dup(self.listener.descriptors()[0])) as listening:
            self.assertEqual(listening.getsockname(), self.path)
        self.assertEqual(stat.S_IMODE(os.lstat(self.path).st_mode), 0o600)

    def test_open_twice(self) -> None:
        """To open it twice is to open it once: who waits there is not sent away."""
        self.listener.open()
        before = self.listener.descriptors(), os.lstat(self.path).st_ino
        self.listener.open()
        self.assertEqual((self.listener.descriptors(), os.lstat(self.path).st_ino), before)

    def test_removed(self) -> None:
        """When somebody has removed its path, or put something else there, to open it is to bind it anew."""
        self.listener.open()
        os.unlink(self.path)
        self.listener.open()
        self.assertTrue(self.connects())
        os.unlink(self.path)
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(self.path)
        self.listener.open()
        self.assertTrue(self.connects())

    def test_close(self) -> None:
        """Once closed clients are refused, and its path is gone; to close it twice is no error."""
        self.listener.open()
        for _ in range(2):
            self.listener.close()
            self.assertFalse(os.path.lexists(self.path))
            self.assertRaises(ValueError, self.listener.descriptors)

    def test_open_again(self) -> None:
        """It can be opened again."""
        self.listener.open()
        self.listener.close()
        self.listener.open()
        self.assertTrue(self.connects())

    def test_cannot(self) -> None:
        """When the path cannot be had it is said, and it is still closed."""
        Path(self.path).write_text("mine")
        self.assertRaises(ConfigError, self.listener.open)
        self.assertRaises(ValueError, self.listener.descriptors)

    def test_handed(self) -> None:
        """One that was handed to us is always open: neither it nor its path is ours to touch."""
        with socket.socket(socket.AF_UNIX) as handed:
            handed.bind(self.path)
            handed.listen()
            listener = UnixListener(self.path, 0o600, 10, handed)
            for act in listener.open, listener.open, listener.close, listener.close, listener.open:
                before = os.lstat(self.path)
                act()
                self.assertEqual(os.lstat(self.path), before)
                self.assertEqual(listener.descriptors(), (handed.fileno(),))
                self.assertTrue(self.connects())


class ReclaimTests(DirectoryTestCase):
    """What one that is gone has left."""

    def leave_socket(self) -> socket.socket:
        """A socket that somebody still holds."""
        left = socket.socket(socket.AF_UNIX)
        self.addCleanup(left.close)
        left.bind(self.path)
        return left

    def test_nothing(self) -> None:
        """Nothing is fine."""
        remove_stale_socket(self.path)
        self.assertFalse(os.path.lexists(self.path))

    def test_stale(self) -> None:
        """The path of a socket that nobody has any more makes room."""
        self.leave_socket().close()
        self.bound()
        self.assertTrue(self.connects())

    def test_orphan(self) -> None:
        """So does that of one at which a worker of a dead orchestrator still listens, also if it is full."""
        for backlog in 10, 0:
            left = self.leave_socket()
            left.listen(backlog)
            waiting = [socket.socket(socket.AF_UNIX) for _ in range(3)]
            for each in waiting:
                self.addCleanup(each.close)
                each.setblocking(False)
                each.connect_ex(self.path)
            remove_stale_socket(self.path)
            self.assertFalse(os.path.lexists(self.path))

    def test_file(self) -> None:
        """What is no socket is not ours, and is left alone."""
        Path(self.path).write_text("mine")
        self.assertIn(self.path, str(self.assertRaises(ConfigError, bind, self.path, 0o660, 10)))
        self.assertEqual(Path(self.path).read_text(), "mine")

    def test_link(self) -> None:
        """Nor is a symbolic link, even one to a socket."""
        rollout = os.path.join(self.folder, "other.sock")
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(rollout)
            os.symlink(rollout, self.path)
            self.assertRaises(ConfigError, bind, self.path, 0o660, 10)
        self.assertTrue(os.path.islink(self.path))
        self.assertTrue(os.path.exists(rollout))
