"""One application has the same results over its Unix socket, over HTTP, and over HTTP through a mount."""

from __future__ import annotations

from typing import Any

from tests.functional.http_stack import HttpTestCase, Response

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

# The requests, and their status codes.
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


class EqualTests(HttpTestCase):
    """Data, codes and details."""

    config = _CONFIG

    def setUp(self) -> None:
        """Start the services, and connect in both ways."""
        super().setUp()
        self.serve()
        self.connection = self.talk()

    def test_equal(self) -> None:
        """Replies and responses are equal."""
        for method, path, data, code in _ASKED:
            message = {} if data is None else {"data": data}
            reply = self.connection.ask(id=1, method=method, path=path, **message)
            self.assertEqual(reply["code"], code, (method, path))
            for prefix in "", "/mounted":
                self.assert_same(reply, self.fetch(method, prefix + path, data), (method, prefix + path))

    def test_token(self) -> None:
        """So are the errors for missing and wrong tokens."""
        for token, headers in ((None, {}), ("0" * 64, {"Authorization": f"Bearer {'0' * 64}"})):
            message = {} if token is None else {"auth_token": token}
            with self.talk(token=False) as talk:
                reply = talk.ask(id=1, path="/item/7", **message)
            response = self.fetch("GET", "/item/7", token=False, headers=headers)
            self.assertEqual((reply["code"], response.code), (401, 401))

    def assert_same(self, reply: Any, response: Response, what: object) -> None:
        """Assert that a reply and a response are equal."""
        self.assertEqual(response.code, reply["code"], what)
        if reply["code"] == 200:
            self.assertEqual(response.data, reply["data"], what)
            return
        problem, detail = response.data, reply["detail"]
        self.assertEqual(response.headers["content-type"], "application/problem+json")
        self.assertEqual((problem["status"], problem["title"]), (reply["code"], reply["message"]), what)
        if isinstance(detail, dict):
            self.assertEqual({name: problem[name] for name in detail}, detail, what)
        else:
            self.assertEqual(problem.get("errors" if isinstance(detail, list) else "detail"), detail, what)
