"""Every code of ``docs/reference/errors.rst``, over a real socket."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from tests.functional.apps.codes import SECRET
from tests.functional.orchestrator_process import OrchestratorTestCase
from tests.functional.raw_client import RawConnection

_LIMITS = """
[services.codes]
app = "codes:app"
message_timeout = 0.3
max_message_bytes = 150000
max_inflight = 3
max_connections = 20
request_timeout = 5.0
"""


class CodesTests(OrchestratorTestCase):
    """Each test of a code has its name."""

    config = _LIMITS

    def setUp(self) -> None:
        """Start the service, and connect."""
        super().setUp()
        self.running = self.start()
        self.connection = self.talk()

    def assertCode(self, code: int, reply: Any) -> None:
        """The reply has this code, and the connection stays open."""
        self.assertFailure(code, reply)
        self.assertEqual(
            self.connection.ask(id="on", path="/-/ping"), {"id": "on", "code": 200, "data": "pong"}
        )

    def assertFailure(self, code: int, reply: Any) -> None:
        """The reply has this code in the form of the protocol."""
        self.assertEqual((reply["status"], reply["code"]), ("error", code))
        self.assertEqual(set(reply) - {"id"}, {"status", "code", "message", "detail"})

    def assertClosed(self, code: int, data: bytes) -> None:
        """These bytes get a bare error with this code, and the connection is closed."""
        with self.talk() as talk:
            talk.raw(data)
            self.assertFailure(code, talk.receive())
            self.assertEqual(talk.rest(), b"")

    def test_200(self) -> None:
        """A result."""
        self.assertEqual(self.connection.ask(id=1, path="/item/7"), {"id": 1, "code": 200, "data": {"id": 7}})

    def test_400_not_json(self) -> None:
        """Bytes that are not JSON."""
        self.assertClosed(400, b"nonsense\n")
        self.assertClosed(400, b'{"path": \n')

    def test_400_no_object(self) -> None:
        """JSON that is not an object."""
        self.connection.raw(b"[1]\n")
        self.assertCode(400, self.connection.receive())

    def test_400_wrong_field(self) -> None:
        """A field of the wrong type, which is named."""
        reply = self.connection.ask(id=1, path=["/"])
        self.assertCode(400, reply)
        self.assertEqual((reply["id"], reply["detail"][0]["field"]), (1, "path"))

    def test_400_bad_utf8(self) -> None:
        """Invalid UTF-8 in the envelope and in the arguments."""
        self.assertClosed(400, b'{"path":"/\xff"}\n')
        item = b'{"id":1,"method":"POST","path":"/item","auth_token":"%b","data":{"name":"\xff","price":1}}\n'
        self.connection.raw(item % self.token().encode())
        self.assertCode(400, self.connection.receive())

    def test_400_nested(self) -> None:
        """A hundred thousand nested brackets."""
        self.assertClosed(400, b'{"x":' + b"[" * 100_000 + b"\n")
        self.assertClosed(400, b"[" * 100_000 + b"\n")

    def test_401_no_token(self) -> None:
        """No token; existing and missing paths have the same reply."""
        with self.talk(token=False) as talk:
            for path in ("/item/7", "/nothing", "/-/routes", "/-/ping"):
                self.assertFailure(401, talk.ask(id=1, path=path))

    def test_401_wrong_token(self) -> None:
        """A wrong token; after five of them the connection is closed."""
        with RawConnection(self.path(), "0" * 64) as talk:
            for number in range(5):
                self.assertFailure(401, talk.ask(id=number, path="/item/7"))
            self.assertEqual(talk.rest(), b"")

    def test_403(self) -> None:
        """An action raises Forbidden."""
        self.assertCode(403, self.connection.ask(id=1, path="/forbidden"))

    def test_404(self) -> None:
        """An unknown path, also with a variable of the wrong type."""
        for path in ("/nothing", "/item/seven", "/item/7/", "/item/", "//"):
            self.assertCode(404, self.connection.ask(id=1, path=path))

    def test_405(self) -> None:
        """A wrong method; the details list the allowed ones."""
        reply = self.connection.ask(id=1, path="/item/7", method="DELETE")
        self.assertCode(405, reply)
        self.assertEqual(reply["detail"], {"allowed": ["GET"]})

    def test_408(self) -> None:
        """An incomplete message."""
        self.assertClosed(408, b'{"path":')

    def test_409(self) -> None:
        """An action raises Conflict."""
        self.assertCode(409, self.connection.ask(id=1, path="/conflict"))

    def test_410(self) -> None:
        """An action raises Gone."""
        self.assertCode(410, self.connection.ask(id=1, path="/gone"))

    def test_413(self) -> None:
        """A message above the size limit, complete or not; the client can read the reply while it sends."""
        self.assertClosed(413, b"x" * 150_001)
        self.assertClosed(413, b'{"path":"' + b"x" * 3_000_000 + b'"}\n')

    def test_426(self) -> None:
        """A WebSocket without the messages of one."""
        self.assertCode(426, self.connection.ask(id=1, path="/chat", method="WEBSOCKET"))

    def test_422_missing(self) -> None:
        """Missing arguments."""
        reply = self.connection.ask(id=1, path="/item", method="POST")
        self.assertCode(422, reply)
        self.assertEqual([each["field"] for each in reply["detail"]], ["name", "price"])

    def test_422_wrong(self) -> None:
        """Invalid arguments, all of them in one reply."""
        wrong = {"name": "", "price": "high", "colour": "red"}
        reply = self.connection.ask(id=1, path="/item", method="POST", data=wrong)
        self.assertCode(422, reply)
        self.assertEqual({each["field"] for each in reply["detail"]}, set(wrong))

    def test_429(self) -> None:
        """An action raises RateLimited."""
        reply = self.connection.ask(id=1, path="/limited")
        self.assertCode(429, reply)
        self.assertEqual(reply["detail"], {"retry_after": 2.5})

    def test_499(self) -> None:
        """A cancelled request."""
        self.connection.send(id=1, path="/never")
        self.connection.send(id=1, cancel=True)
        self.assertCode(499, self.connection.receive())

    def test_500(self) -> None:
        """An exception in an action: no details in the reply, but in the log with the request id."""
        reply = self.connection.ask(id=1, path="/fail", meta={"request_id": "find me"})
        self.assertCode(500, reply)
        self.assertEqual((reply["message"], reply["detail"]), ("Internal Server Error", None))
        event = self.running.until("/fail", SECRET)
        self.assertEqual(event["request_id"], "find me")
        self.assertIn("codes.py", event["traceback"])

    def test_502(self) -> None:
        """An action raises BadGateway."""
        self.assertCode(502, self.connection.ask(id=1, path="/gateway"))

    def test_503_too_many_requests(self) -> None:
        """More pending requests than the limit."""
        for number in range(4):
            self.connection.send(id=number, path="/never")
        reply = self.connection.receive()
        self.assertFailure(503, reply)
        self.assertEqual((reply["id"], reply["detail"]), (3, {"retry_after": 1.0}))

    def test_503_too_many_connections(self) -> None:
        """More connections than the limit."""
        talks = [self.talk() for _ in range(20)]
        self.assertFailure(503, talks[-1].receive())
        self.assertEqual(talks[-1].rest(), b"")

    def test_504(self) -> None:
        """An action that exceeds the caller's deadline, waiting or blocking."""
        for path in ("/wait", "/never"):
            self.assertCode(504, self.connection.ask(id=1, path=path, timeout=0.05))
        self.assertCode(504, self.connection.ask(id=1, path="/block", data={"seconds": 0.5}, timeout=0.05))
        self.assertCode(504, self.connection.ask(id=1, path="/item/7", timeout=0))

    def test_no_action_leaks(self) -> None:
        """The log has no failures other than those of /fail."""
        self.connection.ask(id=1, path="/fail")
        self.running.until("/fail")
        errors = [each for each in self.running.log if each["level"] in ("error", "critical")]
        self.assertEqual(len(errors), 1)


