"""``unixsvc top`` of a real orchestrator, on a pseudo-terminal.

With a folder in ``UNIXSVC_TOP_PICTURES``, pictures of the screen are written there.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import Final

from tests.functional.orchestrator_process import OrchestratorTestCase
from tests.functional.terminal_process import TerminalProcess
from tests.functional.terminal_screen import TerminalScreen

_TIMEOUT: Final = 12.0  # seconds; only reached if something is broken
_ALTERNATE: Final = 1049
_CURSOR: Final = 25
_WRAP: Final = 7


class TopScreen:
    """A running ``unixsvc top``, and what its terminal shows."""

    def __init__(
        self,
        folder: str,
        *arguments: str,
        height: int = 24,
        width: int = 80,
        term: str = "xterm-256color",
        program: Sequence[str] = TerminalProcess.UNIXSVC,
    ) -> None:
        environment = {"TERM": term, "NO_COLOR": "", "COLORTERM": ""}
        self.process = TerminalProcess(
            folder, *arguments, environment=environment, size=(height, width), program=program
        )
        self.before = self.process.modes()
        self.screen = TerminalScreen(height, width)
        self.ended = False
        self.printed = ""

    def until(self, test: Callable[[str], object], seconds: float = _TIMEOUT) -> str:
        """Wait until the text of the screen passes a test; the text."""
        deadline = time.monotonic() + seconds
        while not test(self.screen.text()):
            left = deadline - time.monotonic()
            if left < 0 or self.ended:
                raise AssertionError(f"never shown; ended: {self.ended}; {self.screen.text()}")
            self._read(left)
        return self.screen.text()

    def shows(self, *texts: str, seconds: float = _TIMEOUT) -> str:
        """Wait until the screen has these texts."""
        return self.until(lambda shown: all(each in shown for each in texts), seconds)

    def press(self, keys: str) -> None:
        """Press keys."""
        self.process.type(keys)

    def resize(self, height: int, width: int) -> None:
        """Change the size."""
        self.screen.resize(height, width)
        self.process.resize(height, width)

    def wait(self) -> int:
        """Wait for its end; the exit code."""
        while not self.ended:
            self._read(_TIMEOUT)
        return self.process.wait()

    def _read(self, timeout: float) -> None:
        try:
            printed = self.process.read(timeout)
        except EOFError:
            self.ended = True
            return
        self.printed += printed
        self.screen.feed(printed)


class TopTests(OrchestratorTestCase):
    """A service with two workers."""

    config = '[services.codes]\napp = "codes:app"\nworkers = 2\n[services.other]\napp = "codes:app"\n'

    def top(self, *arguments: str, **options: int | str) -> TopScreen:
        """Start it, and wait until it shows the services."""
        top = TopScreen(self.folder, "top", *arguments, **options)  # type: ignore[arg-type]
        self.addCleanup(top.process.end)
        top.shows("codes", "3 of 3 workers ready")
        return top

    def assertGivenBack(self, top: TopScreen) -> None:
        """The terminal is as it was."""
        self.assertEqual(top.screen.modes, {_WRAP, _CURSOR})

    def test_killed_worker(self) -> None:
        """A killed worker is seen within two seconds: its pid goes, and its end is counted."""
        self.start()
        top = self.top()
        self.assertIn(_ALTERNATE, top.screen.modes)
        top.press("\r")
        pid = self.worker_pids()[0]
        top.shows(f"] {pid}")
        os.kill(pid, signal.SIGKILL)
        top.until(lambda text: str(pid) not in text and "1 crash" in text, self.on_busy_machine(2.0))
        top.shows("3 of 3 workers ready", "ended: 1 crash")
        top.press("q")
        self.assertEqual(top.wait(), 0)
        self.assertGivenBack(top)

    def test_load(self) -> None:
        """Rates of a load, sorted and filtered by keys; the screen is written in synchronized updates."""
        self.start()
        load = self.load("codes", connections=5)
        top = self.top("--interval", "0.5")
        top.press(">>>")  # by requests per second
        top.press("a")
        text = top.until(lambda text: "GET /item/{" in text and " 0 requests/s" not in text)
        lines = top.screen.lines()
        self.assertTrue(lines[3].startswith("- codes"), text)
        self.assertGreater(float(lines[3][19:].split()[0].replace("k", "e3")), 10.0, text)
        top.press("/other\r")
        top.until(lambda text: "filter: other" in text and "codes" not in text.split("\n", 2)[2])
        top.press("\x1b")
        top.shows("- codes", "- other")
        self.assert_no_call_lost(load)
        self.assertGreater(top.screen.updates, 2)
        self.assertEqual(top.printed.count("\x1b[?2026h"), top.screen.updates)
        self.assertNotIn("\x1b[2J", top.printed)

    def test_orders(self) -> None:
        """What is confirmed is done, and what is not confirmed is not."""
        self.start()
        top = self.top()
        pids = self.worker_pids()
        top.press("r")
        top.shows("reload codes? y: yes")
        top.press("n")
        top.press("+y")
        top.shows("done: scale codes to 3 workers", "4 of 4 workers ready")
        self.assertLess(set(pids), set(self.worker_pids()))
        top.press("-y")
        top.shows("done: scale codes to 2 workers", "3 of 3 workers ready")
        top.press("ry")
        top.shows("done: reload codes")
        self.assertFalse(set(pids) & set(self.worker_pids()))
        top.press("Ry")
        top.shows("done: restart codes")

    def test_levels(self) -> None:
        """The level key sets that of the selected service alone, or that of all, and takes it back."""
        self.configure(f'{self.config}[log]\naccess = "all"\n')
        running = self.start()
        top, numbers = self.top(), count()

        def ids() -> set[str]:
            return {each.get("request_id", "") for each in list(running.log)}

        def logged(service: str) -> bool:
            number = next(numbers)
            with self.talk(service) as talk:
                talk.ask(id=1, path="/item/1", meta={"request_id": f"item-{number}"})
                # Its route has a level of its own, so it is logged always, and after the other one.
                talk.ask(id=2, path="/peer", meta={"request_id": f"end-{number}"})
            self.eventually(lambda: f"end-{number}" in ids())
            return f"item-{number}" in ids()

        self.assertDone("log-level", "info", "--route", "/peer")
        for keys, done, expected in (
            ("", "", (True, True)),
            ("Ley", "done: log error and above, in codes", (False, True)),
            ("Lcy", "done: log as configured, in codes", (True, True)),
            ("Laey", "done: log error and above, in all processes", (False, False)),
            ("Laiy", "done: log info and above, in all processes", (True, True)),
        ):
            top.press(keys)
            top.shows(done)
            self.eventually(lambda: (logged("codes"), logged("other")) == expected)  # noqa: B023

    def test_resized(self) -> None:
        """It fits each size of its terminal, from the moment on when that changes."""
        self.start()
        top = self.top()
        top.shows("LAGms")
        top.resize(10, 40)
        top.until(lambda text: "REQ/s" in text and "LAGms" not in text and "codes" in text)
        top.resize(50, 160)
        top.shows("REQUESTS", "LAGms", "UP")
        top.press("?")
        top.shows("how late the event loop is")
        top.resize(24, 80)
        top.shows("how late the event loop is", "any key: back")
        top.press("q")
        top.shows("SERVICE")
        top.press("q")
        self.assertEqual(top.wait(), 0)

    def test_ends(self) -> None:
        """Ctrl-C and signals give the terminal back as well."""
        self.start()
        for end, code in (("\x03", 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)):
            top = self.top()
            self.assertNotEqual(top.process.modes(), top.before)
            if isinstance(end, str):
                top.press(end)
            else:
                top.process.process.send_signal(end)
            self.assertEqual(top.wait(), code)
            self.assertGivenBack(top)

    def test_stopped(self) -> None:
        """Ctrl-Z gives the terminal back; continued, it takes it again and shows everything."""
        self.start()
        shell = TopScreen(self.folder, program=("bash", "--norc", "--noediting", "-i"))
        self.addCleanup(shell.process.end)
        shell.press(f"{sys.executable} -m unixsvc top\n")
        for _ in range(2):
            shell.shows("SERVICE", "codes", "3 of 3 workers ready")
            self.assertIn(_ALTERNATE, shell.screen.modes)
            shell.press("\x1a")
            shell.shows("Stopped")
            self.assertGivenBack(shell)
            shell.press("fg\n")
        shell.shows("SERVICE", "codes")
        shell.press("q")
        shell.until(lambda text: _ALTERNATE not in shell.screen.modes)
        shell.press("exit\n")
        self.assertEqual(shell.wait(), 0)

    def test_orchestrator_stops(self) -> None:
        """It says that it is not connected, and shows the next orchestrator."""
        running = self.start()
        top = self.top()
        running.signal(signal.SIGTERM)
        self.assertEqual(running.wait(), 0)
        top.shows("not connected, trying again", "no service runs here", "codes")
        self.start()
        top.until(lambda text: "trying again" not in text and "3 of 3 workers ready" in text)
        top.press("q")
        self.assertEqual(top.wait(), 0)

    def test_log(self) -> None:
        """The log of the service is followed on the usual screen, until Ctrl-C, which leads back."""
        self.start()
        top = self.top()
        top.press("l")
        top.shows("is ready")
        self.assertGivenBack(top)
        top.press("\x03")
        top.shows("SERVICE", "3 of 3 workers ready")
        top.press("q")
        self.assertEqual(top.wait(), 0)

    def test_paused(self) -> None:
        """Paused, it shows what was, until it goes on."""
        self.start()
        top = self.top("--interval", "0.2")
        top.press("p")
        top.shows("paused")
        os.kill(self.worker_pids()[0], signal.SIGKILL)
        self.eventually(lambda: len(self.worker_pids()) == 2)
        self.assertNotIn("crash", top.screen.text())
        top.press("p")
        top.shows("1 crash")

    def test_no_terminal(self) -> None:
        """Elsewhere it prints one table, or JSON; also on a terminal that has no screen."""
        self.start()
        self.ask("codes", "/item/7")
        done = self.command("top", "--interval", "0.1")
        self.assertEqual((done.code, done.err), (0, ""))
        self.assertIn("GET /item/{id:int}", done.out)
        done = self.command("top", "--json", "--interval", "0.1")
        self.assertEqual(json.loads(done.out)["codes"]["requests"], 1)
        dumb = TopScreen(self.folder, "top", "--interval", "0.1", width=200, term="dumb")
        self.addCleanup(dumb.process.end)
        self.assertEqual(dumb.wait(), 0)
        self.assertIn("/item/{id:int}", dumb.printed)
        self.assertNotIn("\x1b[?1049h", dumb.printed)

    def test_nothing_runs(self) -> None:
        """Without an orchestrator, the command fails as the others do, and leaves the terminal alone."""
        top = TopScreen(self.folder, "top")
        self.addCleanup(top.process.end)
        self.assertNotEqual(top.wait(), 0)
        self.assertNotIn("\x1b[?1049h", top.printed)


class PictureTests(OrchestratorTestCase):
    """The pictures of the documentation: a shop under load, one of whose workers was killed."""

    config = "".join(
        f'[services.{name}]\napp = "codes:app"\nworkers = {workers}\n'
        for name, workers in (("accounts", 1), ("orders", 3), ("shop", 2))
    )

    def test_pictures(self) -> None:
        """The screen is drawn, on a wide terminal and on one of 80 columns."""
        self.start()
        loads = [self.load(name, connections=3) for name in ("orders", "shop")]
        os.kill(self.worker_pids("orders")[0], signal.SIGKILL)
        for name, height, width in (("top", 15, 110), ("top-80-columns", 15, 80)):
            top = TopScreen(self.folder, "top", height=height, width=width)
            self.addCleanup(top.process.end)
            top.shows("6 of 6 workers ready")
            top.press("j\r")
            top.until(lambda text: "GET /item/{" in text and "crash" in text and " 0 requests/s" not in text)
            picture = top.screen.picture("unixsvc top")
            self.assertTrue("orders" in picture, "not drawn")
            folder = os.environ.get("UNIXSVC_TOP_PICTURES")
            if folder:
                Path(folder, f"{name}.svg").write_text(picture)
            top.press("q")
            self.assertEqual(top.wait(), 0)
        for load in loads:
            load.stop()
