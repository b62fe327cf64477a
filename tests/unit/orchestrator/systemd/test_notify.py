"""Tests of the notify protocol and of socket activation."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import tempfile
import time
from types import FrameType
from typing import NoReturn

from twisted.logger import LogLevel, capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.errors import ConfigError
from unixsvc.orchestrator.systemd.activation import Activation, take
from unixsvc.orchestrator.systemd.notify import Notifier

PID = 4711
GIVEN = {
    "NOTIFY_SOCKET": "/run/systemd/notify", "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(PID),
    "LISTEN_PID": str(PID), "LISTEN_FDS": "0", "LISTEN_FDNAMES": "",
}  # fmt: skip


class NotifierTestCase(SynchronousTestCase):
    """A test with a socket in place of systemd's."""

    def setUp(self) -> None:
        """Make the socket."""
        folder = tempfile.mkdtemp()  # trial's own have paths too long for a socket
        self.addCleanup(shutil.rmtree, folder)
        self.path = os.path.join(folder, "notify")
        self.systemd = self.listen(self.path)
        self.notifier = Notifier(self.path)

    def listen(self, address: str) -> socket.socket:
        """Listen at an address."""
        systemd = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(systemd.close)
        systemd.bind(address)
        systemd.setblocking(False)
        return systemd

    def next_message(self) -> str:
        """The next message."""
        return self.systemd.recv(4096).decode()


class NotifierTests(NotifierTestCase):
    """The messages to systemd."""

    def test_messages(self) -> None:
        """Each message is one datagram with the assignments of sd_notify(3)."""
        for send, expected in (
            (lambda: self.notifier.ready("2 services"), "READY=1\nSTATUS=2 services"),
            (lambda: self.notifier.status("draining"), "STATUS=draining"),
            (self.notifier.stopping, "STOPPING=1"),
            (self.notifier.alive, "WATCHDOG=1"),
            (lambda: self.notifier.send("A=1", "B=2"), "A=1\nB=2"),
        ):  # fmt: skip
            send()
            self.assertEqual(self.next_message(), expected)
            self.assertRaises(BlockingIOError, self.next_message)

    def test_reloading(self) -> None:
        """The message about a reload has the monotonic time in microseconds."""
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self.notifier.reloading()
        after = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        lines = dict(line.split("=") for line in self.next_message().splitlines())
        self.assertEqual(lines.pop("RELOADING"), "1")
        self.assertTrue(before <= int(lines.pop("MONOTONIC_USEC")) <= after)
        self.assertEqual(lines, {})

    def test_status_is_one_line(self) -> None:
        """A status of several lines cannot contain other assignments."""
        for send, begin in (self.notifier.status, ""), (self.notifier.ready, "READY=1\n"):
            send("failed\nSTOPPING=1")
            self.assertEqual(self.next_message(), f"{begin}STATUS=failed STOPPING=1")

    def test_undecodable(self) -> None:
        """A status with an undecodable file name is sent with replacement characters."""
        self.notifier.status(os.fsdecode(b"\xff.toml"))
        self.assertEqual(self.next_message(), "STATUS=?.toml")

    def test_abstract(self) -> None:
        """An address that begins with @ is an abstract one."""
        self.systemd = self.listen(f"\0{self.path}")
        Notifier(f"@{self.path}").alive()
        self.assertEqual(self.next_message(), "WATCHDOG=1")

    def test_no_address(self) -> None:
        """Without an address nothing is sent or logged, and the notifier is false."""
        self.assertTrue(self.notifier)
        self.assertFalse(Notifier(""))
        with capturedLogs() as events:
            Notifier("").alive()
        self.assertEqual(list(events), [])

    def test_send_fails(self) -> None:
        """A failure to send is logged as a warning once."""
        os.unlink(self.path)
        with capturedLogs() as events:
            self.notifier.alive()
            self.notifier.alive()
        self.assertEqual([each["log_level"] for each in events], [LogLevel.warn])
        self.assertIsInstance(events[0]["error"], FileNotFoundError)

    def test_long_path(self) -> None:
        """The warning about a path that is too long for a socket says so."""
        with capturedLogs() as events:
            Notifier("/" + "x" * 107).alive()
            Notifier("@" + "x" * 107).alive()  # an abstract name may be as long, and nothing listens there
        self.assertIn("is 108 bytes long", str(events[0]["error"]))
        self.assertIsInstance(events[1]["error"], ConnectionRefusedError)

    def test_full(self) -> None:
        """If the socket is full, sending does not block."""

        def waits(number: int, frame: FrameType | None) -> NoReturn:
            raise AssertionError("waits")

        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender, contextlib.suppress(BlockingIOError):
            sender.setblocking(False)
            while True:
                sender.sendto(b"WATCHDOG=1", self.path)
        self.addCleanup(signal.signal, signal.SIGALRM, signal.signal(signal.SIGALRM, waits))
        self.addCleanup(signal.setitimer, signal.ITIMER_REAL, 0.0)
        signal.setitimer(signal.ITIMER_REAL, 2.0)
        with capturedLogs() as events:
            self.notifier.alive()
        self.assertIsInstance(events[0]["error"], BlockingIOError)

    def test_nothing_left_open(self) -> None:
        """No descriptor stays open, whether sending succeeds or not."""
        before = os.listdir("/proc/self/fd")
        self.notifier.alive()
        Notifier("/nonexistent/notify").alive()
        self.assertEqual(os.listdir("/proc/self/fd"), before)


