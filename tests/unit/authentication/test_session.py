"""Session cookies: login, logout, and the attacks on them."""

from __future__ import annotations

from secrets import token_hex

from twisted.trial.unittest import SynchronousTestCase

from tests.unit.authentication.requests import identify, over_http, over_socket, refusal
from unixsvc.authentication.authenticator import Refusal
from unixsvc.authentication.schemes.session import Session, SessionCookie
from unixsvc.domain.message import Request
from unixsvc.errors import ConfigError, Forbidden

KEY, OTHER = "k" * 32, "o" * 32


def known(session: Session) -> Session:
    """The user is the session."""
    return session


class SessionTests(SynchronousTestCase):
    def setUp(self) -> None:
        """A scheme with a clock."""
        self.now = 1000.0
        self.scheme = self.make()

    def make(
        self, key: str | list[str] = KEY, name: str = "session", *, secure: bool = True
    ) -> SessionCookie:
        """A scheme that was started."""
        made = SessionCookie(known, key=key, max_age=100, name=name, secure=secure, now=lambda: self.now)
        made.start(".")
        return made

    def log_in(self, scheme: SessionCookie | None = None, subject: str = "ada") -> str:
        """Log in; returns the cookie."""
        request = over_http("POST")
        (scheme or self.scheme).log_in(request, subject, {"theme": "dark"})
        headers = dict(request.reply_headers)
        return headers["Set-Cookie"].partition(";")[0]

    def test_login(self) -> None:
        """The cookie of a login has secure attributes, and later requests have its session."""
        request = over_http("POST")
        self.scheme.log_in(request, "ada", {"theme": "dark"})
        headers = dict(request.reply_headers)
        cookie, *attributes = headers["Set-Cookie"].split("; ")
        self.assertTrue(cookie.startswith("__Host-session="))
        expected = {"Path=/", "HttpOnly", "SameSite=Lax", "Secure", "Max-Age=100"}
        self.assertEqual(set(attributes), expected)
        self.assertEqual(headers["Cache-Control"], "no-store")
        later = over_http(headers={"Cookie": f"a=b; {cookie}"})
        session = identify(self.scheme, later)
        self.assertEqual((session.subject, session.data), ("ada", {"theme": "dark"}))
        self.assertEqual(session.started.timestamp(), 1000)
        self.assertEqual(later.reply_headers, [("Cache-Control", "no-store")])

    def test_plain(self) -> None:
        """Without TLS, the cookie is neither secure nor has it the prefix."""
        self.assertTrue(self.log_in(self.make(secure=False)).startswith("session="))

    def test_logout(self) -> None:
        """Logging out removes the cookie."""
        request = over_http("POST")
        self.scheme.log_out(request)
        headers = dict(request.reply_headers)
        self.assertTrue(headers["Set-Cookie"].startswith("__Host-session=; Max-Age=0; "))

    def test_fixation(self) -> None:
        """Each login makes another session, whatever cookie the browser has sent; the server keeps none."""
        first, second = self.log_in(), self.log_in()
        self.assertNotEqual(first, second)
        chosen = over_http(headers={"Cookie": "__Host-session=chosen"})
        self.assertEqual(refusal(self.scheme, chosen), "the session is not valid")

    def test_tampering(self) -> None:
        """A cookie that was changed at any place, or signed with another key, is refused."""
        cookie = self.log_in()
        name, _, value = cookie.partition("=")
        content, signature = value.rsplit(".", 1)
        for place in range(0, len(value) - 1, 3):
            other = "A" if value[place] != "A" else "B"
            changed = value[:place] + other + value[place + 1 :]
            self.assertTrue(self.problem(f"{name}={changed}"), place)
        for wrong in (content, f"{content}.", f".{signature}", "." * 50, "a" * 3801, "", value + "x"):
            if wrong:
                self.assertTrue(self.problem(f"{name}={wrong}"), wrong[:20])
        self.assertTrue(self.problem(self.log_in(self.make(OTHER))))

    def test_salt(self) -> None:
        """A cookie of another scheme with the same key is not valid here."""
        self.assertTrue(self.problem(self.log_in(self.make(name="admin"))))

    def test_time(self) -> None:
        """A session ends after ``max_age``; one from the future is not valid."""
        cookie = self.log_in()
        self.now = 1099.9
        self.assertEqual(self.problem(cookie), "")
        self.now = 1100.0
        self.assertEqual(self.problem(cookie), "the session has ended")
        self.now = 999.0
        self.assertTrue(self.problem(cookie))

    def test_rotation(self) -> None:
        """The first of several keys signs; all of them verify."""
        old = self.log_in()
        both = self.make([OTHER, KEY])
        self.assertEqual(identify(both, over_http(headers={"Cookie": old})).subject, "ada")
        new = self.log_in(both)
        only_new = self.make(OTHER)
        self.assertEqual(identify(only_new, over_http(headers={"Cookie": new})).subject, "ada")

    def test_twice(self) -> None:
        """Two cookies of the name are refused: a neighbouring host may have set one of them."""
        cookie = self.log_in()
        self.assertIn("more than once", self.problem(f"{cookie}; {self.log_in(subject='eve')}"))
        self.assertEqual(self.problem(f"{cookie}; {cookie}"), "")

    def test_prefix(self) -> None:
        """Only blanks are removed around a name: what is another name to the browser is no session."""
        cookie = self.log_in()
        self.assertEqual(self.problem(f"a=b;\t {cookie} "), "")
        for each in "\xa0\x85\x1f\x0b\x0c":
            for field in (each + cookie, cookie.replace("=", f"{each}=", 1)):
                found = identify(self.scheme, over_http(headers={"Cookie": f"a=b; {field}"}))
                self.assertEqual((type(found), found.problems), (Refusal, {}), field)

    def test_cross_site(self) -> None:
        """A change, or a WebSocket, has to be from a page of the same origin."""
        cookie = {"Cookie": self.log_in()}
        own = {"Origin": "https://api.example.org"}
        for method, headers, is_own in (
            ("GET", {}, True),
            ("HEAD", {}, True),
            ("POST", own, True),
            ("POST", {"Sec-Fetch-Site": "same-origin"}, True),
            ("POST", {"Sec-Fetch-Site": "none"}, True),
            ("GET", {"Upgrade": "websocket", **own}, True),
            ("POST", {}, False),
            ("DELETE", {"Origin": "https://evil.example"}, False),
            ("POST", {"Origin": "null"}, False),
            ("POST", {"Origin": "https://api.example.org.evil.example"}, False),
            ("POST", {"Sec-Fetch-Site": "same-site"}, False),
            ("POST", {"Sec-Fetch-Site": "cross-site", **own}, False),
            ("GET", {"Upgrade": "websocket", "Origin": "https://evil.example"}, False),
            ("GET", {"Upgrade": "websocket"}, False),
        ):
            found = identify(self.scheme, over_http(method, {**cookie, **headers}))
            self.assertEqual(isinstance(found, Session), is_own, (method, headers))
            if not is_own:
                self.assertIsInstance(found.error, Forbidden)

    def test_other_origins(self) -> None:
        """Listed origins may use the session."""
        app = "https://app.example.org"
        scheme = SessionCookie(known, key=KEY, origins=[app], now=lambda: self.now)
        scheme.start(".")
        cookie = self.log_in(scheme)
        request = over_http("POST", {"Cookie": cookie, "Origin": app, "Sec-Fetch-Site": "same-site"})
        self.assertEqual(identify(scheme, request).subject, "ada")

    def test_socket(self) -> None:
        """Over a socket there are no cookies."""
        self.assertEqual(refusal(self.scheme, over_socket({"cookie": self.log_in()})), "")

    def test_arguments(self) -> None:
        """A short key is refused, and a session that fits into no cookie."""
        for key in ("", "short", [], [KEY, "short"]):
            self.assertRaises(ConfigError, SessionCookie, known, key=key)
        self.assertRaises(ConfigError, SessionCookie, known, key=KEY, secure=False, same_site="None")
        self.assertRaises(ValueError, self.scheme.log_in, over_http(), "a", {"text": token_hex(4000)})
        self.assertNotIn(KEY, repr(self.scheme))

    def test_header_injection(self) -> None:
        """A subject cannot add a header: the cookie is encoded."""
        request: Request = over_http("POST")
        self.scheme.log_in(request, "ada\r\nX-Evil: 1; Domain=evil")
        for _, value in request.reply_headers:
            self.assertNotIn("evil", value.lower())

    def problem(self, cookie: str) -> str:
        """Why a cookie is refused; empty if it is valid."""
        found = identify(self.scheme, over_http(headers={"Cookie": cookie}))
        return "" if isinstance(found, Session) else str(found.problems.get("session", "none"))
