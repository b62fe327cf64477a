"""Tests of the listening sockets of the HTTP gateway."""

from __future__ import annotations

import os
import socket
import stat
import tempfile
from collections.abc import Sequence

from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.config.http import Listen, parse_listen
from unixsvc.errors import ConfigError
from unixsvc.orchestrator.sockets.http_listener import HttpListener
from unixsvc.orchestrator.sockets.passed import index_of


def addresses(*texts: str) -> list[Listen]:
    """Parse endpoint strings."""
    return [parse_listen(each) for each in texts]


class ListenerTestCase(SynchronousTestCase):
    """A test with a folder for paths."""

    def setUp(self) -> None:
        """Make a folder for paths."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "web.sock")

    def listener(self, *texts: str, passed: Sequence[socket.socket] = ()) -> HttpListener:
        """Make a closed listener."""
        listener = HttpListener("http", addresses(*texts), 50, passed)
        self.addCleanup(listener.close)
        return listener

    def name_of(self, descriptor: int) -> object:
        """The address of a descriptor."""
        with socket.socket(fileno=os.dup(descriptor)) as listening:
            self.assertTrue(listening.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
            return listening.getsockname()


class HttpListenerTests(ListenerTestCase):
    """All sockets are opened and closed together."""

    def test_open(self) -> None:
        """Each address has a non-blocking listening socket, in the same order."""
        listener = self.listener("tcp:0:interface=127.0.0.1", f"unix:{self.path}:mode=600")
        with capturedLogs() as events:
            listener.open()
        tcp, unix = listener.descriptors()
        port = self.name_of(tcp)[1]  # type: ignore[index]  # a pair
        self.assertEqual(events[0]["where"], f"http://127.0.0.1:{port}, unix:{self.path}")
        self.assertEqual(self.name_of(unix), self.path)
        self.assertEqual(self.name_of(tcp)[0], "127.0.0.1")  # type: ignore[index]  # a pair
        self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode), 0o600)
        self.assertFalse(os.get_blocking(tcp) or os.get_blocking(unix))

    def test_logged_address(self) -> None:
        """The log has the address that the kernel reports, not the one that was configured."""
        with capturedLogs() as events:
            self.listener("tcp:0:interface=localhost").open()
        self.assertRegex(events[0]["where"], r"^http://127\.0\.0\.1:[0-9]+$")

    def test_addresses(self) -> None:
        """The addresses are those of the open sockets, in order."""
        listener = self.listener("tcp:0:interface=127.0.0.1", f"unix:{self.path}")
        self.assertEqual(listener.addresses(), ())
        listener.open()
        tcp, unix = listener.addresses()
        self.assertRegex(tcp, r"^http://127\.0\.0\.1:[1-9][0-9]*$")
        self.assertEqual(unix, f"unix:{self.path}")
        listener.close()
        self.assertEqual(listener.addresses(), ())

    def test_open_again(self) -> None:
        """Opening again changes nothing."""
        listener = self.listener("tcp:0:interface=127.0.0.1", f"unix:{self.path}")
        listener.open()
        before = self.name_of(listener.descriptors()[0])
        listener.open()
        self.assertEqual(self.name_of(listener.descriptors()[0]), before)

    def test_rebind(self) -> None:
        """Only a path that was removed is bound again; the other sockets stay, and the order too."""
        other = f"{self.path}2"
        listener = self.listener(f"unix:{other}", "tcp:0:interface=127.0.0.1", f"unix:{self.path}:mode=600")
        self.assertFalse(listener.rebind())
        listener.open()
        self.assertFalse(listener.rebind())
        before = listener.descriptors()
        sockets = [os.fstat(each).st_ino for each in before]
        os.unlink(self.path)
        self.assertTrue(listener.rebind())
        after = [os.fstat(each).st_ino for each in listener.descriptors()]
        self.assertEqual((after[:2], after[2] != sockets[2]), (sockets[:2], True))
        self.assertEqual(self.name_of(listener.descriptors()[2]), self.path)
        self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode), 0o600)
        listener.close()
        self.assertFalse(os.path.exists(self.path) or os.path.exists(other))

    def test_close(self) -> None:
        """A closed listener has no descriptors and no path."""
        listener = self.listener("tcp:0:interface=127.0.0.1", f"unix:{self.path}")
        listener.open()
        tcp, _ = listener.descriptors()
        where = self.name_of(tcp)
        listener.close()
        self.assertFalse(os.path.exists(self.path))
        self.assertRaises(ValueError, listener.descriptors)
        with socket.socket() as client:
            self.assertRaises(ConnectionRefusedError, client.connect, where)

    def test_taken(self) -> None:
        """If one address cannot be bound, the error names it, and no socket is kept."""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            listener = self.listener(f"unix:{self.path}", f"tcp:{port}:interface=127.0.0.1")
            error = self.assertRaises(ConfigError, listener.open)
        self.assertIn(f"http://127.0.0.1:{port}: cannot be bound: Address already in use", str(error))
        self.assertFalse(os.path.exists(self.path))

    def test_no_interface(self) -> None:
        """An interface that does not exist is an error."""
        error = self.assertRaises(ConfigError, self.listener("tcp:0:interface=256.1.1.1").open)
        self.assertIn("256.1.1.1", str(error))


class ChangeTests(ListenerTestCase):
    """The addresses change while the listener is open."""

    def setUp(self) -> None:
        """Open a listener with a port and a path."""
        super().setUp()
        self.texts = "tcp:0:interface=127.0.0.1", f"unix:{self.path}"
        self.opened = self.listener(*self.texts)
        self.opened.open()
        self.old = addresses(*self.texts)

    def inodes(self, listen: Sequence[Listen]) -> list[int]:
        """The sockets of addresses."""
        return [os.fstat(each).st_ino for each in self.opened.descriptors(listen)]

    def test_add(self) -> None:
        """New addresses are open beside the old ones, which stay the same sockets, in any order."""
        port, path = self.inodes(self.old)
        new = addresses(f"unix:{self.path}2", f"unix:{self.path}", "tcp:0:interface=127.0.0.1")
        self.opened.add(new)
        self.assertEqual(self.inodes(new)[1:], [path, port])
        self.assertEqual(self.inodes(self.old), [port, path])
        self.assertEqual(self.name_of(self.opened.descriptors(new)[0]), f"{self.path}2")
        self.assertEqual(len(self.opened.addresses()), 2)

    def test_keep(self) -> None:
        """The sockets of other addresses are closed, and the new addresses are logged."""
        [port, _] = self.opened.descriptors()
        where = self.name_of(port)
        new = addresses(f"unix:{self.path}2", f"unix:{self.path}:mode=600:backlog=7")
        self.opened.add(new)
        with capturedLogs() as events:
            self.opened.keep(new)
        self.assertEqual(events[0]["where"], f"unix:{self.path}2, unix:{self.path}")
        self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode), 0o600)
        self.assertEqual((self.opened.has(new), self.opened.has(self.old)), (True, False))
        with socket.socket() as client:
            self.assertRaises(ConnectionRefusedError, client.connect, where)
        self.opened.keep(new[1:])
        self.assertFalse(os.path.exists(f"{self.path}2"))
        self.opened.close()
        self.opened.open()
        self.assertEqual(self.opened.addresses(), (f"unix:{self.path}",))

    def test_keep_old(self) -> None:
        """After a change that was rolled back, only the old sockets are left, and nothing is logged."""
        before = self.inodes(self.old)
        self.opened.add(addresses(f"unix:{self.path}2"))
        with capturedLogs() as events:
            self.opened.keep(self.old)
        self.assertEqual((self.inodes(self.old), events), (before, []))
        self.assertFalse(os.path.exists(f"{self.path}2"))

    def test_cannot_add(self) -> None:
        """If one address cannot be bound, no new one is, and the old ones stay."""
        before = self.inodes(self.old)
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            new = addresses(f"unix:{self.path}2", f"tcp:{port}:interface=127.0.0.1")
            error = self.assertRaises(ConfigError, self.opened.add, new)
        self.assertIn("Address already in use; choose another", str(error))
        self.assertFalse(os.path.exists(f"{self.path}2"))
        self.assertEqual(self.inodes(self.old), before)

    def test_same_port(self) -> None:
        """All interfaces cannot take the place of one of them with the same port; the error says so."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        listener = self.listener(f"tcp:{port}:interface=127.0.0.1")
        listener.open()
        error = self.assertRaises(ConfigError, listener.add, addresses(f"tcp:{port}"))
        self.assertIn(
            "an address with this port is in use until the reload; stop the orchestrator", str(error)
        )

    def test_tls(self) -> None:
        """A port that gets TLS keeps its socket."""
        before = self.inodes(self.old)
        new = addresses("ssl:0:interface=127.0.0.1:privateKey=k.pem")
        self.opened.add(new)
        self.opened.keep(new)
        self.assertEqual(self.inodes(new), before[:1])
        self.assertRegex(self.opened.addresses()[0], "https://127")

    def test_rebind_during_change(self) -> None:
        """A path of a new address that is removed before the end of the change is bound again."""
        self.opened.add(addresses(f"unix:{self.path}2"))
        os.unlink(f"{self.path}2")
        self.assertTrue(self.opened.rebind())
        self.assertTrue(os.path.exists(f"{self.path}2"))

    def test_closed(self) -> None:
        """While the listener is closed, nothing is opened, but the addresses change."""
        self.opened.close()
        new = addresses(f"unix:{self.path}2")
        self.opened.add(new)
        self.opened.keep(new)
        self.assertFalse(os.path.exists(f"{self.path}2"))
        self.opened.open()
        self.assertEqual(self.opened.addresses(), (f"unix:{self.path}2",))


