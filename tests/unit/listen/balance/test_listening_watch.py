"""Waiting for clients of a socket that workers share."""

from __future__ import annotations

import asyncio
import select
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvloop
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.listen.balance.listening_watch import ListeningWatch
from unixsvc.transport.private_apis import poll_descriptor

_EXCLUSIVE = select.EPOLLIN | select.EPOLLEXCLUSIVE


class _TimerLoop:
    """Records timers; everything else is done by a real loop."""

    def __init__(self, loop: uvloop.Loop) -> None:
        self.later = list[tuple[float, Callable[[], None]]]()
        self.add_reader, self.remove_reader = loop.add_reader, loop.remove_reader
        self._get_backend_id = lambda: poll_descriptor(loop)

    def call_later(self, seconds: float, call: Callable[[], None]) -> Any:
        """Note a timer."""
        self.later.append((seconds, call))
        return self

    def cancel(self) -> None:
        """Forget the timers."""
        self.later.clear()

    def expire(self) -> float:
        """Call the only timer; its duration in seconds."""
        ((seconds, call),) = self.later
        self.later.clear()
        call()
        return seconds


class ListeningWatchTests(SynchronousTestCase):
    """How the kernel wakes a worker, in a loop of uvloop."""

    def setUp(self) -> None:
        """A listening socket."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = f"{folder.name}/x"
        self.listening = socket.socket(socket.AF_UNIX)
        self.addCleanup(self.listening.close)
        self.listening.bind(self.path)
        self.listening.listen()
        self.listening.setblocking(False)
        self.loop = uvloop.new_event_loop()
        self.addCleanup(self.loop.close)
        self.calls = list[bool]()
        self.watch = ListeningWatch(self.loop, self.listening.fileno(), self.readable)
        self.addCleanup(self.watch.close)
        self.watch.start()

    def readable(self) -> None:
        """A client waits."""
        self.calls.append(self.watch.is_exclusive)

    def connect(self) -> None:
        """Connect a client."""
        client = socket.socket(socket.AF_UNIX)
        self.addCleanup(client.close)
        client.connect(self.path)

    def turn(self, seconds: float = 0) -> None:
        """Let the loop wait for events."""
        self.loop.run_until_complete(asyncio.sleep(seconds))
        self.loop.run_until_complete(asyncio.sleep(0))

    def events(self) -> int | None:
        """What the loop's epoll instance waits for; None if nothing, or with wrong data."""
        lines = Path(f"/proc/self/fdinfo/{poll_descriptor(self.loop)}").read_text().splitlines()
        for words in map(str.split, lines):  # tfd: 9 events: 19 data: 9 …
            if words[:2] == ["tfd:", str(self.listening.fileno())]:
                data = int(words[5], 16) & 0xFFFFFFFF  # the rest is not set
                return int(words[3], 16) & _EXCLUSIVE if data == int(words[1]) else None
        return None

    def test_all(self) -> None:
        """At first, the kernel wakes every worker."""
        self.connect()
        self.turn()
        self.assertEqual(self.events(), select.EPOLLIN)
        self.assertIn(False, self.calls)

    def test_one(self) -> None:
        """Then it may wake one only, which is called as before."""
        self.turn()
        self.watch.wake_one()
        self.assertEqual(self.events(), _EXCLUSIVE)
        self.connect()
        self.turn()
        self.assertIn(True, self.calls)

    def test_again(self) -> None:
        """It can change as often as needed, also while a client waits."""
        self.connect()
        self.turn()
        for _ in range(3):
            self.watch.wake_one()
            self.watch.wake_one()
            self.assertEqual((self.events(), self.watch.is_exclusive), (_EXCLUSIVE, True))
            self.watch.wake_all()
            self.watch.wake_all()
            self.assertEqual((self.events(), self.watch.is_exclusive), (select.EPOLLIN, False))
        self.calls.clear()
        self.turn()
        self.assertIn(False, self.calls)

    def test_stop(self) -> None:
        """After a stop nothing waits, and after a start the kernel wakes every worker again."""
        self.turn()
        self.watch.wake_one()
        self.watch.stop()
        self.assertEqual((self.events(), self.watch.is_exclusive), (None, False))
        self.connect()
        self.turn()
        self.assertEqual(self.calls, [])
        self.watch.start()
        self.turn()
        self.assertEqual(self.events(), select.EPOLLIN)
        self.assertIn(False, self.calls)
        self.watch.wake_one()
        self.assertEqual(self.events(), _EXCLUSIVE)

    def test_looks(self) -> None:
        """It looks for clients every tenth of a second; after one, the kernel wakes every worker again."""
        loop = _TimerLoop(self.loop)
        anything: Any = loop
        watch = ListeningWatch(anything, self.listening.fileno(), self.readable)
        self.addCleanup(watch.close)
        self.turn()
        watch.wake_one()
        for _ in range(3):
            self.assertEqual((loop.expire(), self.events()), (0.1, _EXCLUSIVE))
        watch.wake_one()
        for _ in range(9):
            self.assertEqual((loop.expire(), self.events()), (0.1, _EXCLUSIVE))
        self.assertEqual((loop.expire(), self.events()), (0.1, select.EPOLLIN))
        self.assertEqual((loop.later, watch.is_exclusive), ([], False))

    def test_finds_client(self) -> None:
        """It finds a client who has come before, though it is not woken for it."""
        self.turn()
        self.watch.wake_one()
        self.connect()
        self.turn()
        self.calls.clear()
        self.watch._look()
        self.turn()
        self.assertIn(True, self.calls)

    def test_standby(self) -> None:
        """On standby it is not woken, and looks for clients itself; it can change to and from that."""
        anything: Any = _TimerLoop(self.loop)  # on a slow machine, it would look before the test does
        watch = ListeningWatch(anything, self.listening.fileno(), self.readable)
        self.addCleanup(watch.close)
        self.turn()
        watch.stand_by()
        self.connect()
        self.turn()
        self.assertEqual((self.events(), watch.is_exclusive, self.calls), (None, False, []))
        watch._look()
        self.assertEqual(self.calls, [False])
        for change, events in (
            (watch.wake_one, _EXCLUSIVE),
            (watch.stand_by, None),
            (watch.wake_all, select.EPOLLIN),
            (watch.stand_by, None),
            (watch.stop, None),
        ):
            change()
            self.assertEqual(self.events(), events)
        watch.start()
        self.calls.clear()
        self.turn()
        self.assertEqual((self.events(), self.calls[0]), (select.EPOLLIN, False))

    def test_standby_looks(self) -> None:
        """It looks every 10 ms, at once again if clients are left, and is woken as before after a second."""
        loop = _TimerLoop(self.loop)
        anything: Any = loop
        watch = ListeningWatch(anything, self.listening.fileno(), self.readable)
        self.addCleanup(watch.close)
        self.turn()
        watch.stand_by()
        for _ in range(50):
            self.assertEqual((loop.expire(), self.calls), (0.01, []))
        watch.stand_by()
        self.connect()
        self.assertEqual((loop.expire(), loop.expire(), self.calls), (0.01, 0, [False, False]))
        self.listening.accept()[0].close()
        for _ in range(98):
            self.assertEqual(loop.expire(), 0 if len(self.calls) == 2 and not _ else 0.01)
        self.assertEqual((self.events(), loop.later, len(self.calls)), (select.EPOLLIN, [], 2))

    def test_not_registered(self) -> None:
        """Before the loop has waited once, it stays as it is, and works."""
        self.watch.wake_one()
        self.assertFalse(self.watch.is_exclusive)
        self.connect()
        self.turn()
        self.assertIn(False, self.calls)

    def test_closed(self) -> None:
        """The loop's epoll instance outlives it."""
        self.turn()
        self.watch.wake_one()
        self.watch.close()
        self.assertIsNone(self.events())
        self.turn(0.001)
