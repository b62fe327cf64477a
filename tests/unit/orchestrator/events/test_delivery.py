"""Commands that get events."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ProcessDone, ProcessTerminated
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.config.hooks import Hook
from unixsvc.orchestrator.events.delivery import Delivery, DeliveryFailed, variables_of
from unixsvc.orchestrator.events.log import Event

_EVENT = Event(3, datetime(2026, 1, 31, tzinfo=UTC), "worker.died", "shop", 7, 1, "signal\0 9", {"signal": 9})


class FakeTransport:
    """Records what is done to the process."""

    def __init__(self) -> None:
        self.written = b""
        self.actions: list[str] = []

    def write(self, data: bytes) -> None:
        """Record it."""
        self.written += data

    def closeStdin(self) -> None:
        """Record it."""
        self.actions.append("closed")

    def loseConnection(self) -> None:
        """Record it."""
        self.actions.append("lost")

    def signalProcess(self, name: str) -> None:
        """Record it."""
        self.actions.append(name)


class CommandTests(SynchronousTestCase):
    """One attempt of a command."""

    def setUp(self) -> None:
        """Start it."""
        self.transport = FakeTransport()
        self.spawned: tuple[Any, ...] = ()
        delivery = Delivery(self, "/srv")  # type: ignore[arg-type]
        self.done: Deferred[None] = delivery(Hook(events=("*",), command=("./notify", "-x")))(_EVENT)

    def spawnProcess(self, protocol: Any, *arguments: Any) -> None:
        """Start a process."""
        self.spawned = arguments
        self.protocol = protocol
        protocol.makeConnection(self.transport)

    def exit(self, error: Exception) -> None:
        """Let it exit."""
        self.protocol.processExited(Failure(error))

    def test_input(self) -> None:
        """The command has its arguments, the folder of the configuration, and the event as JSON."""
        command, arguments, _, folder = self.spawned
        self.assertEqual((command, arguments, folder), ("./notify", ("./notify", "-x"), "/srv"))
        self.assertEqual(msgspec.json.decode(self.transport.written, type=Event), _EVENT)
        self.assertEqual(self.transport.actions, ["closed"])

    def test_variables(self) -> None:
        """Variables have the most important fields, without NUL, which none may contain."""
        found = variables_of(_EVENT)
        self.assertEqual((found["EVENT_KIND"], found["EVENT_PID"]), ("worker.died", "7"))
        self.assertEqual(found["EVENT_REASON"], "signal 9")
        self.assertEqual(self.spawned[2]["EVENT_SERVICE"], "shop")

    def test_environment(self) -> None:
        """It does not get variables for keys of the configuration."""
        import os

        self.patch(os, "environ", {"PATH": "/bin", "UNIXSVC_SERVICES__SHOP__OPTIONS__PASSWORD": "x"})
        self.setUp()
        self.assertEqual(set(self.spawned[2]) - set(variables_of(_EVENT)), {"PATH"})

    def test_success(self) -> None:
        """The exit code 0 is a success."""
        self.exit(ProcessDone(0))
        self.assertIsNone(self.successResultOf(self.done))
        self.assertEqual(self.transport.actions[-1], "lost")

    def test_failure(self) -> None:
        """Another one is a failure, with the end of the output."""
        self.protocol.childDataReceived(2, b"x" * 600 + b"\nno such channel\n")
        self.exit(ProcessTerminated(3))
        text = str(self.failureResultOf(self.done, DeliveryFailed).value)
        self.assertTrue(text.startswith("exited with code 3: xxx") and text.endswith("no such channel"), text)
        self.assertLess(len(text), 550)

    def test_killed(self) -> None:
        """So is a signal."""
        self.exit(ProcessTerminated(None, 9))
        self.assertEqual(str(self.failureResultOf(self.done, DeliveryFailed).value), "killed by signal 9")

    def test_cancelled(self) -> None:
        """A cancel kills it; its exit is ignored then."""
        self.done.cancel()
        self.failureResultOf(self.done, CancelledError)
        self.assertEqual(self.transport.actions[-1], "KILL")
        self.exit(ProcessTerminated(None, 9))
