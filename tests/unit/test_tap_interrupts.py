"""Tests of Ctrl-C before the reactor runs."""

from __future__ import annotations

import sys

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.tap.interrupts import hide_interrupts


class HideTests(SynchronousTestCase):
    """What the interpreter shows of an exception that ends the process."""

    def test_only_interrupts(self) -> None:
        """KeyboardInterrupt is hidden; any other exception is shown as before."""
        shown: list[type[BaseException]] = []
        self.patch(sys, "excepthook", lambda kind, error, traceback: shown.append(kind))
        hide_interrupts()
        for error in KeyboardInterrupt(), SystemExit(3), ValueError("wrong"):
            sys.excepthook(type(error), error, None)
        self.assertEqual(shown, [SystemExit, ValueError])