class ServersLimitTests(OrchestratorTestCase):
    """The server's own limits."""

    config = '[services.codes]\napp = "codes:app"\nrequest_timeout = 0.05\n'

    def test_504_the_servers_limit(self) -> None:
        """An action that exceeds the server's limit, even if the caller's deadline is later."""
        self.start()
        reply = self.talk().ask(id=1, path="/wait", timeout=60)
        self.assertEqual(reply["code"], 504)


class ForbiddenUserTests(OrchestratorTestCase):
    """Users that are not allowed."""

    config = '[security]\nallow_uids = [4242]\n[services.codes]\napp = "codes:app"\n'

    def test_403_the_connection(self) -> None:
        """A user that is not allowed gets 403, and the connection is closed."""
        self.start()
        with self.talk() as talk:
            self.assertEqual(talk.receive()["code"], 403)
            self.assertEqual(talk.rest(), b"")


class PageTests(OrchestratorTestCase):
    """The table of codes."""

    def test_every_code_has_a_test(self) -> None:
        """The tests of this module have the codes of the table, except those that only HTTP has."""
        page = Path(__file__).resolve().parents[2] / "docs" / "reference" / "errors.rst"
        rows = page.read_text("utf-8").split("\n   * - ")[1:]
        listed = {row[:3] for row in rows if row[:3].isdigit() and "Only over HTTP" not in row}
        tested = {found[1] for name in dir(CodesTests) if (found := re.match(r"test_(\d{3})", name))}
        self.assertEqual(listed | {"200"}, tested)
