from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from bench.reports.machine import machine
from bench.reports.report import Report
from bench.reports.rst_tables import write_rst
from bench.rounds import Options, Row


def _row(method: str, system: str, value: float, cost: float, libraries: dict[str, str]) -> Row:
    return Row(
        "http",
        f"HTTP {method}",
        system,
        "requests/s",
        False,
        value,
        [value],
        0.1,
        cost,
        {},
        [cost],
        libraries,
    )


class HttpTableTests(SynchronousTestCase):
    def setUp(self) -> None:
        """The table of two systems, of which one serves only GET."""
        rows = [
            _row("GET", "unixsvc", 40_000.0, 20.0, {"twisted": "26.10.0"}),
            _row("GET", "peer", 20_000.0, 50.0, {"granian": "2.8.9", "uvloop": "0.23.0"}),
            _row("POST", "unixsvc", 30_000.0, 25.0, {"twisted": "26.10.0"}),
        ]
        path = self.mktemp()
        write_rst(Report(machine(), Options(1, 1, 1, False), rows, {}), path)
        self.table = Path(path).read_text()

    def test_lines(self) -> None:
        """Each system has a line, with the ratio to ours, the CPU time, and the versions of its libraries."""
        self.assertIn("   * - unixsvc\n     - 40,000\n     - 20.0\n     - 30,000\n     - 25.0\n", self.table)
        self.assertIn("   * - peer\n     - 20,000 (0.50)\n     - 50.0 (2.50)\n", self.table)
        self.assertIn("     - granian 2.8.9, uvloop 0.23.0\n", self.table)

    def test_not_served(self) -> None:
        """What a system does not serve is left blank."""
        self.assertIn("     - 50.0 (2.50)\n     -\n     -\n     - granian", self.table)

    def test_head(self) -> None:
        """The first line has two columns for each load, and one for the versions."""
        head = self.table.partition("   * - system\n")[2].partition("   * -")[0]
        self.assertEqual(head.count("     - "), 5)
