"""Who may read the page, and who may act on it."""

from __future__ import annotations

from tests.unit.dashboard.page_requests import TOKEN, PageTestCase
from unixsvc.config.dashboard import Dashboard
from unixsvc.security.access import AcceptedToken, digest_of

_OTHER = "fedcba9876543210" * 4
_ORDER = b'{"service": "home"}'


class ReadTests(PageTestCase):
    """Reading."""

    def test_without_token(self) -> None:
        """Everyone who reaches the address may read; the page has no operator then."""
        for path in "/", "/app.js", "/snapshot", "/requests":
            self.assertEqual(self.request("GET", path).code, 200, path)
        self.assertEqual(
            self.request("GET", "/session").json(),
            {"operator": None, "reads": True, "secret": "", "trace_link": ""},
        )

    def test_token_required(self) -> None:
        """With token = "required", figures are for operators; the page itself, which has none, is for all."""
        self.pages.use(Dashboard(token="required"))
        for path in "/snapshot", "/requests", "/requests/slowest", "/requests/failed", "/events", "/stream":
            reply = self.request("GET", path)
            self.assertEqual((reply.code, reply.headers["www-authenticate"]), (401, "Bearer"), path)
        self.assertEqual(self.request("GET", "/").code, 200)
        self.assertFalse(self.request("GET", "/session").json()["reads"])
        session = self.log_in()
        self.assertEqual(self.request("GET", "/snapshot", headers={"Cookie": session["Cookie"]}).code, 200)

    def test_trace_link(self) -> None:
        """Who may read the page gets the address of traces; a reload changes it."""
        link = "http://jaeger:16686/trace/{trace_id}"
        self.pages.use(Dashboard(trace_link=link))
        self.assertEqual(self.request("GET", "/session").json()["trace_link"], link)
        self.pages.use(Dashboard(trace_link=link, token="required"))
        self.assertEqual(self.request("GET", "/session").json()["trace_link"], "")
        self.assertEqual(self.enter(TOKEN).json()["trace_link"], link)

    def test_foreign_host(self) -> None:
        """A name that leads to this address but is not its own is refused (DNS rebinding)."""
        for path in "/", "/snapshot", "/stream":
            self.assertEqual(self.request("GET", path, host="evil.example:8090").code, 421, path)
        self.pages.use(Dashboard(allowed_hosts=("ops.example",)))
        self.assertEqual(self.request("GET", "/", host="ops.example").code, 200)
        self.assertEqual(self.request("GET", "/").code, 421)


class LogInTests(PageTestCase):
    """Sessions."""

    def test_wrong_tokens(self) -> None:
        """A wrong token, the token of a service, and one for all services are not those of an operator."""
        self.named += [
            AcceptedToken("caller", digest_of(_OTHER), ("home",)),
            AcceptedToken("everything", digest_of("e" * 64), ("*",)),
        ]
        for token in "", "x", _OTHER, "e" * 64, "é" * 64, TOKEN + "0":
            reply = self.enter(token)
            self.assertEqual(reply.code, 401, token)
            self.assertNotIn("set-cookie", reply.headers)

    def test_cookie(self) -> None:
        """Scripts do not see the cookie, and pages of other sites do not send it."""
        reply = self.enter(TOKEN)
        attributes = reply.headers["set-cookie"].lower().split("; ")[1:]
        self.assertEqual({*attributes}, {"path=/", "httponly", "samesite=strict"})
        self.assertEqual(reply.json()["operator"], "oncall")

    def test_token_file(self) -> None:
        """The token of the file is that of an operator."""
        self.file_token = _OTHER
        self.assertEqual(self.act("reload", b"{}", self.log_in(_OTHER)).code, 200)

    def test_secret_is_told_once(self) -> None:
        """Who has the cookie alone, as a server on another port, does not get the secret."""
        session = self.log_in()
        who = self.request("GET", "/session", headers={"Cookie": session["Cookie"]}).json()
        self.assertEqual(who, {"operator": "oncall", "reads": True, "secret": "", "trace_link": ""})

    def test_end(self) -> None:
        """A session ends when its operator logs out, when its token is revoked, and after a day."""
        session = self.log_in()
        self.assertEqual(self.request("DELETE", "/session", headers=session).code, 204)
        self.assertEqual(self.act("reload", b"{}", session).code, 401)
        session = self.log_in()
        named, self.named = self.named, []
        self.assertEqual(self.act("reload", b"{}", session).code, 401)
        self.named = named
        self.clock.advance(86_400)
        self.assertEqual(self.act("reload", b"{}", session).code, 401)


