"""The worker's end of the pipes."""

from __future__ import annotations

from typing import Any, cast

from twisted.internet.interfaces import IPullProducer
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from unixsvc.listen.certificates import ServerCertificate
from unixsvc.orchestrator.worker.control_line import ControlLine
from unixsvc.orchestrator.worker.messages import JobStarted, RunJob, SetCertificates, encode_line
from unixsvc.schedules.state import Run


class Handler:
    """Records commands."""

    def __init__(self) -> None:
        self.certificates: list[SetCertificates] = []
        self.runs: list[Run] = []

    def run_job(self, command: RunJob) -> None:
        """Record it."""
        self.runs.append(command.run)

    def set_certificates(self, command: SetCertificates) -> None:
        """Record it."""
        self.certificates.append(command)


class Pipes(StringTransport):
    """A transport that asks a pull producer for more as Twisted's do."""

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Ask it at once."""
        super().registerProducer(producer, streaming)
        producer.resumeProducing()

    def written(self) -> None:
        """The kernel has taken everything."""
        if self.producer is not None:
            self.producer.resumeProducing()


class ReportBeforeTests(SynchronousTestCase):
    """A function that is called when a report is in the pipe."""

    def setUp(self) -> None:
        """Connect the line."""
        self.handler = Handler()
        self.line, self.pipes = ControlLine(cast(Any, self.handler)), Pipes()
        self.line.makeConnection(self.pipes)
        self.called: list[int] = []

    def report(self, number: int) -> None:
        """Report the start of a job."""
        self.line.report_before(JobStarted(number), lambda: self.called.append(number))

    def test_written(self) -> None:
        """The function is not called before the report is written."""
        self.report(1)
        self.assertEqual(self.called, [])
        self.pipes.written()
        self.pipes.written()
        self.assertEqual((self.called, self.pipes.value()), ([1], encode_line(JobStarted(1))))

    def test_several(self) -> None:
        """Several are called in their order, and later ones work as well."""
        self.report(1)
        self.report(2)
        self.pipes.written()
        self.report(3)
        self.assertEqual(self.called, [1, 2])
        self.pipes.written()
        self.assertEqual(self.called, [1, 2, 3])

    def test_closed(self) -> None:
        """If the orchestrator has died, the work is done all the same: no other worker gets it."""
        self.report(1)
        self.line.stopProducing()
        self.assertEqual(self.called, [1])

    def test_interface(self) -> None:
        """It is a pull producer."""
        verifyObject(IPullProducer, self.line)

    def test_command(self) -> None:
        """The command has the run."""
        run = Run(7, "job", 12.5, 2)
        self.line.dataReceived(encode_line(RunJob(run)))
        self.assertEqual(self.handler.runs, [run])

    def test_long_command(self) -> None:
        """A command may be longer than the lines that Twisted accepts: many tokens, or certificates."""
        command = SetCertificates({"ssl:0": ServerCertificate("x" * 100_000, "y" * 100_000)})
        self.line.dataReceived(encode_line(command))
        self.assertEqual(self.handler.certificates, [command])
