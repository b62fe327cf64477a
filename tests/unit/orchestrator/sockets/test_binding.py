"""Tests of the lock of a socket directory, and of bound sockets."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import socket
import stat
import tempfile
from pathlib import Path

from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.errors import ConfigError
from unixsvc.orchestrator.sockets.binding import BoundSocket, _remove_stale_socket, bind
from unixsvc.orchestrator.sockets.directory_lock import DirectoryLock
from unixsvc.orchestrator.sockets.unix_listener import UnixListener
from unixsvc.socket_directory import check_directory


class DirectoryTestCase(SynchronousTestCase):
    """A test with a socket directory."""

    def setUp(self) -> None:
        """Make the directory."""
        self.folder = tempfile.mkdtemp()  # trial's own have paths too long for a socket
        self.addCleanup(shutil.rmtree, self.folder)
        self.path = os.path.join(self.folder, "service_home.sock")

    def bound(self, mode: int = 0o660) -> BoundSocket:
        """Bind a socket at the path."""
        bound = bind(self.path, mode, 10)
        self.addCleanup(bound.close)
        return bound

    def connects(self) -> bool:
        """Whether a client can connect to the path."""
        with socket.socket(socket.AF_UNIX) as client:
            return client.connect_ex(self.path) == 0


class LockTests(DirectoryTestCase):
    """The lock of the directory."""

    def test_second(self) -> None:
        """A second lock is refused; the error names the holder and what to do."""
        lock = DirectoryLock(self.folder)
        self.addCleanup(lock.release)
        error = self.assertRaises(ConfigError, DirectoryLock, self.folder)
        self.assertIn(f"pid {os.getpid()}", str(error))
        self.assertIn("--socket-dir", str(error))

    def test_first_lock_kept(self) -> None:
        """After a refusal the first lock is still held, with its pid in the file."""
        lock = DirectoryLock(self.folder)
        self.addCleanup(lock.release)
        self.assertRaises(ConfigError, DirectoryLock, self.folder)
        self.assertIn(f"pid {os.getpid()}", str(self.assertRaises(ConfigError, DirectoryLock, self.folder)))

    def test_released(self) -> None:
        """After its release another process can lock."""
        DirectoryLock(self.folder).release()
        DirectoryLock(self.folder).release()

    def test_full_disk(self) -> None:
        """The lock holds without a process id, which a full disk has no room for."""

        def full(*_: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        self.patch(os, "pwrite", full)
        lock = DirectoryLock(self.folder)
        self.addCleanup(lock.release)
        lock.renew()
        self.assertIn("pid unknown", str(self.assertRaises(ConfigError, DirectoryLock, self.folder)))

    def test_stale_file(self) -> None:
        """The file of a process that has died does not prevent a lock, whatever it contains."""
        Path(self.folder, ".lock").write_text("what is longer than any pid\n")
        lock = DirectoryLock(self.folder)
        self.addCleanup(lock.release)
        self.assertEqual(Path(self.folder, ".lock").read_text(), f"{os.getpid()}\n")

    def test_not_inherited(self) -> None:
        """A child process does not inherit the lock."""
        lock = DirectoryLock(self.folder)
        self.addCleanup(lock.release)
        path = os.path.realpath(os.path.join(self.folder, ".lock"))
        links = [os.path.join("/proc/self/fd", each) for each in os.listdir("/proc/self/fd")]
        (link,) = [each for each in links if os.path.lexists(each) and os.readlink(each) == path]
        descriptor = int(os.path.basename(link))
        self.assertTrue(fcntl.fcntl(descriptor, fcntl.F_GETFD) & fcntl.FD_CLOEXEC)

    def test_file_of_another_program(self) -> None:
        """A file that is not only the lock's own is refused before anything is written to it."""
        other = Path(self.folder, "other")
        other.write_text("mine")
        os.link(other, os.path.join(self.folder, ".lock"))
        self.assertRaises(ConfigError, DirectoryLock, self.folder)
        self.assertEqual(other.read_text(), "mine")


