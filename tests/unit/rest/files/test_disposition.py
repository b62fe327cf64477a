from twisted.trial.unittest import SynchronousTestCase

from unixsvc.rest.files.disposition import content_disposition


class DispositionTests(SynchronousTestCase):
    def test_kinds(self) -> None:
        """A file is saved, or shown; the name is optional."""
        self.assertEqual(content_disposition("", attachment=True), b"attachment")
        self.assertEqual(content_disposition("", attachment=False), b"inline")
        self.assertEqual(content_disposition("a b.pdf", attachment=False), b'inline; filename="a b.pdf"')

    def test_other_letters(self) -> None:
        """A name with other letters is there for clients of RFC 8187 and for others."""
        self.assertEqual(
            content_disposition("na\xefve \u20ac.txt", attachment=True),
            b"attachment; filename=\"na_ve _.txt\"; filename*=UTF-8''na%C3%AFve%20%E2%82%AC.txt",
        )

    def test_injection(self) -> None:
        """No name adds a parameter, a header or a path."""
        for name, value in (
            ('a"; b="c', b"attachment; filename=\"a_; b=_c\"; filename*=UTF-8''a%22%3B%20b%3D%22c"),
            ("a\r\nX: y", b'attachment; filename="aX: y"'),
            ("../../etc/passwd", b'attachment; filename=".._.._etc_passwd"'),
            ("..\\x", b'attachment; filename=".._x"'),
            ("50%41", b"attachment; filename=\"50_41\"; filename*=UTF-8''50%2541"),
            ("\0\x1b", b"attachment"),
            ("\ud800", b"attachment; filename=\"_\"; filename*=UTF-8''%3F"),
        ):
            self.assertEqual(content_disposition(name, attachment=True), value, repr(name))
