"""What signals do, and the exit code."""

from __future__ import annotations

import atexit
import os
import signal
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.unit.orchestrator.pool.fake_processes import Processes
from unixsvc.orchestrator.signals import STUCK, ExitCode, SignalActions, Signals

_HANDLED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class SignalsTestCase(SynchronousTestCase):
    """Has signals, and notes what they do."""

    def setUp(self) -> None:
        """Make them; they are not installed."""
        self.reactor = Processes()
        self.done: list[str] = []
        self.signals = Signals(
            self.reactor,
            SignalActions(
                stop=lambda: self.done.append("stop"),
                stop_now=lambda: self.done.append("stop now"),
                reload=lambda: self.done.append("reload"),
                kill_workers=lambda: self.done.append("kill"),
            ),
        )
        self.patch(os, "_exit", lambda code: self.done.append(f"exit {code}"))
        for each in _HANDLED:
            self.addCleanup(signal.signal, each, signal.getsignal(each))
            signal.signal(each, signal.SIG_DFL)

    def install(self) -> None:
        """Have them handled, with no terminal."""
        nothing = os.open(os.devnull, os.O_RDWR)
        self.addCleanup(os.close, nothing)
        self.replace_standard(nothing)
        self.signals.install()

    def replace_standard(self, descriptor: int) -> None:
        """Have another descriptor for the standard three, until the test is over."""
        for each in range(3):
            kept = os.dup(each)
            self.addCleanup(os.close, kept)
            self.addCleanup(os.dup2, kept, each)
            os.dup2(descriptor, each)

    def send(self, number: int) -> None:
        """Send a signal to ourselves, which is handled at once."""
        signal.raise_signal(number)


class StopTests(SignalsTestCase):
    """TERM and INT."""

    def test_twice(self) -> None:
        """The first stops in order, each further one at once, and none of it in the handler itself."""
        self.install()
        for number in signal.SIGTERM, signal.SIGINT, signal.SIGTERM:
            before = list(self.done)
            self.send(number)
            self.assertEqual(self.done, before)
            self.reactor.advance(0)
        self.assertEqual(self.done, ["stop", "stop now", "stop now"])

    def test_stopping(self) -> None:
        """It can be asked whether it stops already, and told to as if a signal had come."""
        self.assertFalse(self.signals.stopping)
        self.signals.stop()
        self.assertTrue(self.signals.stopping)
        self.signals.stop()
        self.assertEqual(self.done, ["stop", "stop now"])

    def test_nobody_hears(self) -> None:
        """When the reactor is stuck, and has heard of none, the third one kills all, and us."""
        self.install()
        for _ in range(2):
            self.send(signal.SIGTERM)
        self.assertEqual(self.done, [])
        self.send(signal.SIGINT)
        self.assertEqual(self.done, ["kill", f"exit {STUCK}"])

    def test_somebody_hears(self) -> None:
        """As long as the reactor hears of them, however many there were, it does not."""
        self.install()
        for _ in range(3):
            self.send(signal.SIGTERM)
            self.send(signal.SIGTERM)
            self.reactor.advance(0)
        self.assertEqual(self.done, ["stop"] + ["stop now"] * 5)

    def test_ignored(self) -> None:
        """A signal that is ignored when we are started stays so: nohup means it."""
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
        """It reloads, as often as it comes."""
        self.install()
        for _ in range(3):
            self.send(signal.SIGHUP)
            self.reactor.advance(0)
        self.assertEqual(self.done, ["reload"] * 3)

    def test_many(self) -> None:
        """Many that come before anybody has looked are one, so that they fill nothing."""
        self.install()
        for _ in range(100):
            self.send(signal.SIGHUP)
        self.assertEqual(len(self.reactor.getDelayedCalls()), 1)
        self.reactor.advance(0)
        self.assertEqual(self.done, ["reload"])

    def test_while_it_stops(self) -> None:
        """When it stops already it does nothing; above all it does not hurry."""
        self.install()
        self.send(signal.SIGTERM)
        self.send(signal.SIGHUP)
        self.reactor.advance(0)
        self.assertEqual(self.done, ["stop"])

    def test_terminal(self) -> None:
        """With a terminal that is still there it reloads."""
        ours, theirs = os.openpty()
        self.addCleanup(os.close, ours)
        self.replace_standard(theirs)
        os.close(theirs)
        self.signals.install()
        self.send(signal.SIGHUP)
        self.reactor.advance(0)
        self.assertEqual(self.done, ["reload"])

    def test_terminal_is_gone(self) -> None:
        """When the terminal is gone it stops, in order."""
        ours, theirs = os.openpty()
        self.replace_standard(theirs)
        os.close(theirs)
        self.signals.install()
        os.close(ours)
        self.send(signal.SIGHUP)
        self.reactor.advance(0)
        self.assertEqual(self.done, ["stop"])

    def test_terminal_is_gone_while_it_stops(self) -> None:
        """A second reason to stop is one to hurry, whatever it is."""
        self.test_terminal_is_gone()
        self.send(signal.SIGHUP)
        self.reactor.advance(0)
        self.assertEqual(self.done, ["stop", "stop now"])


class ExitCodeTests(SynchronousTestCase):
    """What the process ends with."""

    def setUp(self) -> None:
        """Note what happens at the end."""
        self.left: list[Any] = []
        self.atexit: list[Any] = []
        self.patch(os, "_exit", self.left.append)
        self.patch(atexit, "register", self.atexit.append)

    def test_ordinary(self) -> None:
        """Without a code the end is the ordinary one."""
        ExitCode()
        [at_exit] = self.atexit
        at_exit()
        self.assertEqual(self.left, [])

    def test_code(self) -> None:
        """With one it is that, after all else is over."""
        code = ExitCode()
        code.code = 4
        self.assertEqual(self.left, [])
        [at_exit] = self.atexit
        at_exit()
        self.assertEqual(self.left, [4])
