"""``unixsvc top`` without a terminal."""

from __future__ import annotations

import msgspec
from msgspec import Raw
from rich.console import Console  # noqa: F401 - loaded before the test counts what the command loads

from tests.unit.cli.command_runner import CommandTestCase, failure
from tests.unit.cli.top.samples import counts, service, worker
from unixsvc.cli.top.columns import COLUMNS
from unixsvc.cli.top.command import top
from unixsvc.cli.top.samples import read_sample
from unixsvc.errors import BadGateway


class TopTests(CommandTestCase):
    """A control API with one service."""

    def setUp(self) -> None:
        """Add the socket of the control API, and its answer."""
        super().setUp()
        self.write("service_orchestrator.sock")
        shop = service(
            {"GET /items": counts({5: 40}, 3)}, worker(), worker(2, 7002, "draining"), exits={"crash": 1}
        )
        self.answer = Raw(msgspec.json.encode({"shop": shop, "bank": service({}, status="stopped")}))

    def test_table(self) -> None:
        """Where there is no terminal, two samples are taken, and one table with all rows is printed."""
        done = self.run_command("top", "--interval", "0.1")
        self.assertEqual((done.code, done.err), (0, ""))
        lines = done.out.splitlines()
        titles = [each.title for each in COLUMNS if each.key not in ("received", "sent")]
        self.assertEqual(lines[0].split(), ["SERVICE", *titles])
        names = [line.partition("  ")[0] or line[2:].partition("  ")[0] for line in lines[1:]]
        self.assertEqual(names, ["bank stopped", "shop", "[1] 7001", "[2] 7002 draining", "GET /items"])
        self.assertEqual([each.call.path for each in self.calls], ["/metrics", "/metrics"])

    def test_options(self) -> None:
        """The order and the filter apply to the table too."""
        done = self.run_command("top", "--once", "--interval", "0.1", "--sort", "requests", "--filter", "n")
        self.assertEqual([line.split()[0] for line in done.out.splitlines()[1:]], ["shop", "[2]", "bank"])

    def test_json(self) -> None:
        """``--json`` prints all figures of services, workers and routes."""
        done = self.run_command("top", "--json", "--interval", "0.1")
        shop = msgspec.json.decode(done.out)["shop"]
        self.assertEqual((shop["status"], shop["requests"], shop["errors"]), ("ready", 40, 3))
        self.assertEqual((shop["exits"], shop["restarts"]), ({"crash": 1}, 1))
        self.assertEqual([each["pid"] for each in shop["workers"]], [7001, 7002])
        self.assertEqual(shop["workers"][1]["status"], "draining")
        self.assertEqual(shop["routes"]["GET /items"]["errors"], 3)
        self.assertEqual(shop["routes"]["GET /items"]["request_rate"], 0.0)

    def test_errors(self) -> None:
        """An error of the orchestrator, and an answer that cannot be read, are errors of the command."""
        self.answer = failure(403)
        self.assertError(self.run_command("top", "--once"), 4, "403")
        self.answer = Raw(b'{"shop": 3}')
        self.assertError(self.run_command("top", "--once"), 5, "the metrics cannot be read")

    def test_interval(self) -> None:
        """An interval is from a tenth of a second to a minute."""
        for wrong in ("0", "0.01", "61"):
            self.assertError(self.run_command("top", "--interval", wrong), 2, "--interval")

    def test_sorts(self) -> None:
        """The columns of the option are those of the table, and the name."""
        [option] = [each for each in top.params if each.name == "sort"]
        self.assertEqual(list(getattr(option.type, "choices", ())), ["name", *(each.key for each in COLUMNS)])

    def test_unknown_fields(self) -> None:
        """An orchestrator that knows more than this command can be read."""
        self.assertEqual(
            read_sample(b'{"a": {"status": "", "metrics": {}, "exits": {}, "workers": [], "b": 1}}', 2).time,
            2,
        )
        self.assertRaises(BadGateway, read_sample, b"[]", 0.0)
