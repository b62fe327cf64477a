"""The lines of the screen."""

from __future__ import annotations

from rich.color import ColorType
from rich.style import Style
from rich.text import Text
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.cli.top.samples import counts, sample, service, worker
from unixsvc.cli.top.columns import COLUMNS, cells, fitting
from unixsvc.cli.top.picture import Surroundings, draw
from unixsvc.cli.top.rows import Figures, between
from unixsvc.cli.top.view import View

# The columns that a terminal of 80 characters has.
_USUAL = ["REQ/s", "ERR/s", "P50ms", "P99ms", "FLY", "CONN", "MiB", "CPU%", "RST", "LAGms"]
_FORBIDDEN = {"white", "black", "yellow", "bright_white", "bright_black", "bright_yellow"}


class PictureTests(SynchronousTestCase):
    """A screen with one service whose name and routes are long."""

    def setUp(self) -> None:
        """Open the service."""
        self.view = View()
        self.update(1)
        self.view.press("enter")

    def update(self, count: int, around: str = "ready") -> None:
        """Take samples with a number of services."""
        routes = {"GET /products/{product:int}/reviews/{review}": counts({2: 40}, 4)}
        each = service(routes, worker(), worker(2, 4190001, "draining"), status=around, exits={"crash": 2})
        empty = service({"GET /products/{product:int}/reviews/{review}": counts({})}, worker())
        names = [f"products{number}" for number in range(count)]
        before = sample(0.0, **dict.fromkeys(names, empty))
        self.view.update(between(before, sample(2.0, **dict.fromkeys(names, each))))

    def draw(self, width: int = 80, height: int = 24, around: Surroundings | None = None) -> list[Text]:
        """The lines."""
        return draw(self.view, around or Surroundings("/run/shop", "12:00:00"), width, height)

    def texts(self, width: int = 80, height: int = 24, around: Surroundings | None = None) -> list[str]:
        """The lines without styles."""
        return [each.plain.rstrip() for each in self.draw(width, height, around)]

    def test_80_columns(self) -> None:
        """A terminal of 80 characters has all columns but totals and uptime, and pids are whole."""
        lines = self.texts()
        self.assertEqual(lines[2].split(), ["SERVICE", *_USUAL])
        self.assertEqual(
            lines[3].split(), ["-", "products0", "20", "2", "2.02", "2.02", "4", "6", "80", "0", "2", "1"]
        )
        self.assertTrue(lines[4].startswith("  [1] 7001 "), lines[4])
        self.assertTrue(lines[5].startswith("  [2] 4190001 drai…"), lines[5])
        self.assertTrue(lines[6].startswith("  GET /products/{p…"), lines[6])

    def test_sizes(self) -> None:
        """Whatever the size of the terminal, no line is wider, and there are as many lines as it has."""
        for mode in ("", "?", "/", "L", "r"):
            self.view.press(mode)
            for width in (1, 10, 20, 39, 60, 79, 80, 100, 119, 300):
                for height in (1, 2, 5, 24):
                    lines = self.draw(width, height)
                    self.assertEqual(len(lines), height)
                    self.assertLessEqual(max(each.cell_len for each in lines), width)
            self.view.press("esc")

    def test_wide(self) -> None:
        """A wide terminal has all columns, and long names whole."""
        lines = self.texts(140)
        self.assertEqual(lines[2].split()[1:], [each.title for each in COLUMNS])
        self.assertIn("GET /products/{product:int}/reviews/{review}  ", lines[6])

    def test_scrolled(self) -> None:
        """The selected row is always on the screen."""
        self.update(100)
        for key in ("end", "home", "pagedown", "pagedown", "up"):
            self.view.press(key)
            _, row = self.view.selected()
            assert row is not None
            self.assertTrue(any(row.name in line for line in self.texts(height=12)[3:-2]), key)

    def test_details(self) -> None:
        """The selected row has its whole name, its totals, and why workers have ended."""
        self.view.press("end")
        lines = self.texts(120)
        self.assertEqual(
            lines[-2],
            "products0: GET /products/{product:int}/reviews/{review}  40 replies, 4 errors  ended: 2 crash",
        )

    def test_questions(self) -> None:
        """The last line asks what is to be confirmed, and shows the keys else."""
        self.assertTrue(self.texts()[-1].startswith("q quit  ? help"))
        self.view.press("+")
        self.assertEqual(self.texts()[-1], "scale products0 to 3 workers? y: yes, any other key: no")
        self.view.press("n")
        self.view.press("L")
        choices = "d: debug, i: info, w: warn, e: error, c: configured"
        self.assertEqual(self.texts()[-1], f"level of products0? {choices}, a: all")
        self.view.press("a")
        self.assertEqual(self.texts()[-1], f"level of all? {choices}")
        self.view.level_of = "a-service-with-a-long-name"
        self.assertTrue(self.texts()[-1].startswith("level of a-service…? d: debug"))
        self.assertTrue(self.texts()[-1].endswith(", a: all"))

    def test_problem(self) -> None:
        """Without an orchestrator, the screen says so; the last figures stay, and are dim."""
        lines = self.draw(around=Surroundings(problem="no service runs here"))
        self.assertEqual(lines[1].plain, "not connected, trying again: no service runs here")
        self.assertIn("products0", lines[3].plain)
        self.assertIn("dim", [str(each.style) for each in lines[3].spans])

    def test_states(self) -> None:
        """Pause, filter and message are on the screen."""
        self.view.press("p")
        self.view.press("/")
        self.view.press("x")
        self.assertIn("paused  filter: x", self.texts()[0])
        self.view.press("enter")
        self.assertEqual(
            self.texts(around=Surroundings(message="done: reload shop"))[-1], "done: reload shop"
        )
        self.assertEqual(self.texts()[3], "nothing to show")

    def test_unsafe_names(self) -> None:
        """Names cannot control the terminal."""
        now = sample(1.0, shop=service({"GET /\x1b[2J\n": counts({1: 1})}))
        self.view.update(between(None, now))
        self.view.press("a")
        text = "\n".join(self.texts(120))
        self.assertIn(r"GET /\x1b[2J\n", text)
        self.assertNotIn("\x1b", text)

    def test_any_background(self) -> None:
        """No style has a background, white, black or yellow: light and dark terminals show all of it."""
        self.update(3, "restarting")
        found: set[str] = set()
        for key in ("a", "?", "r", "L", "x", "p", "down"):
            self.view.press(key)
            for line in self.draw(140, around=Surroundings(message="" if key == "a" else "done")):
                for style in (line.style, *(each.style for each in line.spans)):
                    parsed = Style.parse(style) if isinstance(style, str) else style
                    self.assertIsNone(parsed.bgcolor)
                    if parsed.color is not None:
                        self.assertEqual(parsed.color.type, ColorType.STANDARD)
                        found.add(parsed.color.name)
        self.assertTrue(found)
        self.assertFalse(found & _FORBIDDEN)


