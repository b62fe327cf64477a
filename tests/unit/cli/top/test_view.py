"""What keys do to the view."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.unit.cli.top.samples import counts, sample, service, worker
from unixsvc.cli.top.rows import between
from unixsvc.cli.top.view import Order, View


class ViewTests(SynchronousTestCase):
    """Three services, of which ``shop`` has two workers and two routes."""

    def setUp(self) -> None:
        """Make the view."""
        self.view = View()
        self.update()

    def update(self, *without: str) -> None:
        """Take a sample in which some services are missing."""
        services = {
            "user": service({"GET /user": counts({1: 5})}, worker(pid=7100, requests=5)),
            "shop": service(
                {"GET /items": counts({2: 20}), "POST /items": counts({90: 30})},
                worker(requests=30),
                worker(2, 7002, "draining", requests=20),
            ),
            "bank": service({}, worker(pid=7200)),
        }
        now = {name: each for name, each in services.items() if name not in without}
        self.view.update(between(None, sample(1.0, **now)))

    def press(self, *keys: str) -> Order | None:
        """Press keys; the order of the last one."""
        order = None
        for key in keys:
            order = self.view.press(key)
        return order

    def assertShown(self, *names: str) -> None:
        """These rows are shown."""
        self.assertEqual([each.name for each in self.view.rows()], list(names))

    def assertSelected(self, name: str) -> None:
        """This row is selected."""
        _, row = self.view.selected()
        self.assertEqual(row and row.name, name)

    def test_open(self) -> None:
        """A service shows its workers and then its routes when it is opened, and none when it is closed."""
        self.assertShown("bank", "shop", "user")
        self.press("down", "enter")
        self.assertShown("bank", "shop", "[1] 7001", "[2] 7002", "GET /items", "POST /items", "user")
        self.press("down", "left")
        self.assertShown("bank", "shop", "user")
        self.assertSelected("shop")
        self.press("right", "right")
        self.assertEqual(len(self.view.rows()), 7)
        self.press("a")
        self.assertEqual(len(self.view.rows()), 10)
        self.press("a")
        self.assertEqual(len(self.view.rows()), 3)

    def test_sort(self) -> None:
        """Rows are sorted by a column below their service, the largest first; or the other way round."""
        self.press(">")  # by requests
        self.assertShown("shop", "user", "bank")
        self.press("home", "enter")
        self.assertShown("shop", "[1] 7001", "[2] 7002", "POST /items", "GET /items", "user", "bank")
        self.press("o")
        self.assertShown("bank", "user", "shop", "[2] 7002", "[1] 7001", "GET /items", "POST /items")
        self.press("<", "o")
        self.assertEqual(self.view.sort, "name")
        self.press("<")
        self.assertEqual(self.view.sort, "uptime")

    def test_selection(self) -> None:
        """The selection stays on its row when others come and go, and within the rows."""
        self.press("end")
        self.assertSelected("user")
        self.update("bank")
        self.assertSelected("user")
        self.update("user")
        self.assertSelected("shop")
        self.press("up", "up", "pageup")
        self.assertSelected("bank")
        self.press("j", "j", "k", "pagedown", "pagedown", "pagedown")
        self.assertSelected("shop")
        self.update("bank", "shop", "user")
        self.assertEqual(self.view.selected(), (0, None))
        self.assertIsNone(self.press("enter", "down", "r", "+", "l"))

    def test_first(self) -> None:
        """Until a key selects a row, the first one is selected, whichever that is."""
        self.assertSelected("bank")
        self.press(">")
        self.assertSelected("shop")
        self.press("enter", "o")
        self.assertSelected("shop")

    def test_filter(self) -> None:
        """A filter shows services with its text, and of the others the workers and routes that have it."""
        self.press("/", "U", "S", "R")
        self.assertShown()
        self.press("backspace", "E")
        self.assertShown("user")
        self.press("esc", "/", *"items", "enter")
        self.assertShown("shop", "GET /items", "POST /items")
        self.press("esc", "/", *"drain", "enter")
        self.assertShown("shop", "[2] 7002")
        self.press("esc")
        self.assertShown("bank", "shop", "user")
        self.press("/", "q")
        self.assertEqual((self.view.mode, self.view.wanted), ("filter", "q"))

    def test_orders(self) -> None:
        """What changes something needs a confirmation; only y confirms it, and any other key does not."""
        self.press("down", "enter", "down")  # a worker of shop: orders are for its service
        for keys, order, question in (
            ("r", Order("reload", "shop"), "reload shop"),
            ("R", Order("restart", "shop"), "restart shop"),
            ("+", Order("scale", "shop", 3), "scale shop to 3 workers"),
            ("-", Order("scale", "shop", 1), "scale shop to 1 worker"),
            ("Lw", Order("log-level", "shop", level="warn"), "log warn and above, in shop"),
            ("Lc", Order("log-level", "shop", level="default"), "log as configured, in shop"),
            ("Law", Order("log-level", level="warn"), "log warn and above, in all processes"),
        ):
            self.assertIsNone(self.press(*keys))
            self.assertEqual((self.view.mode, str(self.view.order)), ("confirm", question))
            for refusal in ("n", "enter", "esc", "q"):
                self.assertIsNone(self.press(refusal))
                self.assertIsNone(self.press("y"))
                self.assertEqual(self.view.mode, "table")
                self.press(*keys)
            self.assertEqual(self.press("y"), order)
            self.assertIsNone(self.press("y"))

    def test_least_scale(self) -> None:
        """The last worker cannot be taken away: services are stopped otherwise."""
        self.assertIsNone(self.press("-", "y"))
        self.assertEqual(self.view.mode, "table")

    def test_levels(self) -> None:
        """A key that is no level leads back."""
        self.assertIsNone(self.press("L", "x", "y"))
        self.assertEqual(self.view.mode, "table")

    def test_help(self) -> None:
        """Any key leaves the help, and does nothing else."""
        self.assertIsNone(self.press("?", "q"))
        self.assertEqual(self.view.mode, "table")
        self.assertEqual(self.press("q"), Order("quit"))

    def test_logs(self) -> None:
        """The log is that of the selected service, and needs no confirmation."""
        self.assertEqual(self.press("end", "l"), Order("logs", "user"))

    def test_pause(self) -> None:
        """The same key pauses and goes on."""
        self.press("p")
        self.assertTrue(self.view.paused)
        self.press("p")
        self.assertFalse(self.view.paused)
