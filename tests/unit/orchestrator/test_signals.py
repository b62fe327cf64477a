"""Tests of signals and the exit code."""

from __future__ import annotations

import atexit
import os
import signal
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.unit.orchestrator.pool.fake_processes import Processes
from unixsvc.orchestrator.signals import STUCK, ExitCode, SignalActions, Signals

_HANDLED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)


class SignalsTestCase(SynchronousTestCase):
    """A test with signal handlers that record their actions."""

    def setUp(self) -> None:
        """Make the handlers without installing them."""
        self.reactor = Processes()
        self.done: list[str] = []
        self.signals = Signals(
            self.reactor,
            SignalActions(
                stop=lambda: self.done.append("stop"),
                stop_now=lambda: self.done.append("stop now"),
                reload=lambda: self.done.append("reload"),
                reopen_log=lambda: self.done.append("reopen"),
                kill_workers=lambda: self.done.append("kill"),
            ),
        )
        self.patch(os, "_exit", lambda code: self.done.append(f"exit {code}"))
        for each in _HANDLED:
            self.addCleanup(signal.signal, each, signal.getsignal(each))
            signal.signal(each, signal.SIG_DFL)

    def install(self) -> None:
        """Install them, without a terminal."""
        nothing = os.open(os.devnull, os.O_RDWR)
        self.addCleanup(os.close, nothing)
        self.replace_standard(nothing)
        self.signals.install()

    def replace_standard(self, descriptor: int) -> None:
        """Replace the three standard descriptors until the end of the test."""
        for each in range(3):
            kept = os.dup(each)
            self.addCleanup(os.close, kept)
            self.addCleanup(os.dup2, kept, each)
            os.dup2(descriptor, each)

    def send(self, number: int) -> None:
        """Send a signal to this process, which is handled at once."""
        signal.raise_signal(number)


class StopTests(SignalsTestCase):
    """TERM and INT."""

    def test_twice(self) -> None:
        """The first signal stops, further ones stop at once, and always in the event loop."""
        self.install()
        for number in signal.SIGTERM, signal.SIGINT, signal.SIGTERM:
            before = list(self.done)
            self.send(number)
            self.assertEqual(self.done, before)
            self.reactor.advance(0)
        self.assertEqual(self.done, ["stop", "stop now", "stop now"])

    def test_stopping(self) -> None:
        """A stop can be requested and queried without a signal."""
        self.assertFalse(self.signals.stopping)
        self.signals.stop()
        self.assertTrue(self.signals.stopping)
        self.signals.stop()
        self.assertEqual(self.done, ["stop", "stop now"])

    def test_blocked(self) -> None:
        """If the reactor is blocked, the third signal kills the workers and the process."""
        self.install()
        for _ in range(2):
            self.send(signal.SIGTERM)
        self.assertEqual(self.done, [])
        self.send(signal.SIGINT)
        self.assertEqual(self.done, ["kill", f"exit {STUCK}"])

    def test_not_blocked(self) -> None:
        """While the reactor handles signals, any number of them kills nothing."""
        self.install()
        for _ in range(3):
            self.send(signal.SIGTERM)
            self.send(signal.SIGTERM)
            self.reactor.advance(0)
        self.assertEqual(self.done, ["stop"] + ["stop now"] * 5)

    def test_ignored(self) -> None:
        """A signal that was ignored at the start stays ignored, as nohup(1) wants it."""
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        self.install()
        self.send(signal.SIGHUP)
        self.reactor.advance(0)
        self.assertEqual(self.done, [])
        self.send(signal.SIGTERM)
        self.reactor.advance(0)
        self.assertEqual(self.done, ["stop"])


class HangUpTests(SignalsTestCase):
    """HUP."""

    def test_reload(self) -> None:
        """Each HUP reloads."""
        self.install()
        for _ in range(3):
            self.send(signal.SIGHUP)
            self.reactor.advance(0)
        self.assertEqual(self.done, ["reopen", "reload"] * 3)

    def test_many(self) -> None:
        """Several HUPs before the reactor handles one are one."""
        self.install()
        for _ in range(100):
            self.send(signal.SIGHUP)
        self.assertEqual(len(self.reactor.getDelayedCalls()), 1)
        self.reactor.advance(0)
        self.assertEqual(self.done, ["reopen", "reload"])

    def test_while_it_stops(self) -> None:
        """During a stop HUP opens the log file again, and does not reload."""
        self.install()
        self.send(signal.SIGTERM)
        self.send(signal.SIGHUP)
        self.reactor.advance(0)
        self.assertEqual(self.done, ["stop", "reopen"])

    def test_terminal(self) -> None:
        """With an open terminal HUP reloads."""
        ours, theirs = os.openpty()
        self.addCleanup(os.close, ours)
        self.replace_standard(theirs)
        os.close(theirs)
        self.signals.install()
        self.send(signal.SIGHUP)
        self.reactor.advance(0)
        self.assertEqual(self.done, ["reopen", "reload"])

    def test_terminal_closed(self) -> None:
        """When the terminal is closed HUP stops."""
        ours, theirs = os.openpty()
        self.replace_standard(theirs)
        os.close(theirs)
        self.signals.install()
        os.close(ours)
        self.send(signal.SIGHUP)
        self.reactor.advance(0)
        self.assertEqual(self.done, ["reopen", "stop"])

    def test_terminal_closed_during_stop(self) -> None:
        """During a stop the closing of the terminal stops at once."""
        self.test_terminal_closed()
        self.send(signal.SIGHUP)
        self.reactor.advance(0)
        self.assertEqual(self.done, ["reopen", "stop", "reopen", "stop now"])


class LogTests(SignalsTestCase):
    """USR1."""

    def test_reopen(self) -> None:
        """Each USR1 opens the log file again, in the event loop."""
        self.install()
        self.send(signal.SIGUSR1)
        self.assertEqual(self.done, [])
        self.reactor.advance(0)
        self.assertEqual(self.done, ["reopen"])


class ExitCodeTests(SynchronousTestCase):
    """The exit code of the process."""

    def setUp(self) -> None:
        """Record the end of the process."""
        self.left: list[Any] = []
        self.atexit: list[Any] = []
        self.patch(os, "_exit", self.left.append)
        self.patch(atexit, "register", self.atexit.append)

    def test_ordinary(self) -> None:
        """Without a code the log is written, and the process ends normally."""
        ExitCode(lambda: self.left.append("flush"))
        [at_exit] = self.atexit
        at_exit()
        self.assertEqual(self.left, ["flush"])

    def test_code(self) -> None:
        """With a code the process exits with it after everything else."""
        code = ExitCode(lambda: self.left.append("flush"))
        code.code = 4
        self.assertEqual(self.left, [])
        [at_exit] = self.atexit
        at_exit()
        self.assertEqual(self.left, ["flush", 4])