class EnvironmentTests(SynchronousTestCase):
    """The variables of systemd."""

    def test_removed(self) -> None:
        """All variables of systemd are removed, also those for another process; others stay."""
        for pid in PID, PID + 1:
            environ = {**GIVEN, "PATH": "/bin"}
            take(environ, pid)
            self.assertEqual(environ, {"PATH": "/bin"})

    def test_removed_on_error(self) -> None:
        """They are removed even if they are wrong."""
        environ = {**GIVEN, "WATCHDOG_PID": "x", "LISTEN_PID": "x"}
        self.assertRaises(ConfigError, take, environ, PID)
        self.assertEqual(environ, {})

    def test_without_systemd(self) -> None:
        """Without systemd there is no address, no watchdog and no socket."""
        activation = take({}, PID)
        self.assertFalse(activation.notifier)
        self.assertEqual((activation.watchdog, activation.sockets), (None, {}))

    def test_notifier(self) -> None:
        """The notifier has the address that systemd sets."""
        path = os.path.join(tempfile.mkdtemp(), "notify")
        self.addCleanup(shutil.rmtree, os.path.dirname(path))
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
            systemd.bind(path)
            systemd.setblocking(False)
            take({"NOTIFY_SOCKET": path}, PID).notifier.alive()
            self.assertEqual(systemd.recv(100), b"WATCHDOG=1")

    def test_watchdog(self) -> None:
        """The watchdog time is in seconds, and only set for this process."""
        for environ, expected in (
            ({"WATCHDOG_USEC": "1500000"}, 1.5),
            ({"WATCHDOG_USEC": "1500000", "WATCHDOG_PID": str(PID)}, 1.5),
            ({"WATCHDOG_USEC": "1500000", "WATCHDOG_PID": str(PID + 1)}, None),
            ({"WATCHDOG_USEC": "0"}, None),
            ({"WATCHDOG_PID": str(PID)}, None),
        ):  # fmt: skip
            self.assertEqual(take(dict(environ), PID).watchdog, expected, environ)

    def test_no_number(self) -> None:
        """If a variable is not a number, the error names it."""
        for variable in "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_PID", "LISTEN_FDS":
            for text in "", "x", "-1", "1.5", " 1", "\u0661", "9" * 5000:
                error = self.assertRaises(ConfigError, take, {**GIVEN, variable: text}, PID)
                self.assertIn(variable, str(error))