class RenewTests(DirectoryTestCase):
    """The lock file, or the directory, is removed while the lock is held."""

    def setUp(self) -> None:
        """Lock the directory."""
        super().setUp()
        self.lock = DirectoryLock(self.folder)
        self.addCleanup(self.lock.release)
        self.file = os.path.join(self.folder, ".lock")

    def assert_lost(self, *words: str) -> None:
        """The lock cannot be renewed."""
        error = self.assertRaises(ConfigError, self.lock.renew)
        for word in (self.folder, *words):
            self.assertIn(word, str(error))

    def test_held(self) -> None:
        """With its file the lock stays as it is."""
        before = os.lstat(self.file)
        self.lock.renew()
        self.assertEqual(os.lstat(self.file), before)

    def test_removed(self) -> None:
        """If the file was removed or replaced, the directory is locked again, with our pid in the file."""
        for replace in False, True:
            os.unlink(self.file)
            if replace:
                Path(self.file).write_text("1\n")
            self.lock.renew()
            self.assertRaises(ConfigError, DirectoryLock, self.folder)
            self.assertEqual(Path(self.file).read_text(), f"{os.getpid()}\n")

    def test_taken(self) -> None:
        """If another orchestrator has locked the directory meanwhile, it is lost, until that has ended."""
        os.unlink(self.file)
        other = DirectoryLock(self.folder)
        self.assert_lost("another orchestrator runs here")
        other.release()
        self.lock.renew()
        self.assertRaises(ConfigError, DirectoryLock, self.folder)

    def test_directory(self) -> None:
        """If the directory was removed, it is not made again; one that is made again is locked."""
        shutil.rmtree(self.folder)
        self.assert_lost("was removed", f"mkdir -m 700 {self.folder}")
        self.assertFalse(os.path.exists(self.folder))
        with self.assertRaises(ConfigError) as caught:
            check_directory(self.folder, 0o711)
        self.assertIn(f"mkdir -m 711 {self.folder}", str(caught.exception))
        os.mkdir(self.folder, 0o777)
        os.chmod(self.folder, 0o777)
        self.assert_lost("others can write to it")
        os.chmod(self.folder, 0o700)
        self.lock.renew()
        self.assertRaises(ConfigError, DirectoryLock, self.folder)


class BindTests(DirectoryTestCase):
    """A bound socket and its path."""

    def test_listens(self) -> None:
        """Clients can connect as soon as it is bound."""
        self.bound()
        self.assertTrue(self.connects())

    def test_mode(self) -> None:
        """The path has the requested mode, whatever the umask, which is restored."""
        for umask in 0o000, 0o077:
            before = os.umask(umask)
            self.addCleanup(os.umask, before)
            bound = bind(self.path, 0o660, 10)
            self.assertEqual(stat.S_IMODE(os.lstat(self.path).st_mode), 0o660)
            self.assertEqual(os.umask(before), umask)
            bound.close()

    def test_close(self) -> None:
        """Closing the socket removes its path."""
        bind(self.path, 0o660, 10).close()
        self.assertFalse(os.path.lexists(self.path))

    def test_close_keeps_replaced_path(self) -> None:
        """Closing does not remove what another process has put at the path."""
        bound = bind(self.path, 0o660, 10)
        os.unlink(self.path)
        Path(self.path).write_text("mine")
        bound.close()
        self.assertEqual(Path(self.path).read_text(), "mine")

    def test_close_without_path(self) -> None:
        """Closing is no error if the path was removed."""
        bound = bind(self.path, 0o660, 10)
        os.unlink(self.path)
        bound.close()
        self.assertFalse(os.path.lexists(self.path))

    def test_no_directory(self) -> None:
        """If the path cannot be bound, the error names it and the cause."""
        path = os.path.join(self.folder, "none", "service_home.sock")
        self.assertIn(path, str(self.assertRaises(ConfigError, bind, path, 0o660, 10)))

    def test_parent_is_a_file(self) -> None:
        """The same if its parent is a file."""
        parent = os.path.join(self.folder, "file")
        open(parent, "w").close()
        error = self.assertRaises(ConfigError, bind, f"{parent}/web.sock", 0o660, 10)
        line = f"{parent}/web.sock: cannot be bound: Not a directory; let the orchestrator"
        self.assertIn(line, str(error))

    def test_long_path(self) -> None:
        """A path that is too long for a socket is named with its length."""
        for name in "x" * 107, "x" * 300:  # the latter is too long for a file as well
            path = f"/{name}"
            error = self.assertRaises(ConfigError, bind, path, 0o660, 10)
            problem = f"is {len(path)} bytes long, and a socket's path has at most 107"
            self.assertEqual(str(error), f"{path}: {problem}; choose a shorter path")


