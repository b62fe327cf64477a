"""The limit for attempts to guess a password, in one worker and over several."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Final

from twisted.trial.unittest import SynchronousTestCase

from tests.unit.authentication.requests import identify, over_http
from tests.unit.authentication.test_schemes import basic
from unixsvc import Basic, Password
from unixsvc.authentication.schemes.failure_limit import FailureLimit
from unixsvc.limiting.table import RateTable, SharedTable

_FAIL: Final = """
import sys
from unixsvc.authentication.schemes.failure_limit import FailureLimit
from unixsvc.limiting.table import RateTable
limit = FailureLimit("basic", 300, 1e6)
limit.share(lambda: RateTable(int(sys.argv[1])), lambda: 1.0)
print("ready", flush=True)
sys.stdin.readline()
done = 0
for number in range(400):
    if limit.attempt("a") == 0:
        done += 1
        if number % 4 == 0:
            limit.succeed("a")
            done -= 1
print(done, flush=True)
"""


class FailureLimitTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Two failures in ten seconds."""
        self.now = 100.0
        self.limit = FailureLimit("basic", 2, 10.0)
        self.limit.share(RateTable, lambda: self.now)

    def test_interval(self) -> None:
        """So many failures are allowed at once; after that one in each part of the interval."""
        self.assertEqual([self.limit.attempt("a") for _ in range(3)], [0.0, 0.0, 5.0])
        self.now += 4.0
        self.assertEqual(self.limit.attempt("a"), 1.0)
        self.now += 1.0
        self.assertEqual([self.limit.attempt("a") for _ in range(2)], [0.0, 5.0])
        self.now += 10.0
        self.assertEqual([self.limit.attempt("a") for _ in range(3)], [0.0, 0.0, 5.0])

    def test_at_once(self) -> None:
        """Attempts that have not ended count, so that many at once are no way around; successes do not."""
        self.assertEqual([self.limit.attempt("a") for _ in range(3)], [0.0, 0.0, 5.0])
        self.limit.succeed("a")
        self.assertEqual(self.limit.attempt("a"), 0.0)
        self.assertGreater(self.limit.attempt("a"), 0.0)
        self.assertEqual(self.limit.attempt("b"), 0.0)

    def test_late_success(self) -> None:
        """A success after the interval does not allow more failures than the limit."""
        self.limit.attempt("a")
        self.now += 100.0
        for _ in range(5):
            self.limit.succeed("a")
        self.assertEqual([self.limit.attempt("a") for _ in range(3)], [0.0, 0.0, 5.0])

    def test_no_limit(self) -> None:
        """0 is for no limit, which needs no table."""
        limit = FailureLimit("basic", 0, 10.0)
        limit.share(self.fail, lambda: self.now)
        self.assertEqual({limit.attempt("a") for _ in range(100)}, {0.0})
        limit.succeed("a")


class SharedLimitTests(SynchronousTestCase):
    """Several workers with one table."""

    def setUp(self) -> None:
        """Make the memory."""
        self.shared = SharedTable()
        self.addCleanup(self.shared.close)

    def test_two_workers(self) -> None:
        """Failures in one worker count in the other, also those of a scheme; others of the service do not."""
        limits = [FailureLimit(name, 2, 10.0) for name in ("basic", "basic", "admin")]
        for limit in limits:
            limit.share(lambda: RateTable(self.shared.fileno()), lambda: 1.0)
        self.assertEqual([limit.attempt("a") for limit in limits], [0.0, 0.0, 0.0])
        self.assertEqual([limit.attempt("a") for limit in limits], [5.0, 5.0, 0.0])
        limits[0].succeed("a")
        self.assertEqual([limit.attempt("a") for limit in limits[1:]], [0.0, 5.0])

    def test_scheme(self) -> None:
        """Basic has the table of the workers."""

        def wrong(sent: Password) -> None:
            return None

        schemes = [Basic(wrong, max_failures=2) for _ in range(2)]
        for scheme in schemes:
            scheme.share(lambda: RateTable(self.shared.fileno()), lambda: 1.0)
        request = over_http(headers=basic("ada:x"))
        errors = [identify(scheme, request).error for scheme in (*schemes, *schemes)]
        self.assertEqual([error is None for error in errors], [True, True, False, False])

    def test_processes(self) -> None:
        """Two processes at the same time get exactly as many failures as there are."""
        children = [
            subprocess.Popen(
                [sys.executable, "-c", _FAIL, str(self.shared.fileno())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                pass_fds=[self.shared.fileno()],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            )
            for _ in range(2)
        ]
        for child in children:
            self.addCleanup(child.kill)
            assert child.stdout is not None
            child.stdout.readline()
        for child in children:
            assert child.stdin is not None
            child.stdin.write("\n")
            child.stdin.flush()
        self.assertEqual(sum(int(child.communicate()[0]) for child in children), 300)
