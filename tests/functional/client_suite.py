"""Tests that all clients pass, against real services; ``test_clients`` runs them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from msgspec import Struct

from tests.functional.apps.codes import SECRET
from tests.functional.client_drivers import Driver
from tests.functional.orchestrator_process import OrchestratorTestCase
from unixsvc import Response
from unixsvc.client.connection import WINDOW
from unixsvc.errors import (
    BadGateway,
    ConfigError,
    Conflict,
    DeadlineExceeded,
    Internal,
    Invalid,
    MethodNotAllowed,
    NotFound,
    TooLarge,
    Unauthorized,
    Unavailable,
)

__all__ = ["CallSuite", "ClientTestCase", "StreamSuite"]

_CONFIG = """
[services.codes]
app = "codes:app"
[services.call_log]
app = "call_log:app"
workers = 2
"""


class _Item(Struct):
    id: int


class ClientTestCase(OrchestratorTestCase):
    """Has a client.

    :cvar driver: which.
    """

    config = _CONFIG
    driver: type[Driver]

    def client(self, service: str = "codes", **options: Any) -> Driver:
        """Make a client that finds the services of this test."""
        given = {"socket_dir": os.path.join(self.folder, "run")} | options
        if "token" not in given:
            given["token"] = self.token()
        driver = self.driver(service, **given)
        self.addCleanup(driver.close)
        return driver

    def run_program(self, program: str) -> str:
        """Run a program in the folder of the configuration, without errors; its output."""
        done = subprocess.run(
            [sys.executable, "-c", program],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            timeout=30,
        )
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout

    def assertCancels(self) -> None:
        """Cancelling a call cancels its action, and the client can still be used."""
        self.start()
        client = self.client()
        client.call("GET", "/item/7")
        future = client.start_call("GET", "/never")
        time.sleep(0.05)
        self.assertNotIn("499", self.codes())
        future.cancel()
        self.eventually(lambda: self.codes().get("499"), 2.0)
        self.assertEqual(client.call("GET", "/item/8"), {"id": 8})

    def codes(self) -> dict[str, int]:
        """The number of replies of ``codes`` by code."""
        codes: dict[str, int] = self.ask("codes", "/-/stats")["codes"]
        return codes

    def call_log(self) -> list[str]:
        """The lines that its workers have written."""
        file = Path(self.folder, "call_log")
        return file.read_text().splitlines() if file.exists() else []


class CallSuite(ClientTestCase):
    """Calls of one service."""

    def test_result(self) -> None:
        """A result is that of the action, decoded as the given type; the action receives the data."""
        self.start()
        client = self.client()
        self.assertEqual(client.call("GET", "/item/7"), {"id": 7})
        self.assertEqual(client.call("get", "/item/7", type=_Item), _Item(7))
        pen = {"name": "Pen", "price": 1.5}
        self.assertEqual(client.call("POST", "/item", pen), pen)

    def test_head(self) -> None:
        """A result is its value; as a Response, it has status, headers and media type as well."""
        self.start()
        client = self.client()
        self.assertEqual(client.call("GET", "/headed", type=bytes), b"\xff")
        self.assertEqual(client.call("GET", "/headed"), "/w==")
        response = client.call("GET", "/headed", type=Response[bytes])
        self.assertEqual(response, Response(b"\xff", 202, (("X-A", "b"),), (), "image/png"))
        usual = client.call("GET", "/item/7", type=Response[_Item])
        self.assertEqual(usual, Response(_Item(7), 200))
        rows = client.read("GET", "/headed-rows", type=bytes).result(60)
        self.assertEqual(rows, [b"\xff", b""])

    def test_errors(self) -> None:
        """An error is raised as its own type with its detail; internal details are not sent."""
        self.start()
        client = self.client()
        for kind, call in (
            (NotFound, ("GET", "/nothing")),
            (MethodNotAllowed, ("PUT", "/item/7")),
            (Conflict, ("GET", "/conflict")),
        ):
            with self.assertRaises(kind):
                client.call(*call)
        with self.assertRaises(Invalid) as invalid:
            client.call("POST", "/item", {"name": "", "colour": "red"})
        self.assertEqual({each["field"] for each in invalid.exception.detail}, {"name", "price", "colour"})
        with self.assertRaises(Internal) as internal:
            client.call("GET", "/fail")
        self.assertIsNone(internal.exception.detail)
        self.assertNotIn(SECRET, str(internal.exception))
        self.assertEqual(client.call("GET", "/item/7"), {"id": 7})

    def test_wrong_token(self) -> None:
        """A wrong token is rejected; the error names its file, and does not contain it."""
        self.start()
        with self.assertRaises(Unauthorized) as caught:
            self.client(token="0" * 64).call("GET", "/item/7")
        self.assertEqual(caught.exception.detail, "auth_token is wrong")
        place = Path(tempfile.mkdtemp(dir=self.folder))
        shutil.copy(Path(self.folder, "unixsvc.toml"), place)
        file = place / ".auth_token"
        file.touch(0o600)
        file.write_text("0" * 64)
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(place)
        with self.assertRaises(Unauthorized) as caught:
            self.client(token=None).call("GET", "/item/7")
        self.assertIn(f"auth_token is wrong; the token was read from {file}", str(caught.exception))
        self.assertNotIn("0" * 64, str(caught.exception))

    def test_deadline(self) -> None:
        """A call ends at its deadline, within 50 ms, and its action is cancelled."""
        self.start()
        client = self.client()
        client.call("GET", "/item/7")
        started = time.monotonic()
        with self.assertRaises(DeadlineExceeded) as caught:
            client.call("GET", "/never", timeout=0.3)
        took = time.monotonic() - started
        self.assertGreaterEqual(took, 0.299)
        self.assertLess(took, 0.35)
        self.assertIn("within 0.3 s", str(caught.exception))
        self.eventually(lambda: {"499", "504"} & set(self.codes()), 1.0)
        self.assertEqual(client.call("GET", "/item/8"), {"id": 8})

    def test_many(self) -> None:
        """Concurrent calls share a few connections, and each gets its own reply."""
        self.start()
        client = self.client()
        results = client.outcomes([("GET", f"/item/{number}") for number in range(2000)])
        self.assertEqual(results, [{"id": number} for number in range(2000)])

    def test_large(self) -> None:
        """A result of eight megabytes arrives whole, within two seconds."""
        self.start()
        started = time.monotonic()
        self.assertEqual(len(self.client().call("GET", f"/large/{8 << 20}")), 8 << 20)
        self.assertLess(time.monotonic() - started, 2.0)

    def test_too_large(self) -> None:
        """A call that is too large fails; other calls on its connection are answered."""
        self.start()
        client = self.client(connections=1)
        before = [client.start_call("GET", "/wait?seconds=0.2") for _ in range(5)]
        time.sleep(0.05)
        large = client.start_call("POST", "/item", {"name": "x" * (2 << 20), "price": 1})
        after = [client.start_call("GET", "/item/7") for _ in range(5)]
        self.assertIsInstance(large.exception(5.0), TooLarge)
        self.assertEqual([each.result(5.0) for each in before], [0.2] * 5)
        self.assertEqual([each.result(5.0) for each in after], [{"id": 7}] * 5)

    def test_long_path(self) -> None:
        """A socket directory whose path is too long for sockets is an error at once."""
        client = self.client(socket_dir="/" + "x" * 200, token="0" * 64)
        error = client.start_call("GET", "/item/7").exception(5.0)
        self.assertIsInstance(error, ConfigError)
        self.assertIn("bytes long, and a socket's path has at most 107", str(error))

    def test_closed(self) -> None:
        """Closing the client fails pending calls; no further call is possible."""
        self.start()
        client = self.client()
        client.call("GET", "/item/7")
        pending = client.start_call("GET", "/never")
        self.eventually(lambda: self.status()["workers"][0]["requests"] >= 1)
        client.close_client()
        with self.assertRaises(Unavailable):
            pending.result(5.0)
        with self.assertRaises(Unavailable) as caught:
            client.call("GET", "/item/7")
        self.assertEqual(caught.exception.detail, "the client is closed")


class StreamSuite(ClientTestCase):
    """Streams of one service."""

    def test_stream(self) -> None:
        """Each item arrives once, in order, also if there are more than a window."""
        self.start()
        client = self.client("call_log")
        for count in (0, 1, WINDOW, WINDOW + 1, 1000):
            items = client.read("GET", "/numbers", {"count": count}).result(10.0)
            self.assertEqual(items, list(range(count)))

    def test_stream_fails(self) -> None:
        """A stream that fails gives its items, and then its error."""
        self.start()
        client = self.client("call_log")
        self.assertEqual(client.read("GET", "/broken", most=2).result(5.0), [0, 1])
        failed = client.read("GET", "/broken")
        self.assertEqual(getattr(failed.exception(5.0), "detail", None), "there are no more")
        missing = client.read("GET", "/nothing")
        self.assertIsInstance(missing.exception(5.0), NotFound)

    def test_stream_for_a_call(self) -> None:
        """A call whose reply is a stream fails, closes the generator, and does not disturb other calls."""
        self.start()
        client = self.client("call_log")
        error = client.start_call("GET", "/numbers", {"count": 1_000_000}).exception(5.0)
        self.assertIsInstance(error, BadGateway)
        self.eventually(self.call_log, 2.0)
        self.assertEqual(client.read("GET", "/numbers", {"count": 3}).result(5.0), [0, 1, 2])

    def test_call_for_a_stream(self) -> None:
        """A stream whose reply is unary fails, and does not disturb other calls."""
        self.start()
        client = self.client("call_log")
        for method, path, data in (("GET", "/item/7", None), ("POST", "/note", {"name": "x"})):
            error = client.read(method, path, data).exception(5.0)
            self.assertIsInstance(error, BadGateway)
            self.assertIn("not a stream", str(error))
        self.assertEqual(client.call("GET", "/item/7"), {"id": 7})
        self.assertEqual(client.read("GET", "/numbers", {"count": 3}).result(5.0), [0, 1, 2])

    def test_wrong_timeout(self) -> None:
        """An invalid timeout is an error at once."""
        self.start()
        client = self.client("call_log")
        for timeout in (0, -1, "x"):
            self.assertIsInstance(
                client.start_call("GET", "/-/ping", timeout=timeout).exception(5.0), ValueError
            )

    def test_leave_stream(self) -> None:
        """Leaving the loop closes the generator, which is at most a window ahead."""
        self.start()
        client = self.client("call_log")
        items = client.read("GET", "/numbers", {"count": 1_000_000}, most=5).result(5.0)
        self.assertEqual(items, [0, 1, 2, 3, 4])
        self.eventually(self.call_log, 2.0)
        furthest = int(self.call_log()[0].removeprefix("left at "))
        self.assertLessEqual(furthest, WINDOW + 1)

    def test_stream_deadline(self) -> None:
        """The timeout applies to the whole stream."""
        self.start()
        client = self.client("call_log")
        started = time.monotonic()
        read = client.read("GET", "/numbers", {"count": 100_000_000}, timeout=0.3)
        self.assertIsInstance(read.exception(5.0), DeadlineExceeded)
        self.assertLess(time.monotonic() - started, 0.6)