class SocketTests(SynchronousTestCase):
    """Sockets that systemd passes."""

    def setUp(self) -> None:
        """Make a folder for sockets; the descriptors that are passed are behind all that are open."""
        self.first = max(map(int, os.listdir("/proc/self/fd"))) + 50
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)

    def listening(self, name: str) -> socket.socket:
        """A socket as systemd makes it."""
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.addCleanup(made.close)
        made.bind(os.path.join(self.folder, name))
        made.listen()
        return made

    def take(self, names: str | None, *sockets: socket.socket, pid: int = PID) -> Activation:
        """Pass sockets: with consecutive descriptors that are inherited."""
        first = self.first
        for index, each in enumerate(sockets):
            os.dup2(each.fileno(), first + index, inheritable=True)
            self.addCleanup(self.close, first + index)
        environ = {"LISTEN_PID": str(pid), "LISTEN_FDS": str(len(sockets))}
        if names is not None:
            environ["LISTEN_FDNAMES"] = names
        activation = take(environ, PID, first)
        for taken in activation.sockets.values():
            for each in taken:
                self.addCleanup(each.close)
        return activation

    def close(self, descriptor: int) -> None:
        """Close descriptors that were not taken."""
        with contextlib.suppress(OSError):
            os.close(descriptor)

    def test_by_name(self) -> None:
        """Each socket is found by its name and keeps its descriptor."""
        activation = self.take("home:user", self.listening("h"), self.listening("u"))
        found = {name: (each.getsockname()[-1], each.fileno()) for name, [each] in activation.sockets.items()}
        self.assertEqual(found, {"home": ("h", self.first), "user": ("u", self.first + 1)})

    def test_gateway(self) -> None:
        """Sockets of a gateway may be ports, and several sockets may be those of one gateway."""
        internet = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(internet.close)
        sockets = internet, self.listening("web"), self.listening("api")
        found = self.take("http:http:http-internal", *sockets).sockets
        self.assertEqual(found["http"][0].getsockname(), internet.getsockname())
        descriptors = {name: [each.fileno() for each in taken] for name, taken in found.items()}
        self.assertEqual(
            descriptors, {"http": [self.first, self.first + 1], "http-internal": [self.first + 2]}
        )

    def test_accepts(self) -> None:
        """A client that has connected before is accepted."""
        listening = self.listening("h")
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(listening.getsockname())
            [taken] = self.take("home", listening).sockets["home"]
            accepted, _ = taken.accept()
            accepted.close()

    def test_flags(self) -> None:
        """The sockets are not inherited by children and do not block."""
        [taken] = self.take("home", self.listening("h")).sockets["home"]
        self.assertFalse(os.get_inheritable(taken.fileno()))
        self.assertFalse(os.get_blocking(taken.fileno()))
        self.assertRaises(BlockingIOError, taken.accept)

    def test_for_another(self) -> None:
        """Sockets for another process are not touched."""
        self.assertEqual(self.take("home", self.listening("h"), pid=PID + 1).sockets, {})
        self.assertTrue(os.get_inheritable(self.first))

    def test_without_pid(self) -> None:
        """Sockets without a process id are not touched."""
        self.assertEqual(take({"LISTEN_FDS": "1", "LISTEN_FDNAMES": "home"}, PID, self.first).sockets, {})

    def test_no_name(self) -> None:
        """A socket without a name is refused: its service is unknown."""
        for names in None, "", "unknown", "user:", "user:unknown", "user":
            sockets = [self.listening(f"{names}{each}") for each in range(2)]
            error = self.assertRaises(ConfigError, self.take, names, *sockets)
            self.assertIn("FileDescriptorName=", str(error))
            self.assertIn("has no name", str(error))
            self.assertIn(f"socket {2 if names and 'user' in names else 1} ", str(error))

    def test_same_name(self) -> None:
        """Two sockets with the same name are refused, and the first one is closed."""
        try:
            self.take("home:home", self.listening("a"), self.listening("b"))
        except ConfigError as error:
            for words in "socket 2 ", "'home'", "FileDescriptorName=":
                self.assertIn(words, str(error))
            self.assertRaises(OSError, os.fstat, self.first)
        else:
            self.fail("is not refused")

    def test_unusable(self) -> None:
        """A socket that a service cannot use is refused; the error says what to write in the unit."""
        connected, theirs = socket.socketpair()
        silent = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        datagrams = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        packets = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        internet = socket.create_server(("127.0.0.1", 0))
        for each in connected, theirs, silent, datagrams, packets, internet:
            self.addCleanup(each.close)
        for made in silent, packets:
            made.bind(os.path.join(self.folder, str(made.fileno())))
        packets.listen()
        for each in connected, silent, datagrams, packets, internet:
            said = str(self.assertRaises(ConfigError, self.take, "home", each))
            self.assertIn("'home'", said)
            self.assertIn("ListenStream=/", said)

    def test_no_socket(self) -> None:
        """A descriptor that is not a socket, or not open, is refused."""
        reading, writing = os.pipe()
        self.addCleanup(os.close, writing)
        environ = {"LISTEN_PID": str(PID), "LISTEN_FDS": "1", "LISTEN_FDNAMES": "home"}
        for _ in range(2):
            said = str(self.assertRaises(ConfigError, take, dict(environ), PID, reading))
            self.assertIn("'home'", said)
            self.assertIn("ListenStream=/", said)
            self.close(reading)
