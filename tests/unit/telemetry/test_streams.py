"""The encoding of standard output and standard error."""

from __future__ import annotations

import io
import sys

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.telemetry.streams import use_utf8


class Utf8Tests(SynchronousTestCase):
    def test_any_locale(self) -> None:
        """Printing works whatever the locale is, also for surrogates, which have no encoding."""
        written = {}
        for name in ("stdout", "stderr"):
            written[name] = io.BytesIO()
            self.patch(sys, name, io.TextIOWrapper(written[name], "ascii", write_through=True))
        use_utf8()
        for stream in (sys.stdout, sys.stderr):
            print("a → \udcff", file=stream)
        for data in written.values():
            self.assertEqual(data.getvalue().decode(), "a → \\udcff\n")

    def test_other_streams(self) -> None:
        """Streams that are closed, or are no files, stay as they are."""
        self.patch(sys, "stdout", None)
        self.patch(sys, "stderr", io.StringIO())
        use_utf8()
        self.assertIsNone(sys.stdout)
