"""Tests of one worker process."""

from __future__ import annotations

import sys
from typing import Any

from msgspec.structs import replace
from twisted.internet.error import ProcessDone
from twisted.logger import LogEvent, capturedLogs
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.orchestrator.pool.fake_processes import TOKEN, Processes, config_for
from unixsvc.config.settings import ServiceSettings
from unixsvc.orchestrator.descendants.group import DescendantGroup
from unixsvc.orchestrator.pool.process import InheritedFds, WorkerExit, WorkerProcess
from unixsvc.orchestrator.worker.messages import (
    COMMANDS_FD,
    REPORTS_FD,
    JobEnded,
    JobStarted,
    ReportStats,
    WorkerDraining,
    WorkerFailed,
    WorkerLeadsGroup,
    WorkerReady,
    installed_version,
)
from unixsvc.service.spec import Privileges, StatsReport


class Owner:
    """Records its calls."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def worker_ready(self, worker: WorkerProcess) -> None:
        """Record it."""
        self.events.append("ready")

    def worker_draining(self, worker: WorkerProcess) -> None:
        """Record it."""
        self.events.append("draining")

    def worker_reported(self, worker: WorkerProcess) -> None:
        """Record it."""
        self.events.append("stats")

    def worker_ended(self, worker: WorkerProcess, end: WorkerExit) -> None:
        """Record it."""
        self.events.append(str(end))

    def job_reported(self, worker: WorkerProcess, report: JobStarted | JobEnded) -> None:
        """Record it."""
        self.events.append(str(report))


class FakeGroup(DescendantGroup):
    """Records the signals that it gets.

    :param lives: how many of them leave a process alive.
    """

    def __init__(self, lives: int) -> None:
        super().__init__(0)
        self.lives = lives
        self.signals: list[str] = []

    def terminate(self) -> bool:
        """Record it."""
        self.signals.append("TERM")
        self.lives -= 1
        return self.lives >= 0

    def kill(self) -> None:
        """Record it."""
        self.signals.append("KILL")


class DescendantTests(SynchronousTestCase):
    """The end of a worker that has started processes."""

    def end(self, lives: int, *, leads: bool = True) -> FakeGroup:
        """End a worker.

        :param lives: how many times TERM leaves one of its processes alive.
        :param leads: whether it has said that it leads a process group.
        """
        self.reactor, self.owner, group = Processes(), Owner(), FakeGroup(lives)
        pids = []

        def make(pid: int) -> FakeGroup:
            pids.append(pid)
            return group

        worker = WorkerProcess(self.reactor, config_for(), InheritedFds((7,), 8, 1, 9, 10), self.owner, make)
        worker.start()
        [process] = self.reactor.started
        if leads:
            process.report(WorkerLeadsGroup())
            self.assertEqual(pids, [1000])
        process.end()
        return group

    def test_none(self) -> None:
        """If it has left nothing behind, it has ended at once."""
        self.assertEqual(self.end(0).signals, ["TERM", "TERM", "KILL"])
        self.assertEqual(self.owner.events, ["exited with code 0"])

    def test_left(self) -> None:
        """What it has left behind gets TERM, and KILL half a second later; only then it has ended."""
        group = self.end(9)
        self.reactor.advance(0.4)
        self.assertEqual((group.signals[-1], self.owner.events), ("TERM", []))
        self.reactor.advance(0.1)
        self.assertEqual((group.signals[-1], self.owner.events), ("KILL", ["exited with code 0"]))

    def test_no_group(self) -> None:
        """A worker that has not made its group yet has no descendants."""
        self.assertEqual(self.end(9, leads=False).signals, [])
        self.assertEqual(self.owner.events, ["exited with code 0"])


class WorkerProcessTests(SynchronousTestCase):
    """A worker process from its start to its exit."""

    def setUp(self) -> None:
        """Start a process."""
        self.reactor, self.owner = Processes(), Owner()
        settings = ServiceSettings("home:app", environment={"COLOUR": "red"})
        self.worker = WorkerProcess(
            self.reactor, config_for(2, settings), InheritedFds((7,), 8, 1, 9, 10), self.owner
        )
        self.worker.start()
        (self.process,) = self.reactor.started

    def logged(self, descriptor: int, *data: bytes) -> list[LogEvent]:
        """The events that are logged when the worker writes to a pipe."""
        with capturedLogs() as events:
            for each in data:
                self.worker.childDataReceived(descriptor, each)
        return list(events)

    def test_command(self) -> None:
        """It runs our interpreter, with the environment variables of its service in addition to ours."""
        self.assertEqual(self.process.arguments["executable"], sys.executable)
        module = "unixsvc.orchestrator.worker.__main__"
        self.assertEqual(self.process.arguments["args"][-3:], ["-P", "-m", module])
        self.assertEqual(self.process.arguments["env"]["COLOUR"], "red")
        self.assertIn("PATH", self.process.arguments["env"])

    def test_other_interpreter(self) -> None:
        """Another interpreter gets the version that it has to have as an argument."""
        fds = InheritedFds((7,), 8, 1, 9, 10)
        WorkerProcess(self.reactor, config_for(), fds, self.owner, interpreter="/srv/bin/python").start()
        arguments = self.reactor.started[-1].arguments
        self.assertEqual((arguments["executable"], arguments["args"][0]), ("/srv/bin/python",) * 2)
        self.assertEqual(arguments["args"][-1], installed_version())

    def test_other_user(self) -> None:
        """A worker that becomes another user does not get all our variables, nor yet those of its service."""
        config = config_for(settings=ServiceSettings("home:app", environment={"X": "y"}))
        config = replace(config, privileges=Privileges(uid=7, gid=7))
        WorkerProcess(self.reactor, config, InheritedFds((7,), 8, 1, 9, 10), self.owner).start()
        environment = self.reactor.started[-1].arguments["env"]
        self.assertIn("PATH", environment)
        self.assertFalse({"X", "HOME"} & set(environment))

    def test_descriptors(self) -> None:
        """It gets two pipes, three memories, the listening socket, and no standard input."""
        descriptors: dict[int, Any] = self.process.arguments["childFDs"]
        self.assertIsInstance(descriptors.pop(0), int)
        self.assertEqual(descriptors, {1: "r", 2: "r", 3: "r", 4: "w", 5: 8, 6: 9, 7: 10, 8: 7})

    def test_config(self) -> None:
        """The token is sent only through the pipe: other processes can read arguments and environments."""
        self.assertEqual(self.process.worker_config.token, TOKEN)
        self.assertEqual(self.process.worker_config.slot, 2)
        self.assertNotIn(TOKEN, repr(self.process.arguments))
        self.assertNotIn(TOKEN, repr(self.process.worker_config))

    def test_ready(self) -> None:
        """Its owner is called when it is ready."""
        self.process.report(WorkerReady())
        self.assertEqual(self.owner.events, ["ready"])

    def test_reports_in_pieces(self) -> None:
        """A report may arrive in pieces, and several in one piece."""
        for each in b'{"type":"re', b'ady"}\n{"type":"ready"}', b"\n":
            self.worker.childDataReceived(REPORTS_FD, each)
        self.assertEqual(self.owner.events, ["ready", "ready"])

    def test_invalid_report(self) -> None:
        """An invalid report is logged, and the next one is read."""
        (event,) = self.logged(REPORTS_FD, b"{]\n")
        self.assertEqual(event["log_namespace"], "home[2]")
        self.process.report(WorkerReady())
        self.assertEqual(self.owner.events, ["ready"])

    def test_stats(self) -> None:
        """Its latest statistics are kept, and its owner is called."""
        self.process.report(StatsReport(connections=5))
        self.assertEqual(self.worker.status.connections, 5)
        self.assertEqual(self.owner.events, ["stats"])

    def test_draining(self) -> None:
        """Its owner is called when it drains."""
        self.process.report(WorkerDraining())
        self.assertEqual(self.owner.events, ["draining"])

    def test_drain(self) -> None:
        """The drain command says whether to wait for idle clients."""
        self.worker.drain(wait_for_idle=True)
        self.worker.drain(wait_for_idle=False)
        expected = [{"type": "drain", "wait_for_idle": True}, {"type": "drain", "wait_for_idle": False}]
        self.assertEqual(self.process.sent_commands, expected)

    def test_signals(self) -> None:
        """Each signal has a name, also those that Twisted has none for."""
        for name in "TERM", "QUIT", "KILL":
            self.worker.signal(name)
        self.assertEqual(self.process.signals, ["TERM", "QUIT", "KILL"])

    def test_request_stats(self) -> None:
        """A request for statistics waits for the report, or until its timeout."""
        late, answered = self.worker.request_stats(1), self.worker.request_stats(2)
        self.reactor.advance(1)
        self.successResultOf(late)
        self.assertNoResult(answered)
        self.process.report(StatsReport())
        self.successResultOf(answered)
        self.assertEqual(self.process.commands, ["stats", "stats"])

    def test_ended(self) -> None:
        """Commands and signals for a worker that has ended are dropped."""
        self.process.end()
        self.worker.send(ReportStats())
        self.worker.signal("TERM")
        self.assertEqual((self.process.commands, self.process.signals), ([], []))

    def test_exit(self) -> None:
        """The exit has its code or its signal, and the cause that the worker has reported."""
        for code, by, words in [(None, 9, "signal 9"), (5, None, "code 5"), (None, None, "code 0")]:
            self.setUp()
            self.process.end(code, by)
            self.assertIn(words, self.owner.events[0])
        self.setUp()
        self.process.report(WorkerFailed("no such table"))
        self.process.end(code=3)
        self.assertEqual(self.owner.events, ["exited with code 3: no such table"])

    def test_interrupted(self) -> None:
        """After Ctrl-C, its exit is reported later: the orchestrator gets the same signal, and stops."""
        self.process.end(by=2)
        self.reactor.advance(0.25)
        self.assertEqual(self.owner.events, [])
        self.reactor.advance(0.25)
        self.assertEqual(self.owner.events, ["was killed by signal 2"])

    def test_output(self) -> None:
        """Its output is logged by line: standard output as info, standard error as error."""
        for descriptor, level in (1, "info"), (2, "error"):
            events = self.logged(descriptor, b"one\ntw", b"o\n")
            self.assertEqual([each["text"] for each in events], ["one", "two"])
            self.assertEqual({each["log_level"].name for each in events}, {level})
            self.assertEqual({each["log_namespace"] for each in events}, {"home[2]"})

    def test_last_line(self) -> None:
        """Its last line is logged even without a line end."""
        self.logged(2, b"Segmentation fault")
        with capturedLogs() as events:
            self.process.end(by=11)
        self.assertEqual([each["text"] for each in events], ["Segmentation fault"])

    def test_endless_line(self) -> None:
        """A line without an end is split: memory is bounded."""
        events = self.logged(1, *[b"x" * 100_000] * 20)
        self.assertEqual([len(each["text"]) for each in events], [524_288] * 3)

    def test_closed_its_commands(self) -> None:
        """A worker that has closed its command pipe is drained by a signal."""
        self.worker.childConnectionLost(COMMANDS_FD)
        commands = len(self.process.commands)
        self.worker.send(ReportStats())
        self.successResultOf(self.worker.request_stats(1.0))
        self.worker.drain(wait_for_idle=True)
        self.assertEqual((len(self.process.commands), self.process.signals), (commands, ["TERM"]))

    def test_ends_during_request(self) -> None:
        """A request for statistics ends when the worker has ended."""
        asked = self.worker.request_stats(1.0)
        self.assertNoResult(asked)
        self.process.end(by=9)
        self.successResultOf(asked)

    def test_reports_before_it_ends(self) -> None:
        """A last report without a line end is read before the owner is called."""
        self.worker.childDataReceived(REPORTS_FD, b'{"type":"failed","reason":"no disk"}')
        self.process.end(code=3)
        self.assertEqual(self.owner.events, ["exited with code 3: no disk"])

    def test_its_child_keeps_the_pipes(self) -> None:
        """Its pipes are closed soon after its exit, even if its own child keeps them open."""
        self.worker.processExited(Failure(ProcessDone(0)))
        self.reactor.advance(0.4)
        self.assertEqual(self.process.closed, [])
        self.reactor.advance(0.1)
        self.assertEqual(self.process.closed, ["all", REPORTS_FD, COMMANDS_FD])

    def test_stall_after_exit(self) -> None:
        """What is in the pipes is read before they are closed, even if this process was suspended meanwhile.

        A reactor calls the timers that have passed before it reads.
        """
        self.worker.processExited(Failure(ProcessDone(0)))
        closed: list[list[int | str]] = []
        self.reactor.callLater(0.5, lambda: closed.append(list(self.process.closed)))  # a read in that turn
        self.reactor.advance(0.5)
        self.assertEqual(closed, [[]])
        self.assertNotEqual(self.process.closed, [])

    def test_report_of_bad_utf8(self) -> None:
        """A report with invalid UTF-8 is logged, and the next one is read."""
        reports = b'{"type":"failed","reason":"\xff"}\n{"type":"ready"}\n'
        self.assertEqual(len(self.logged(REPORTS_FD, reports)), 1)
        self.assertEqual(self.owner.events, ["ready"])

    def test_not_started(self) -> None:
        """A process that is not started has no pid and gets no signal."""
        worker = WorkerProcess(self.reactor, config_for(), InheritedFds((7,), 8, 1, 9, 10), self.owner)
        worker.signal("KILL")
        self.assertIsNone(worker.pid)

    def test_prints_an_event(self) -> None:
        """Standard output is logged as text, even if it looks like a log event."""
        text = b'{"time":1.0,"level":"critical","namespace":"x","message":"forged"}'
        [found] = self.logged(1, text + b"\n")
        self.assertEqual((found["text"], found["log_level"].name), (text.decode(), "info"))
