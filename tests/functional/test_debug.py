"""``unixsvc debug`` with real processes and a pseudo-terminal."""

from __future__ import annotations

import re
import subprocess
import threading
import time
from urllib.request import urlopen

from tests.functional.cli_process import outcome_of, start_command
from tests.functional.orchestrator_process import OrchestratorTestCase
from tests.functional.terminal_process import TerminalProcess

_PROMPT = "(Pdb) "
_CTRL_C = "\x03"
_REQUEST_TIMEOUT = 3  # seconds
_TIMEOUT = 60.0  # seconds; only reached if something is broken


class DebugTests(OrchestratorTestCase):
    """Debug sessions of a service with two workers, and of the gateway."""

    config = """
        [services.shop]
        app = "debugged:app"
        workers = 2
        [http]
        app = "debugged:app"
        listen = ["tcp:0:interface=127.0.0.1"]
        token = "off"
    """

    def begin(self, service: str = "shop") -> TerminalProcess:
        """Begin a session, and wait until its worker serves alone."""
        terminal = TerminalProcess(self.folder, "debug", service)
        self.addCleanup(terminal.end)
        terminal.until("has this terminal")
        return terminal

    def call(self, path: str) -> subprocess.Popen[str]:
        """Begin a call; in a session, it may take as long as a person thinks."""
        call = start_command(self.folder, "call", "shop", path)
        self.addCleanup(call.kill)
        return call

    def assert_debugs(self, terminal: TerminalProcess, number: int) -> None:
        """The commands of pdb step to the return statement, print a variable, and continue."""
        while "-> return total" not in terminal.until(_PROMPT):
            terminal.type("n\n")
        terminal.type("p total * 1000\n")
        terminal.until(f"{(number + 1) * 1000}\r\n{_PROMPT}")
        terminal.type("c\n")

    def assert_back(self) -> None:
        """The usual workers serve again."""
        self.eventually(lambda: len(self.worker_pids("shop")) == 2)
        self.assertEqual(self.status("shop")["status"], "ready")

    def test_actions(self) -> None:
        """The commands of pdb work in coroutines and threads; Ctrl-C at its prompt discards what is typed.

        A call may take longer than the request timeout. Without a session, a breakpoint is skipped, and the
        log says how to stop at it.
        """
        self.configure(
            self.config.replace("workers = 2", f"workers = 2\nrequest_timeout = {_REQUEST_TIMEOUT}")
        )
        running = self.start()
        self.assertEqual(self.ask("shop", "/blocking/1"), 2)
        event = running.until("breakpoint at ", "debugged.py", "unixsvc debug shop")
        self.assertEqual(event["level"], "warn")
        terminal = self.begin()
        [worker] = self.worker_pids("shop")
        self.assertEqual(self.status("shop")["status"], "debugging")
        call = self.call("/waiting/1")
        terminal.until(_PROMPT)
        time.sleep(_REQUEST_TIMEOUT)
        terminal.type("p 'discarded")
        terminal.until("discarded")
        terminal.type(_CTRL_C)
        terminal.until("--KeyboardInterrupt--", again=_CTRL_C)
        self.assert_debugs(terminal, 1)
        self.assertEqual(outcome_of(call).out, "2\n")
        call = self.call("/blocking/2")
        self.assert_debugs(terminal, 2)
        self.assertEqual(outcome_of(call).out, "3\n")
        self.assertEqual(self.worker_pids("shop"), [worker])
        terminal.type(_CTRL_C)
        terminal.until("the debug session has ended")
        self.assertEqual(terminal.wait(), 0)
        self.assert_back()

    def test_gateway(self) -> None:
        """The gateway stops at a breakpoint of its own application; its address stays."""
        running = self.start()
        address = re.search(r"http://\S+:\d+", running.until("listens on")["message"])
        assert address is not None
        terminal = self.begin("http")
        replies: list[bytes] = []

        def request() -> None:
            url = f"{address[0]}/waiting/3"
            with urlopen(url, timeout=_TIMEOUT) as reply:  # noqa: S310 - our own server
                replies.append(reply.read())

        thread = threading.Thread(target=request)
        thread.start()
        self.assert_debugs(terminal, 3)
        thread.join(_TIMEOUT)
        self.assertEqual(replies, [b"4"])
        terminal.type(_CTRL_C)
        self.assertEqual(terminal.wait(), 0)

    def test_no_call_lost(self) -> None:
        """Clients that call without a pause notice neither the beginning of a session nor its end."""
        self.start()
        load = self.load("shop", connections=5)
        terminal = self.begin()
        load.further(50)
        terminal.type(_CTRL_C)
        self.assertEqual(terminal.wait(), 0)
        self.assert_back()
        self.assert_no_call_lost(load)

    def test_killed(self) -> None:
        """If the terminal goes while pdb waits for a command, the usual workers serve again."""
        self.start()
        terminal = self.begin()
        call = self.call("/waiting/1")
        terminal.until(_PROMPT)
        terminal.process.kill()
        self.assert_back()
        self.assertIn("500", outcome_of(call).err)