class ActionTests(PageTestCase):
    """Actions."""

    def test_actions(self) -> None:
        """Each action reaches the orchestrator."""
        session = self.log_in()
        orders = {
            "reload": b"{}",
            "restart": _ORDER,
            "scale": b'{"service": "home", "workers": 3}',
            "log-level": b'{"level": "debug", "service": "home"}',
            "cancel": b'{"id": "7f"}',
        }
        for name, order in orders.items():
            reply = self.act(name, order, session)
            self.assertEqual(reply.code, 200, reply.body)
        expected: list[tuple[object, ...]] = [
            ("reload", ""), ("restart", "home"), ("scale", "home", 3), ("level", "debug", "home"),
            ("cancel", "7f", ""),
        ]  # fmt: skip
        self.assertEqual(self.orchestrator.done, expected)

    def test_forged(self) -> None:
        """Without the session, its secret or the Origin of the page, nothing happens (CSRF)."""
        session = self.log_in()
        forged: tuple[tuple[dict[str, str], int], ...] = (
            ({}, 403),
            ({"Origin": "http://localhost:8090"}, 401),
            (session | {"X-CSRF-Token": ""}, 403),
            (session | {"X-CSRF-Token": "x" * 43}, 403),
            (session | {"Cookie": "unixsvc-session=x"}, 401),
            (session | {"Origin": "http://evil.example"}, 403),
            (session | {"Origin": "null"}, 403),
            (session | {"Origin": "http://localhost:9999"}, 403),
            (session | {"Sec-Fetch-Site": "same-site"}, 403),
            ({name: value for name, value in session.items() if name != "Origin"}, 403),
        )
        for headers, code in forged:
            self.assertEqual(self.act("restart", _ORDER, headers).code, code, headers)
        self.assertEqual(self.request("GET", "/actions/restart", headers=session).code, 405)
        self.assertEqual(self.orchestrator.done, [])

    def test_limited_token(self) -> None:
        """A token that is limited to routes of the control API is limited to these actions."""
        token = AcceptedToken("oncall", digest_of(TOKEN), ("orchestrator",), ("POST /reload",))
        self.named = [token]
        session = self.log_in()
        self.assertEqual(self.act("restart", _ORDER, session).code, 403)
        self.assertEqual(self.act("reload", _ORDER, session).code, 200)
        self.assertEqual(self.orchestrator.done, [("reload", "home")])

    def test_wrong_orders(self) -> None:
        """An order that is not one is refused, with the reason."""
        session = self.log_in()
        for name, order in {
            "scale": b'{"service": "home", "workers": 0}',
            "restart": b"[",
            "reload": b'{"servces": "home"}',
            "log-level": b"{}",
            "cancel": b'{"id": ""}',
        }.items():
            reply = self.act(name, order, session)
            self.assertEqual(reply.code, 422, reply.body)
        self.assertEqual(self.act("explode", b"{}", session).code, 404)
        self.assertEqual(self.orchestrator.done, [])

    def test_failed(self) -> None:
        """An operation that cannot succeed is a conflict that says why."""
        self.fail_with("no such application")
        reply = self.act("restart", _ORDER, self.log_in())
        self.assertEqual(reply.code, 409)
        self.assertIn("no such application", reply.json()["detail"])

    def test_large_body(self) -> None:
        """A body that is larger than any order ends the connection."""
        transport = self.send("POST", "/actions/reload", b" " * 20_000)
        self.assertTrue(transport.disconnecting or transport.disconnected)
        self.assertEqual(transport.value(), b"")
