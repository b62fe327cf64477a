"""Tests of the protocol between the orchestrator and a worker."""

from __future__ import annotations

import sys

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.errors import ConfigError
from unixsvc.orchestrator.worker.messages import check_version, installed_version


class VersionTests(SynchronousTestCase):
    """A worker with another interpreter than the orchestrator."""

    def test_same(self) -> None:
        """The version of the orchestrator is accepted."""
        check_version(installed_version())

    def test_other(self) -> None:
        """Another version is an error, which names both and the interpreter."""
        error = self.assertRaises(ConfigError, check_version, "0.0.1")
        for word in sys.executable, installed_version(), "0.0.1":
            self.assertIn(word, str(error))