class ColumnsTests(SynchronousTestCase):
    def test_formats(self) -> None:
        """Figures have about three digits and the unit of their column, and none is wider than its column."""
        figures = Figures(
            requests=1_234_567,
            errors=0,
            request_rate=123_456.0,
            error_rate=0.25,
            p50=0.000085,
            p99=130.0,
            inflight=9999,
            connections=99999,
            memory=2**40,
            cpu=15.999,
            restarts=12,
            lag=9.0,
            uptime=360_000.0,
        )
        expected = [
            "1.2M",
            "123k",
            "0.25",
            "0.09",
            "130k",
            "9999",
            "99999",
            "1024G",
            "1600",
            "12",
            "9000",
            "4d",
        ]
        self.assertEqual(cells(figures, COLUMNS).split(), expected)
        self.assertEqual(len(cells(figures, COLUMNS)), sum(each.width + 1 for each in COLUMNS))
        self.assertEqual(cells(Figures(requests=0, errors=0), COLUMNS).split(), ["0"])

    def test_durations(self) -> None:
        """Durations have their largest unit, in whole numbers that are over."""
        up = COLUMNS[-1]
        for seconds, text in ((0.4, "0s"), (59.9, "59s"), (60, "1m"), (7199, "1h"), (86_400 * 400, "400d")):
            self.assertEqual(up.text(Figures(requests=0, errors=0, uptime=seconds)), text)

    def test_order_of_leaving(self) -> None:
        """A narrower terminal has the same columns in the same order, without some."""
        wide = list(COLUMNS)
        for width in range(200, 0, -1):
            narrow = list(fitting(width))
            self.assertEqual(narrow, [each for each in wide if each in narrow])
            wide = narrow
        self.assertEqual(wide, [])
