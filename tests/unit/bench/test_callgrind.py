from __future__ import annotations

import re
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from bench import callgrind
from bench.processes import BenchError

_COUNTS = """\
version: 1
positions: line
events: Ir

fn=(1) _PyType_Lookup
10 40
cfn=(2) find_name_in_mro
calls=3 20
11 600
cfn=(3) PyErr_Occurred
calls=1 30
12 5

fn=(2)
20 500
cfn=(4) find_name_in_mro_of_another
calls=1 40
21 30

fn=(5) type_getattro
50 7
cfn=(2)
calls=1 20
51 90

totals: 1000
"""


class CallgrindTests(SynchronousTestCase):
    def counts(self, text: str) -> Path:
        """A file of counts."""
        path = Path(self.mktemp())
        path.write_text(text)
        return path

    def test_total(self) -> None:
        """The total is read from the file."""
        self.assertEqual(callgrind.total_in_file(self.counts("fn=(1) main\n1 5\n\nsummary: 123\n")), 123)

    def test_without_misses_in_the_type_cache(self) -> None:
        """Calls of the function for a cache miss are left out with all that they call; names are exact."""
        self.assertEqual(callgrind.total_in_file(self.counts(_COUNTS)), 1000 - 600 - 90)

    def test_no_file(self) -> None:
        """A program that never marked has no file, which is an error."""
        self.assertRaises(BenchError, callgrind.total_in_file, Path(self.mktemp()))

    def test_incomplete_file(self) -> None:
        """A file without its last line is an error, not 0."""
        error = self.assertRaises(BenchError, callgrind.total_in_file, self.counts("fn=(1) main\n1 5\n"))
        self.assertIn("no total", str(error))

    def test_log(self) -> None:
        """The total of a whole run is in the log; without it the log is shown."""
        self.assertEqual(callgrind.total_in_log("==1== Collected : 77\n"), 77)
        error = self.assertRaises(BenchError, callgrind.total_in_log, "valgrind: no such file")
        self.assertTrue(re.search("no such file", str(error)))
