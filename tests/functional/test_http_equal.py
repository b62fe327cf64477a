"""One application gives the same over its Unix socket, over HTTP, and over HTTP through a mount."""

from __future__ import annotations

from typing import Any

from tests.functional.http_stack import Answer, WebTestCase

_CONFIG = """
[limits]
request_timeout = 0.5
[services.codes]
app = "codes:app"
[http]
app = "codes:app"
listen = ["tcp:0:interface=127.0.0.1"]
mounts = { "/mounted" = "codes:/" }
"""

# What is asked for, and the code that it has.
_ASKED: list[tuple[str, str, Any, int]] = [
    ("GET", "/item/7", None, 200),
    ("GET", "/item/-7", None, 200),
    ("POST", "/item", {"name": "Pen", "price": 1.5}, 200),
    ("GET", "/large/70000", None, 200),
    ("GET", "/nothing", None, 404),
    ("GET", "/item/seven", None, 404),
    ("DELETE", "/item/7", None, 405),
    ("POST", "/item", {}, 422),
    ("POST", "/item", {"name": "", "price": "high", "colour": "red"}, 422),
    ("GET", "/wait?seconds=soon", None, 422),
    ("GET", "/forbidden", None, 403),
    ("GET", "/conflict", None, 409),
    ("GET", "/gone", None, 410),
    ("GET", "/limited", None, 429),
    ("GET", "/gateway", None, 502),
    ("GET", "/fail", None, 500),
    ("GET", "/never", None, 504),
    ("GET", "/item/%ff", None, 400),
]


class EqualTests(WebTestCase):
    """Data, codes and details."""

    config = _CONFIG

    def setUp(self) -> None:
        """Start it, and connect in both ways."""
        super().setUp()
        self.serve()
        self.connection = self.talk()

    def test_equal(self) -> None:
        """Whatever is asked, the answers are the same."""
        for method, path, data, code in _ASKED:
            message = {} if data is None else {"data": data}
            reply = self.connection.ask(id=1, method=method, path=path, **message)
            self.assertEqual(reply["code"], code, (method, path))
            for prefix in "", "/mounted":
                self.assertSame(reply, self.fetch(method, prefix + path, data), (method, prefix + path))

    def test_token(self) -> None:
        """So is the refusal of whoever has no token, or a wrong one."""
        for token, shown in ((None, {}), ("0" * 64, {"Authorization": f"Bearer {'0' * 64}"})):
            message = {} if token is None else {"auth_token": token}
            with self.talk(token=False) as talk:
                reply = talk.ask(id=1, path="/item/7", **message)
            answer = self.fetch("GET", "/item/7", token=False, headers=shown)
            self.assertEqual((reply["code"], answer.code), (401, 401))

    def assertSame(self, reply: Any, answer: Answer, what: object) -> None:
        """A reply and an answer say the same."""
        self.assertEqual(answer.code, reply["code"], what)
        if reply["code"] == 200:
            self.assertEqual(answer.data, reply["data"], what)
            return
        problem, detail = answer.data, reply["detail"]
        self.assertEqual(answer.headers["content-type"], "application/problem+json")
        self.assertEqual((problem["status"], problem["title"]), (reply["code"], reply["message"]), what)
        if isinstance(detail, dict):
            self.assertEqual({name: problem[name] for name in detail}, detail, what)
        else:
            self.assertEqual(problem.get("errors" if isinstance(detail, list) else "detail"), detail, what)
