"""Long streams to readers that sleep, with each client: nothing piles up at either end."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import psutil

from tests.functional.orchestrator_process import OrchestratorTestCase, full

_GROWTH = 4 << 20
_ITEMS = 1_000_000 if full() else 50_000


class SlowReaderTests(OrchestratorTestCase):
    """A service with one worker; the reader is a program of its own."""

    config = '[services.streaming]\napp = "streaming:app"\n'

    def assert_flat(self, kind: str) -> None:
        """Memory grows at neither end, and another call is answered while the reader does not read."""
        self.start()
        with self.talk("streaming") as talk:  # what the worker needs once is there after that
            talk.send(id=1, path="/count", data={"to": 5_000})
            while talk.receive().get("more"):
                pass
        worker = psutil.Process(self.worker_pids("streaming")[0])
        before = worker.memory_info().rss
        command = [
            sys.executable,
            "-m",
            "tests.functional.slow_stream_reader",
            kind,
            os.path.dirname(self.path()),
        ]
        done = subprocess.run(
            [*command, self.token(), str(_ITEMS)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        result = json.loads(done.stdout)
        grown = worker.memory_info().rss - before
        self.record_value(
            f"{_ITEMS} items: reader +{result['grown'] / 2**20:.2f} MiB, worker +{grown / 2**20:.2f} MiB,"
            f" another call within {result['call'] * 1000:.1f} ms"
        )
        self.assertLess(max(result["grown"], grown), _GROWTH)
        self.assertLess(result["call"], 1.0)

    def test_twisted(self) -> None:
        """The Twisted client, on the same connection."""
        self.assert_flat("twisted")

    def test_aio(self) -> None:
        """The asyncio client, on the same connection."""
        self.assert_flat("aio")

    def test_blocking(self) -> None:
        """The blocking client, which has a connection for each call."""
        self.assert_flat("blocking")