class UnixListenerTests(DirectoryTestCase):
    """A listener can be opened and closed repeatedly."""

    def setUp(self) -> None:
        """Make a closed listener."""
        super().setUp()
        self.listener = UnixListener(self.path, 0o600, 10)
        self.addCleanup(self.listener.close)

    def test_closed(self) -> None:
        """A closed listener has no path and no descriptor."""
        self.assertFalse(os.path.lexists(self.path))
        self.assertIn(self.path, str(self.assertRaises(ValueError, self.listener.descriptors)))

    def test_open(self) -> None:
        """Clients can connect to an open one; it has the socket's descriptor, and its path has the mode."""
        self.listener.open()
        self.assertTrue(self.connects())
        with socket.socket(fileno=os.dup(self.listener.descriptors()[0])) as listening:
            self.assertEqual(listening.getsockname(), self.path)
        self.assertEqual(stat.S_IMODE(os.lstat(self.path).st_mode), 0o600)

    def test_open_twice(self) -> None:
        """Opening twice is opening once: waiting clients stay in the backlog."""
        self.listener.open()
        before = self.listener.descriptors(), os.lstat(self.path).st_ino
        self.listener.open()
        self.assertEqual((self.listener.descriptors(), os.lstat(self.path).st_ino), before)

    def test_removed(self) -> None:
        """If its path was removed, or replaced by a socket without a process, it can be bound again."""
        self.listener.open()
        for replace in False, True:
            before = self.listener.descriptors()
            with socket.socket(fileno=os.dup(before[0])) as old:
                os.unlink(self.path)
                if replace:
                    with socket.socket(socket.AF_UNIX) as other:
                        other.bind(self.path)
                with capturedLogs() as events:
                    self.assertTrue(self.listener.rebind())
                self.assertTrue(self.connects())
                # Workers may still have it.
                self.assertTrue(old.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
            self.assertIn("{path} was removed or replaced", events[0]["log_format"])
            self.assertEqual(stat.S_IMODE(os.lstat(self.path).st_mode), 0o600)

    def test_not_removed(self) -> None:
        """With its path nothing changes; neither does it for a closed listener."""
        self.assertFalse(self.listener.rebind())
        self.assertFalse(os.path.lexists(self.path))
        self.listener.open()
        before = self.listener.descriptors()
        self.assertFalse(self.listener.rebind())
        self.assertEqual(self.listener.descriptors(), before)

    def test_taken(self) -> None:
        """A path that leads to the socket of another process, or to a file, is not touched."""
        self.listener.open()
        before = self.listener.descriptors()
        os.unlink(self.path)
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(self.path)
            other.listen()
            error = self.assertRaises(ConfigError, self.listener.rebind)
            self.assertIn("the socket of another process", str(error))
            self.assertTrue(self.connects())
        os.unlink(self.path)
        Path(self.path).write_text("mine")
        self.assertIn("is not a socket", str(self.assertRaises(ConfigError, self.listener.rebind)))
        self.assertEqual((Path(self.path).read_text(), self.listener.descriptors()), ("mine", before))
        os.unlink(self.path)
        self.assertTrue(self.listener.rebind())

    def test_no_directory(self) -> None:
        """Without the directory it stays open, and is bound when the directory is back."""
        self.listener.open()
        shutil.rmtree(self.folder)
        self.assertIn("cannot be bound", str(self.assertRaises(ConfigError, self.listener.rebind)))
        self.assertEqual(len(self.listener.descriptors()), 1)
        os.mkdir(self.folder)
        self.assertTrue(self.listener.rebind())
        self.assertTrue(self.connects())

    def test_claim(self) -> None:
        """Nothing is bound in a directory that is not ours."""
        problems: list[ConfigError] = []

        def claim() -> None:
            if problems:
                raise problems[0]

        listener = UnixListener(self.path, 0o600, 10, claim=claim)
        self.addCleanup(listener.close)
        listener.open()
        os.unlink(self.path)
        problems.append(ConfigError(self.folder, "is taken"))
        self.assertRaises(ConfigError, listener.rebind)
        listener.close()
        self.assertRaises(ConfigError, listener.open)
        self.assertFalse(os.path.lexists(self.path))

    def test_mode(self) -> None:
        """The mode can be changed, also for the next time that the path is bound."""
        self.listener.set_mode(0o640)
        self.listener.open()
        self.listener.set_mode(0o666)
        self.assertEqual(stat.S_IMODE(os.lstat(self.path).st_mode), 0o666)
        os.unlink(self.path)
        self.listener.set_mode(0o600)
        self.listener.rebind()
        self.assertEqual(stat.S_IMODE(os.lstat(self.path).st_mode), 0o600)

    def test_close(self) -> None:
        """A closed listener refuses clients and has no path; closing twice is no error."""
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

    def test_cannot_bind(self) -> None:
        """If the path cannot be bound, the error says so, and the listener stays closed."""
        Path(self.path).write_text("mine")
        self.assertRaises(ConfigError, self.listener.open)
        self.assertRaises(ValueError, self.listener.descriptors)

    def test_passed(self) -> None:
        """A passed socket is always open; neither it nor its path is touched."""
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


class StaleSocketTests(DirectoryTestCase):
    """The sockets of an orchestrator that has died."""

    def leave_socket(self) -> socket.socket:
        """Leave a socket that a process still holds."""
        left = socket.socket(socket.AF_UNIX)
        self.addCleanup(left.close)
        left.bind(self.path)
        return left

    def test_nothing(self) -> None:
        """Without a path there is nothing to remove."""
        _remove_stale_socket(self.path)
        self.assertFalse(os.path.lexists(self.path))

    def test_stale(self) -> None:
        """The path of a socket without a process is removed."""
        self.leave_socket().close()
        self.bound()
        self.assertTrue(self.connects())

    def test_orphan(self) -> None:
        """The path of a socket on which an orphaned worker listens is removed, even with a full backlog."""
        for backlog in 10, 0:
            left = self.leave_socket()
            left.listen(backlog)
            waiting = [socket.socket(socket.AF_UNIX) for _ in range(3)]
            for each in waiting:
                self.addCleanup(each.close)
                each.setblocking(False)
                each.connect_ex(self.path)
            _remove_stale_socket(self.path)
            self.assertFalse(os.path.lexists(self.path))

    def test_file(self) -> None:
        """A file that is not a socket is not removed."""
        Path(self.path).write_text("mine")
        self.assertIn(self.path, str(self.assertRaises(ConfigError, bind, self.path, 0o660, 10)))
        self.assertEqual(Path(self.path).read_text(), "mine")

    def test_link(self) -> None:
        """A symbolic link is not removed, even if it leads to a socket."""
        rollout = os.path.join(self.folder, "other.sock")
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(rollout)
            os.symlink(rollout, self.path)
            self.assertRaises(ConfigError, bind, self.path, 0o660, 10)
        self.assertTrue(os.path.islink(self.path))
        self.assertTrue(os.path.exists(rollout))
