from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from unixsvc import Event, Redirect, Response, SetCookie
from unixsvc.domain.reply_head import ReplyHead, WrongHeader
from unixsvc.domain.results.redirect_target import WrongTarget
from unixsvc.domain.results.response import header_fields

INJECTED = ("a\r\nX-Evil: 1", "a\n", "\ra", "a\0", "a\r\n\r\n<script>", "\u2028")


class ResponseTests(SynchronousTestCase):
    def test_fields(self) -> None:
        """Headers may be a mapping or pairs; a cookie is a header of its own."""
        cookies = [SetCookie("a", "b"), SetCookie("c", "d")]
        response = Response(7, 202, {"X-A": "1"}, cookies)
        names = [name for name, _ in header_fields(response)]
        self.assertEqual(names, ["X-A", "Set-Cookie", "Set-Cookie"])
        pairs = Response(7, headers=[("Link", "<a>"), ("link", "<b>")])
        self.assertEqual(header_fields(pairs), (("Link", "<a>"), ("link", "<b>")))
        self.assertEqual((pairs.header("LINK"), pairs.header("X-A")), ("<b>", None))

    def test_injection(self) -> None:
        """No header can begin another one, and the media type neither: the action that does so fails."""
        for text in INJECTED:
            for wrong in (
                lambda text=text: Response(7, headers={text: "b"}),
                lambda text=text: Response(7, headers={"X-A": text}),
                lambda text=text: Response(7, media_type=text),
                lambda text=text: Response(7, media_type=f"text/plain; a={text}"),
                lambda text=text: Response(7, media_type=f'text/plain; a="{text}"'),
                lambda text=text: Redirect("/x", headers={"X-A": text}),
                lambda text=text: ReplyHead(headers=(("X-A", text),)),
                lambda text=text: ReplyHead(media_type=text),
            ):
                self.assertRaises(WrongHeader, wrong)

    def test_of_the_server(self) -> None:
        """Fields that frame the message, and the media type, are set by the server."""
        for name in ("Content-Length", "transfer-encoding", "Connection", "Content-Type"):
            error = self.assertRaises(WrongHeader, Response, 7, headers={name: "1"})
            self.assertIn("is set by the server", str(error))

    def test_status(self) -> None:
        """Errors are raised; a status without a body has no value."""
        for status in (100, 199, 404, 500, 700):
            self.assertRaises(ValueError, Response, 7, status)
        self.assertRaises(ValueError, Response, 7, 204)
        Response(None, 204)


class RedirectTests(SynchronousTestCase):
    def test_targets(self) -> None:
        """A target is a path of this server, or a URL with HTTP; other characters are escaped."""
        for target, sent in {
            "/": "/",
            "/user/7?page=2#top": "/user/7?page=2#top",
            "/café": "/caf%C3%A9",
            "/a%20b": "/a%20b",
            "https://shop.example/x?next=http://a": "https://shop.example/x?next=http://a",
            "http://[::1]:8080/": "http://[::1]:8080/",
        }.items():
            self.assertEqual(header_fields(Redirect(target)), (("Location", sent),))

    def test_unsafe(self) -> None:
        """Targets that lead elsewhere than they seem to, or execute a script, are errors."""
        for target in (
            "",
            "user/7",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "/\t/evil.example",
            "/x\r\nX-Evil: 1",
            "/x\0",
            "/a b",
            " https://evil.example",
            "javascript:alert(1)",
            "JavaScript:alert(1)",
            "data:text/html,x",
            "https:",
            "https:evil.example",
            "http:///evil.example",
            "ftp://a.example",
            "https://a.example:x/",
            "https://[::1",
            "https://éxample.example/",
        ):
            self.assertRaises(WrongTarget, Redirect, target)

    def test_status(self) -> None:
        """The status is one that browsers follow."""
        for status in (200, 300, 304, 305, 400):
            self.assertRaises(ValueError, Redirect, "/", status)
        for status in (301, 302, 303, 307, 308):
            Redirect("/", status)


class EventTests(SynchronousTestCase):
    def test_lines(self) -> None:
        """An id or a name with a line end would end its field; a NUL makes browsers ignore the id."""
        for text in ("a\nb", "a\r", "\0"):
            self.assertRaises(ValueError, Event, 7, id=text)
            self.assertRaises(ValueError, Event, 7, event=text)
        wrong: Any = b"bytes"
        self.assertRaises(ValueError, Event, wrong, text=True)
        self.assertRaises(ValueError, Event, 7, retry=-1)
