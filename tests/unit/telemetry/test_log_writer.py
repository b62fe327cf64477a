"""The queue and the thread that write the log."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from collections.abc import Callable

from twisted.logger import ILogObserver, LogEvent, capturedLogs, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from unixsvc.telemetry.limited_logger import LimitedLogger
from unixsvc.telemetry.log_file import OutputDescriptor
from unixsvc.telemetry.log_writer import LogWriter
from unixsvc.telemetry.rate_limit import RateLimit

_TIMEOUT = 30.0  # seconds; only reached if something is broken


class Output:
    """An output in memory.

    :ivar parts: the arguments of each write.
    :ivar problem: raised by the next writes.
    """

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.problem: OSError | None = None
        self.opened = 0

    def write(self, data: bytes) -> None:
        """Keep it, or fail."""
        if self.problem is not None:
            raise self.problem
        self.parts.append(data)

    def reopen(self) -> None:
        """Count, or fail."""
        if self.problem is not None:
            raise self.problem
        self.opened += 1


def _lost(number: int, reason: str) -> bytes:
    return f"{number} lost: {reason}\n".encode()


class QueueTests(SynchronousTestCase):
    """The queue, without the thread."""

    def setUp(self) -> None:
        """A writer that keeps 100 bytes."""
        self.output = Output()
        self.writer = LogWriter(self.output, _lost, max_queued=100)

    def written(self) -> bytes:
        """What the thread would write now; what it adds itself is written in its next turn."""
        self.output.parts.clear()
        self.writer.write_queued()
        self.writer.write_queued()
        return b"".join(self.output.parts)

    def test_order(self) -> None:
        """Lines are written in their order, and once."""
        self.writer.write(b"one\n")
        self.writer.write(b"two\n")
        self.assertEqual(self.written(), b"one\ntwo\n")
        self.assertEqual(self.written(), b"")

    def test_parts(self) -> None:
        """Short lines are written together, but at most 4096 bytes, which a pipe does not mix with others."""
        self.writer = LogWriter(self.output, _lost)
        lines = [b"%04d" % number + b"x" * 1_000 + b"\n" for number in range(9)]
        lines.insert(5, b"x" * 10_000 + b"\n")
        for line in lines:
            self.writer.write(line)
        self.assertEqual(self.written(), b"".join(lines))
        self.assertEqual([len(part) for part in self.output.parts], [4020, 1005, 10_001, 4020])

    def test_overflow(self) -> None:
        """Beyond the limit lines are lost; after them their number follows."""
        for number in range(25):
            self.writer.write(b"line %2d..\n" % number)
        self.assertEqual(
            self.written(),
            b"".join(b"line %2d..\n" % n for n in range(10)) + b"15 lost: its reader is too slow\n",
        )
        self.writer.write(b"next\n")
        self.assertEqual(self.written(), b"next\n")

    def test_overflow_ends(self) -> None:
        """After an overflow lines are lost until half of the queue is written: a slow reader has few gaps."""
        seen: list[bytes] = []

        def write(data: bytes) -> None:
            seen.append(data)
            self.writer.write(b"more\n")

        self.writer = LogWriter(self.output, _lost, max_queued=10_000)
        for _ in range(11):
            self.writer.write(b"x" * 999 + b"\n")
        self.output.write = write  # type: ignore[method-assign]
        self.writer.write_queued()
        self.assertEqual([len(data) for data in seen], [4000, 4000, 2000])
        self.writer.write_queued()
        self.assertEqual(seen[3], b"3 lost: its reader is too slow\nmore\n")

    def test_failed(self) -> None:
        """Lines that cannot be written are lost; the next line follows their number and the reason."""
        self.output.problem = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        for _ in range(3):
            self.writer.write(b"lost\n")
            self.assertEqual(self.written(), b"")
        self.output.problem = None
        self.assertEqual(self.written(), b"")  # no reason to try
        self.writer.write(b"next\n")
        self.assertEqual(self.written(), b"3 lost: No space left on device\nnext\n")

    def test_reopen(self) -> None:
        """The file is opened again once, before the next line."""
        self.writer.reopen()
        self.written()
        self.assertEqual((self.output.opened, self.written()), (1, b""))

    def test_cannot_reopen(self) -> None:
        """If the file cannot be opened again, that is logged."""
        self.output.problem = OSError(errno.EACCES, os.strerror(errno.EACCES))
        self.writer.reopen()
        with capturedLogs() as events:
            self.written()
        self.assertIn("Permission denied", formatEvent(events[0]))

    def test_fork_before_start(self) -> None:
        """A child that is forked before the start, as by a daemon, has the lines."""
        self.writer.write(b"one\n")
        self.assertEqual(_in_child(lambda: self.written() == b"one\n"), 0)


class ThreadTests(SynchronousTestCase):
    """The thread."""

    def setUp(self) -> None:
        """A writer to a pipe."""
        self.reading, writing = os.pipe()
        self.addCleanup(os.close, writing)
        self.addCleanup(os.close, self.reading)
        self.writer = LogWriter(OutputDescriptor(writing), _lost, max_queued=2_000_000)

    def read(self, end: bytes) -> bytes:
        """Read up to these bytes."""
        found = b""
        while not found.endswith(end):
            found += os.read(self.reading, 65_536)
        return found

    def test_writes(self) -> None:
        """Lines from before and after the start are written."""
        self.writer.write(b"one\n")
        self.writer.start()
        self.writer.write(b"two\n")
        self.assertEqual(self.read(b"two\n"), b"one\ntwo\n")

    def test_never_blocks(self) -> None:
        """A pipe without a reader does not block; when it is read again, the number of lost lines follows."""
        self.writer.start()
        for _ in range(3_000):
            self.writer.write(b"x" * 999 + b"\n")
        self.writer.flush(0.01)
        found = self.read(b" too slow\n")
        kept, lost = found.rsplit(b"\n", 2)[0].count(b"\n") + 1, int(found.splitlines()[-1].split()[0])
        self.assertEqual(kept + lost, 3_000)
        self.assertGreaterEqual(kept, 2_000)

    def test_flush(self) -> None:
        """It waits until everything is written, also without a start."""
        self.writer.write(b"one\n")
        self.writer.flush(_TIMEOUT)
        self.assertEqual(os.read(self.reading, 100), b"one\n")

    def flush_at_exit(self, output: str) -> subprocess.CompletedProcess[str]:
        """Run a program that logs a line, starts no thread, and flushes when its interpreter ends."""
        program = f"""if True:
            import atexit, os
            from unixsvc.telemetry.log_file import OutputDescriptor
            from unixsvc.telemetry.log_writer import LogWriter
            {output}
            writer = LogWriter(OutputDescriptor(descriptor), lambda number, reason: b"lost")
            writer.write(b"the end")
            atexit.register(writer.flush, 0.2)
        """
        command = [sys.executable, "-c", program]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        return subprocess.run(
            command, env=environment, check=False, capture_output=True, text=True, timeout=_TIMEOUT
        )

    def test_flush_at_exit(self) -> None:
        """Lines are written when the interpreter ends, though no thread can be started then."""
        done = self.flush_at_exit("descriptor = 1")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "the end", ""))

    def test_flush_at_exit_blocked(self) -> None:
        """An output that accepts nothing does not keep the process from ending."""
        full = """descriptor = os.pipe()[1]
            os.set_blocking(descriptor, False)
            try:
                while os.write(descriptor, bytes(4096)): pass
            except BlockingIOError:
                os.set_blocking(descriptor, True)"""
        done = self.flush_at_exit(full)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))

    def test_reports_suppressed(self) -> None:
        """The number of suppressed messages is reported when their interval ends, without a further event."""
        log = LimitedLogger("shop", RateLimit(burst=1, interval=0.001))
        reported = threading.Event()

        @implementer(ILogObserver)
        def observe(event: LogEvent) -> None:
            if "more like this" in formatEvent(event):
                reported.set()

        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)
        for _ in range(3):
            log.emit("info", "refused", "refused")
        self.writer.start()
        self.assertTrue(reported.wait(_TIMEOUT))

    def test_fork(self) -> None:
        """A child that is forked later writes by itself, and does not repeat the lines of its parent."""
        self.writer.start()
        for _ in range(1_000):
            self.writer.write(b"x" * 999 + b"\n")  # the thread waits for the reader

        def child() -> bool:
            self.writer._output = OutputDescriptor(ours)
            self.writer.write(b"child\n")
            self.writer.flush(_TIMEOUT)
            return True

        theirs, ours = os.pipe()
        self.addCleanup(os.close, theirs)
        self.addCleanup(os.close, ours)
        self.assertEqual(_in_child(child), 0)
        self.assertEqual(os.read(theirs, 65_536), b"child\n")
        self.writer.write(b"end\n")
        self.assertEqual(len(self.read(b"end\n")), 1_000_004)


def _in_child(call: Callable[[], bool]) -> int:
    """Fork, and call a function in the child: 0 if it returns true."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if call() else 2
        finally:
            os._exit(code)
    return os.waitpid(child, 0)[1]