class PassedSocketTests(ListenerTestCase):
    """A socket that systemd has passed is used for the address that it has."""

    def passed(self, family: socket.AddressFamily, address: object) -> socket.socket:
        """A listening socket."""
        listening = socket.socket(family)
        self.addCleanup(listening.close)
        listening.bind(address)  # type: ignore[arg-type]  # as the family has it
        listening.listen()
        return listening

    def test_path(self) -> None:
        """It stays open, and its path stays, when the listener is closed; the other addresses are bound."""
        passed = self.passed(socket.AF_UNIX, self.path)
        listener = self.listener("tcp:0:interface=127.0.0.1", f"unix:{self.path}", passed=[passed])
        listener.open()
        tcp, unix = listener.descriptors()
        self.assertEqual(os.fstat(unix).st_ino, os.fstat(passed.fileno()).st_ino)
        self.assertNotEqual(os.fstat(tcp).st_ino, os.fstat(unix).st_ino)
        self.assertFalse(listener.rebind())
        listener.close()
        self.assertEqual(self.name_of(passed.fileno()), self.path)
        self.assertTrue(os.path.exists(self.path))
        listener.open()
        self.assertEqual(len(listener.descriptors()), 2)

    def test_removed(self) -> None:
        """If its path is removed, the error says what to do: only systemd can bind it again."""
        listener = self.listener(f"unix:{self.path}", passed=[self.passed(socket.AF_UNIX, self.path)])
        listener.open()
        os.unlink(self.path)
        error = self.assertRaises(ConfigError, listener.rebind)
        self.assertIn("was removed, and belongs to systemd; stop the orchestrator, restart", str(error))

    def test_port(self) -> None:
        """A TCP socket has an interface and a port."""
        passed = self.passed(socket.AF_INET, ("127.0.0.1", 0))
        port = passed.getsockname()[1]
        listener = self.listener(f"tcp:{port}:interface=127.0.0.1", passed=[passed])
        listener.open()
        [descriptor] = listener.descriptors()
        self.assertEqual(os.fstat(descriptor).st_ino, os.fstat(passed.fileno()).st_ino)

    def test_index(self) -> None:
        """No address, an empty one, and that of another family."""
        every = self.passed(socket.AF_INET, ("0.0.0.0", 0))  # noqa: S104  # not reachable: nothing accepts
        port = every.getsockname()[1]
        six = self.passed(socket.AF_INET6, ("::1", 0))
        for listening, text, expected in (
            (every, f"tcp:{port}", 0),
            (every, f"tcp:{port}:interface=127.0.0.1", None),
            (every, f"unix:{self.path}", None),
            (every, f"tcp:{port + 1}", None),
            (six, f"tcp6:{six.getsockname()[1]}:interface=\\:\\:1", 0),
            (six, f"tcp6:{six.getsockname()[1]}", None),
        ):
            self.assertEqual(index_of(listening, [parse_listen(text)]), expected, text)
