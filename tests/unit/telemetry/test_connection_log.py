"""The log of refused connections."""

from __future__ import annotations

from twisted.logger import LogLevel, capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.domain.message import Peer
from unixsvc.telemetry.connection_log import ConnectionLog


class ConnectionLogTests(SynchronousTestCase):
    """Messages about limits of a worker."""

    def test_texts(self) -> None:
        """They are warnings; one about a connection names the process if the kernel reports it."""
        log = ConnectionLog("shop")
        with capturedLogs() as events:
            log.too_many_connections(Peer(1001, 100, 4711), 512)
            log.too_many_connections(Peer(), 1024)
            log.buffer_exhausted()
        self.assertEqual(
            [formatEvent(event) for event in events],
            [
                "a connection from user 1001 (process 4711) was refused: 512 are open",
                "a connection was refused: 1024 are open",
                "a client was refused: clients without a token use up max_buffered_bytes",
            ],
        )
        self.assertEqual({event["log_level"] for event in events}, {LogLevel.warn})

    def test_limited(self) -> None:
        """A client that connects again and again does not fill the log, whatever its process is."""
        log = ConnectionLog("shop")
        with capturedLogs() as events:
            for pid in range(3_000):
                log.too_many_connections(Peer(1001, 100, pid), 512)
                log.buffer_exhausted()
        self.assertEqual(len(events), 40)
