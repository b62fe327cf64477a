from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from unixsvc import SetCookie
from unixsvc.domain.reply_head import WrongHeader, check_header

INJECTED = ("\r\nX-Evil: 1", "\n", "\r", "\0", "a\r\n\r\n<script>", "é\x85", "\u2028")


class SetCookieTests(SynchronousTestCase):
    def refuse(self, *arguments: Any, **options: Any) -> str:
        """A cookie that cannot be made; the reason."""
        return str(self.assertRaises(WrongHeader, SetCookie, *arguments, **options))

    def test_defaults(self) -> None:
        """By default scripts, plain HTTP and pages of other sites do not get a cookie."""
        cookie = SetCookie("session", "abc")
        self.assertEqual(cookie.header, "session=abc; Path=/; Secure; HttpOnly; SameSite=Lax")

    def test_attributes(self) -> None:
        """Each attribute can be set."""
        cookie = SetCookie(
            "theme", "dark", 60, "/shop", "shop.example", secure=False, http_only=False, same_site="Strict"
        )
        expected = "theme=dark; Max-Age=60; Domain=shop.example; Path=/shop; SameSite=Strict"
        self.assertEqual(cookie.header, expected)
        embedded = SetCookie("a", "b", same_site="None", partitioned=True)
        self.assertEqual(embedded.header, "a=b; Path=/; Secure; HttpOnly; SameSite=None; Partitioned")

    def test_delete(self) -> None:
        """The browser drops a cookie with the same path and domain."""
        cookie = SetCookie.delete("__Host-session")
        self.assertEqual(cookie.header, "__Host-session=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Lax")

    def test_injection(self) -> None:
        """No name, value or attribute can begin another attribute or another header field."""
        for text in (*INJECTED, "a; Domain=evil.example", "a,b", 'a"b', "a b", "a\\b"):
            self.refuse(text, "value")
            self.refuse("name", text)
            self.refuse("name", "value", domain=text)
        for text in (*INJECTED, "/; HttpOnly", "relative"):
            self.refuse("name", "value", path=text)
        self.refuse("name", "value", same_site="Lax; Domain=evil.example")
        self.refuse("name", "value", max_age="1; Domain=evil.example")
        self.refuse("name", "value", max_age=True)
        self.refuse("", "value")

    def test_checked_again(self) -> None:
        """What is accepted is a valid header field."""
        check_header("Set-Cookie", SetCookie("a!#$%&'*+-.^_`|~", "!#$%&'()*+-./:<=>?@[]^_`{|}~").header)

    def test_prefixes(self) -> None:
        """Browsers ignore cookies whose prefix promises what they lack, so these are errors."""
        SetCookie("__Host-a", "b")
        SetCookie("__Secure-a", "b", path="/x", domain="shop.example")
        for options in ({"secure": False}, {"path": "/x"}, {"domain": "shop.example"}):
            self.assertIn("because of its prefix", self.refuse("__Host-a", "b", **options))
            self.refuse("__HOST-a", "b", **options)
        self.assertIn("because of its prefix", self.refuse("__Secure-a", "b", secure=False))

    def test_ignored_by_browsers(self) -> None:
        """So are other cookies that browsers ignore."""
        self.refuse("a", "b", same_site="None", secure=False)
        self.refuse("a", "b", partitioned=True, secure=False)
        self.refuse("a", "b" * 4096)
